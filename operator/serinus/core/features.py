"""The feature schema of a model: a JSON Schema of one request's features, and whether callers of the old one are still
served by the new one.

The same form that a check of kind Schema holds rows against. Of it only names and types count here: a feature that is
gone, or that does not take any more what it took, breaks callers; a new feature, a wider type, another bound do not."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from jsonschema import SchemaError
from jsonschema.validators import Draft202012Validator, validator_for

Schema = Mapping[str, Any]
Features = dict[str, list[str]]
"""Types by feature, in the words of JSON Schema; `address.city` is within an object, `tags[]` the items of an array."""

LARGEST: Final = 262_144
"""Characters of a schema that are read."""
DEEPEST: Final = 8
MOST: Final = 2_000
LONGEST: Final = 256
"""Characters of one feature's path."""
LONGEST_TOGETHER: Final = 65_536
"""Characters of all paths: they stand in the revision's record, and are hashed in every pass."""
_TYPES: Final = ("array", "boolean", "integer", "null", "number", "object", "string")
_OF_VALUE: Final = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null", list: "array"}


def read_features(text: str) -> Features | str:
    """The features that a schema describes, or what is wrong with it, as the end of a sentence that begins with its
    place. Takes seconds for large schemas. Raises nothing, whatever the text."""
    if len(text) > LARGEST:
        return f"has {len(text):,} characters and may have {LARGEST:,}"
    try:
        found = _read(text)
    except RecursionError:
        return "is not a JSON Schema of features: it is nested too deeply"
    except Exception as error:
        # The meta-schema has its regular expressions compiled, and asks other libraries about formats.
        found = f"is not a JSON Schema that can be checked: {type(error).__name__}: {str(error)[:160]}"
    # JSON may hold halves of surrogate pairs, and messages quote it.
    return found.encode(errors="backslashreplace").decode() if isinstance(found, str) else found


def _read(text: str) -> Features | str:
    try:
        schema = json.loads(text)
        if not isinstance(schema, dict):
            return f"is not a JSON Schema of features: it must be an object, not {type(schema).__name__}"
        if not isinstance(schema.get("$schema", ""), str):
            return f"is not a JSON Schema: $schema must be a string, not {type(schema['$schema']).__name__}"
        validator_for(schema, default=Draft202012Validator).check_schema(schema)
    except SchemaError as error:
        return f"is not a JSON Schema: {error.message[:160]} at {error.json_path[:80]}"
    except ValueError as error:
        return f"is not JSON: {error}"
    if schema.get("type", "object") != "object" or not isinstance(schema.get("properties"), dict):
        return 'is not a JSON Schema of features: it must have type "object" and properties, one for each feature'
    try:
        found = _collect(_walk(schema, schema, "", 0))
    except _UnreadableError as error:
        return f"is not a JSON Schema of features: {error}"
    if not found:
        return "is not a JSON Schema of features: properties names none"
    return found


def compare_features(old: Mapping[str, Sequence[str]], new: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """What breaks callers of `old` that meet `new`, one phrase for each feature; empty where nothing does."""
    found = []
    for name, types in old.items():
        if name not in new:
            found.append(f"feature {name!r} was removed")
        elif not all(_takes(new[name], type_) for type_ in types):
            found.append(f"feature {name!r} was {_join(types)} and is {_join(new[name])}")
    return tuple(found)


class _UnreadableError(Exception):
    """A schema whose features cannot be told."""


def _collect(features: Iterable[tuple[str, list[str]]]) -> Features | str:
    found: Features = {}
    characters = 0
    for count, (name, types) in enumerate(features, start=1):
        characters += len(name)
        if count > MOST:
            return f"names more than {MOST:,} features"
        if characters > LONGEST_TOGETHER:
            return f"has feature names of more than {LONGEST_TOGETHER:,} characters together, those of objects included"
        found[name] = types
    return found


def _walk(root: Schema, schema: Schema, place: str, depth: int) -> Iterator[tuple[str, list[str]]]:
    """The features below an object's schema."""
    if depth > DEEPEST:
        raise _UnreadableError(f"{place} is nested deeper than {DEEPEST} levels")
    properties = schema.get("properties")
    for name, given in (properties if isinstance(properties, dict) else {}).items():
        yield from _describe(root, given, f"{place}{name}", depth)


def _describe(root: Schema, given: Any, name: str, depth: int) -> Iterator[tuple[str, list[str]]]:
    if len(name) > LONGEST:
        raise _UnreadableError(
            f"a feature's name may have {LONGEST} characters with those of its objects: {name[:80]}…"
        )
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise _UnreadableError(f"the feature's name {name[:80]!a} is no text: half of a surrogate pair")
    schema = _follow(root, given, name)
    types = _types_of(schema, name)
    yield name, types
    if "object" in types:
        yield from _walk(root, schema, f"{name}.", depth + 1)
    if "array" in types and isinstance(schema.get("items"), dict):
        if depth > DEEPEST:
            raise _UnreadableError(f"{name} is nested deeper than {DEEPEST} levels")
        yield from _describe(root, schema["items"], f"{name}[]", depth + 1)


def _follow(root: Schema, given: Any, name: str) -> Schema:
    """A schema in place of a reference to it; only the document itself is looked into."""
    for _ in range(DEEPEST):
        if not isinstance(given, dict):
            # true and false are schemas too.
            return {}
        reference = given.get("$ref")
        if reference is None:
            return given
        given = _resolve(root, reference, name)
    raise _UnreadableError(f"{name} refers to itself")


def _resolve(root: Schema, reference: Any, name: str) -> Any:
    if not isinstance(reference, str):
        raise _UnreadableError(f"{name} has a $ref that must be a string, not {type(reference).__name__}")
    here: Any = root
    path, _, pointer = reference.partition("#")
    for step in pointer.split("/")[1:]:
        here = here.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(here, dict) else None
    if path or not pointer.startswith("/") or here is None:
        raise _UnreadableError(f"{name} refers to {reference[:80]!r}, which is not in it")
    return here


def _types_of(schema: Schema, name: str) -> list[str]:
    """The types that a schema lets through; all of them where it does not say."""
    given = schema.get("type")
    if given is not None:
        # The meta-schema does not look into what is only referred to, and draft 3 takes schemas for types.
        types = given if isinstance(given, list) else [given]
        strange = next((one for one in types if one not in _TYPES), None)
        if strange is not None or not types:
            raise _UnreadableError(f"{name} has type {json.dumps(strange)[:80]}, and may have {', '.join(_TYPES)}")
        return sorted(set(types))
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if isinstance(values, list):
        return sorted(
            {_OF_VALUE.get(type(value), "array" if isinstance(value, list) else "object") for value in values}
        )
    return list(_TYPES)


def _takes(types: Sequence[str], type_: str) -> bool:
    return type_ in types or (type_ == "integer" and "number" in types)


def _join(types: Sequence[str]) -> str:
    return "anything" if len(types) == len(_TYPES) else " or ".join(types)
