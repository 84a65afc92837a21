"""Files with rows: CSV knows text only, so `features` says what each value is."""

import csv
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .answers import Label, plain_label
from .config import DataSpec, Datatype
from .errors import ConfigError, InfraError

_TRUTH: Final = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class Row:
    """One row; `columns` is all of it as it stands in the file, `features` what the model is given."""

    id: str
    features: Mapping[str, Any]
    label: Label
    columns: Mapping[str, Any]


def load_rows(
    folder: Path, spec: DataSpec, features: Mapping[str, Datatype], *, strict: bool = True
) -> tuple[Row, ...]:
    """The rows of a file. ConfigError names the row and the column that cannot be used; without `strict` a value of
    the wrong type stays as it is, for somebody else to judge."""
    path = folder / spec.file
    records = list(_read_records(path))
    if not records:
        raise ConfigError(f"{path} has no rows")
    given = set().union(*records)
    wanted = [*features, *(column for column in (spec.label, spec.id) if column is not None)]
    if missing := [column for column in wanted if column not in given]:
        raise ConfigError(f"{path} has no column {', '.join(missing)}; it has {', '.join(sorted(given))}")
    return tuple(
        _build_row(path, number, record, spec, features, strict=strict) for number, record in enumerate(records, 1)
    )


def require_column(rows: tuple[Row, ...], column: str, field: str) -> None:
    if not any(column in row.columns for row in rows):
        known = ", ".join(sorted({name for row in rows for name in row.columns}))
        raise ConfigError(f'{field} "{column}" is not a column of the data: {known}')


def read_text(path: Path) -> str:
    """A file of the user's. What is not there now will not be there at the next try either; a disk may recover."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except OSError as error:
        raise InfraError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8: {error}") from error


def _read_records(path: Path) -> Iterator[dict[str, Any]]:
    lines = read_text(path).splitlines()
    if path.suffix == ".csv":
        for number, record in enumerate(csv.DictReader(lines), 1):
            if None in record:
                raise ConfigError(f"{path} row {number} has more values than the header has columns")
            yield record
        return
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _parse_line(path, number, line)


def _parse_line(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise ConfigError(f"{path} line {number} is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise ConfigError(f"{path} line {number} must be an object, not {line.strip()[:40]}")
    return record


def _build_row(
    path: Path, number: int, record: dict[str, Any], spec: DataSpec, features: Mapping[str, Datatype], *, strict: bool
) -> Row:
    values = {}
    for name, datatype in features.items():
        raw = record.get(name)
        try:
            values[name] = cast(raw, datatype)
        except ValueError as error:
            if strict:
                raise ConfigError(f"{path} row {number}: {name} {raw!r} is not {datatype}") from error
            values[name] = raw
    label = None
    if spec.label is not None:
        label = plain_label(record.get(spec.label))
        if strict and label in (None, ""):
            raise ConfigError(f"{path} row {number}: {spec.label} has no label")
    name = str(record.get(spec.id) or number) if spec.id is not None else str(number)
    return Row(name, values, label, record)


def cast(raw: Any, datatype: Datatype) -> Any:
    """A value in the type of its feature; None where there is none. ValueError where it cannot be that."""
    if raw is None or (raw == "" and datatype != "BYTES"):
        return None
    if datatype == "BYTES":
        return _text(raw)
    if datatype == "BOOL":
        known = raw if isinstance(raw, bool) else _TRUTH.get(str(raw).lower())
        if known is None:
            raise ValueError(raw)
        return known
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise ValueError(raw)
    if datatype.startswith("FP"):
        number = float(raw)
        return number if math.isfinite(number) else None
    if isinstance(raw, float) and not raw.is_integer():
        raise ValueError(raw)
    return int(raw)


def _text(raw: Any) -> str:
    if not isinstance(raw, str):
        raise ValueError(raw)
    return raw
