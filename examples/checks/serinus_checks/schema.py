"""Whether model, features and rows are about the same thing."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import referencing
from jsonschema import SchemaError
from jsonschema.protocols import Validator
from jsonschema.validators import Draft202012Validator, validator_for
from referencing.exceptions import Unresolvable

from .config import Config, OpenInferenceTarget, SchemaCheck
from .context import Context
from .data import load_rows, read_text
from .errors import ConfigError
from .findings import Finding, first_of
from .metrics import Measured


def check_schema(check: SchemaCheck, context: Context) -> Finding:
    """Two counts: features that the model declares otherwise, and rows that break the schema."""
    config = context.config
    validator = _load_validator(check, context)
    rows = load_rows(context.folder, config.data[check.data], config.features, strict=False)
    faults = [(row.id, fault) for row in rows if (fault := _first_fault(validator, row.features, check))]
    mismatches = find_mismatches(config, context.model.fetch_metadata())
    counted = Measured(None, mismatches) if isinstance(mismatches, str) else Measured(float(len(mismatches)))
    measured = {f"{check.name}_mismatches": counted, f"{check.name}_invalid_rows": Measured(float(len(faults)))}
    lines = [*(() if isinstance(mismatches, str) else first_of(mismatches))]
    lines += first_of(f"row {name}: {fault}" for name, fault in faults)
    found = bool(counted.value or faults)
    broken = (
        f"{check.name}: {counted.value or 0:g} mismatches and {len(faults)} invalid rows: {lines[0]}" if found else ""
    )
    return Finding(measured, lines, broken if check.must_pass else "")


def find_mismatches(config: Config, metadata: Mapping[str, Any] | str) -> list[str] | str:
    """Where the model's own word on its inputs differs from `features`, or why that is not known."""
    target = config.target
    if isinstance(metadata, str):
        return metadata
    if not isinstance(target, OpenInferenceTarget):
        return "protocol JSON has no metadata"
    inputs = metadata.get("inputs")
    if not isinstance(inputs, list) or not inputs or not all(isinstance(one, dict) for one in inputs):
        return "the model declares no inputs"
    declared = {str(one.get("name")): one for one in inputs}
    given = {target.input: target.datatype} if target.layout == "Matrix" else config.features
    found = list(_compare(given, {name: one.get("datatype") for name, one in declared.items()}))
    if target.layout == "Matrix" and target.input in declared:
        found += _compare_width(declared[target.input].get("shape"), len(config.features))
    return found


def _compare(given: Mapping[str, Any], declared: Mapping[str, Any]) -> Iterator[str]:
    for name in given.keys() - declared.keys():
        yield f"the model declares no input {name!r}"
    for name in declared.keys() - given.keys():
        yield f"the model declares an input {name!r} that it is not given"
    for name in given.keys() & declared.keys():
        if given[name] != declared[name]:
            yield f"input {name!r} is {declared[name]} for the model and given as {given[name]}"


def _compare_width(shape: Any, width: int) -> Iterator[str]:
    """-1 stands for any size."""
    declared = shape[-1] if isinstance(shape, list) and shape else -1
    if declared not in (-1, width):
        yield f"the model declares {declared} columns and is given {width}"


def _load_validator(check: SchemaCheck, context: Context) -> Validator:
    path = context.folder / check.file
    try:
        schema = json.loads(read_text(path))
        kind = validator_for(schema, default=Draft202012Validator)
        kind.check_schema(schema)
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}") from error
    except SchemaError as error:
        raise ConfigError(f"{path} is not a JSON Schema: {error.message} at {error.json_path}") from error
    # An empty registry: a $ref to another host must not be fetched.
    return kind(schema, registry=referencing.Registry())


def _first_fault(validator: Validator, features: Mapping[str, Any], check: SchemaCheck) -> str:
    try:
        fault = min(validator.iter_errors(dict(features)), key=lambda one: one.json_path, default=None)
    except Unresolvable as error:
        raise ConfigError(f"{check.file} refers to what is not in it: {error}") from error
    return f"{fault.json_path} {fault.message}"[:160] if fault is not None else ""
