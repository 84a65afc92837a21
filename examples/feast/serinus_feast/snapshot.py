"""Data to train with, and what names it.

The reference says what was asked for: the service and its views as they are defined now, which entities, and as of
when. Feast cannot go back in time: where the source is rewritten, the same question has another answer. So the digest
is that of the file, if one is written, and only else that of the reference.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from .errors import DataError, MissingError
from .freshness import list_views

TIME: Final = "event_timestamp"
"""The column by which Feast knows as of when a row is wanted."""


@dataclass(frozen=True)
class Snapshot:
    """`null_ratio` and `file` are known only where the features were retrieved."""

    id: str
    digest: str
    rows: int
    reference: str
    null_ratio: float | None = None


def take_snapshot(store: Any, service: Any, entities: Path, at: datetime, out: Path | None) -> Snapshot:
    """The snapshot for the rows of `entities` (Parquet or CSV: join keys, and when each is wanted) as of `at`."""
    frame = read_entities(entities)
    if frame[TIME].max().to_pydatetime() > at:
        raise DataError(f"{entities.name} asks for features after {at.isoformat()}: they would not be known then")
    reference = hash_reference(store, service, entities, at)
    name = f"feast:{store.project}/{service.name}@{at.isoformat()}#{reference[:12]}"
    if out is None:
        return Snapshot(name, f"sha256:{reference}", len(frame), reference)
    ratio = retrieve(store, service, frame, out)
    return Snapshot(name, f"sha256:{hash_file(out)}", len(frame), reference, ratio)


def read_entities(path: Path) -> Any:
    """The entity frame, with times that are aware."""
    import pandas as pd

    if not path.is_file():
        raise MissingError(f"there is no entity frame {path}")
    frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    if TIME not in frame.columns or frame.empty:
        raise DataError(f"{path.name} has no column {TIME}, or no rows")
    frame[TIME] = pd.to_datetime(frame[TIME], utc=True, errors="coerce")
    if frame[TIME].isna().any():
        raise DataError(f"{path.name} has rows whose {TIME} is no time")
    return frame


def hash_reference(store: Any, service: Any, entities: Path, at: datetime) -> str:
    """SHA-256 of what is asked for; times at which something was registered or materialised are no part of it."""
    views = list(list_views(store, service))
    names = sorted({str(entity) for view in views for entity in view.entities})
    # A view without entities has one that Feast makes up and keeps nowhere.
    kept = [store.get_entity(name) for name in names if name != "__dummy"]
    definitions = [service, *sorted(views, key=lambda view: str(view.name)), *kept]
    asked = {
        "project": str(store.project),
        "definitions": [hashlib.sha256(serialize(one)).hexdigest() for one in definitions],
        "entities": hash_file(entities),
        "at": at.isoformat(),
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def serialize(definition: Any) -> bytes:
    """The definition itself, always the same for the same one."""
    from google.protobuf.json_format import MessageToDict

    return json.dumps(_strip(MessageToDict(definition.to_proto().spec)), sort_keys=True).encode()


def _strip(value: Any) -> Any:
    """Without the messages `meta`, which say when a data source was registered."""
    if isinstance(value, dict):
        return {key: _strip(below) for key, below in value.items() if not (key == "meta" and isinstance(below, dict))}
    return [_strip(below) for below in value] if isinstance(value, list) else value


def retrieve(store: Any, service: Any, frame: Any, out: Path) -> float:
    """Write the features, point in time for each row, in an order that does not depend on how they were found; the
    share of values that are missing."""
    import pyarrow.parquet

    # Metadata would tell of the machine and of pandas.
    table = store.get_historical_features(entity_df=frame, features=service).to_arrow().replace_schema_metadata(None)
    keys = [name for name in table.column_names if name in frame.columns]
    features = [name for name in table.column_names if name not in frame.columns]
    if not features or table.num_rows == 0:
        raise DataError("the service has no features for these entities")
    table = table.select(sorted(keys) + sorted(features)).sort_by([(name, "ascending") for name in sorted(keys)])
    out.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(table, out)
    missing = sum(int(table.column(name).null_count) for name in features)
    return round(missing / (int(table.num_rows) * len(features)), 6)


def hash_file(path: Path) -> str:
    """SHA-256 of its bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
