"""Labelled payments as training sees them: the snapshot that a model was made from. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .world import CENTRES, NORTH, SOUTH

TEST_SHARE: Final = 0.4
LABEL: Final = "fraud"

SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {**{name: {"type": "number"} for name in CENTRES}, "region": {"enum": [NORTH, SOUTH]}},
    "required": [*CENTRES, "region"],
}
"""JSON Schema of one payment's features."""

Row = Mapping[str, Any]
"""`id`, the features, and `fraud`, the truth."""


@dataclass(frozen=True)
class Snapshot:
    """Rows that stay what they are; `digest` is that of their canonical JSON."""

    rows: tuple[Row, ...]
    digest: str


def take_snapshot(rows: Sequence[Row]) -> Snapshot:
    return Snapshot(tuple(rows), f"sha256:{hashlib.sha256(format_rows(rows)).hexdigest()}")


def format_rows(rows: Sequence[Row]) -> bytes:
    """Canonical JSON: the same rows in the same order are the same bytes."""
    return json.dumps(list(rows), sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def read_snapshot(content: bytes, digest: str) -> Snapshot:
    """ValueError where the rows are not those of `digest`, or are none."""
    rows: Any = json.loads(content)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("a snapshot must be a list of objects")
    snapshot = take_snapshot(rows)
    if snapshot.digest != digest:
        raise ValueError(f"the snapshot has digest {snapshot.digest}, not {digest}")
    return snapshot


def split_rows(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Those to learn from, and those to judge by. Which one a row is depends on its id alone, so that a row that was
    learnt from is never judged by, whatever the snapshot."""
    learn: list[Row] = []
    judge: list[Row] = []
    for row in rows:
        (judge if _place(str(row["id"])) < TEST_SHARE else learn).append(row)
    return learn, judge


def _place(name: str) -> float:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6]) / 2**48


def measure_null_ratio(rows: Sequence[Row]) -> float:
    """Share of the values that are missing; 0 where there is no row."""
    names = SCHEMA["required"]
    missing = sum(row.get(name) is None for row in rows for name in names)
    return missing / (len(rows) * len(names)) if rows else 0.0


def drop_incomplete(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if all(row.get(name) is not None for name in SCHEMA["required"])]
