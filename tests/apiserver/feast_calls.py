"""Makes a small repository of Feast and runs the commands of examples/feast in it; needs Feast, and nothing of ours."""

import contextlib
import io
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

REPO = Path("repo")
NOW = datetime.now(UTC).replace(microsecond=0)


def build(*, materialize: bool = True, ttl: int = 1) -> Any:
    import pandas as pd
    from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
    from feast.types import Array, Bool, Float32, Int64, String, UnixTimestamp

    (REPO / "data").mkdir(parents=True, exist_ok=True)
    (REPO / "feature_store.yaml").write_text(
        "project: payments\nregistry: data/registry.db\nprovider: local\n"
        "online_store: {type: sqlite, path: data/online.db}\nentity_key_serialization_version: 3\n"
    )
    rows = {
        "card": [1, 2, 3],
        "event_timestamp": [NOW - timedelta(hours=hours) for hours in (3, 2, 1)],
        "amount": [1.0, 2.0, 3.0],
        "trips": [1, 2, 3],
        "city": ["a", None, "c"],
    }
    pd.DataFrame(rows).to_parquet(REPO / "data" / "stats.parquet")
    card = Entity(name="card", join_keys=["card"], value_type=ValueType.INT64)
    source = FileSource(name="stats", path="data/stats.parquet", timestamp_field="event_timestamp")
    schema = [Field(name="amount", dtype=Float32), Field(name="trips", dtype=Int64), Field(name="city", dtype=String)]
    stats = FeatureView(name="stats", entities=[card], ttl=timedelta(days=ttl), schema=schema, source=source)
    odd = [Field(name="flags", dtype=Array(Bool)), Field(name="since", dtype=UnixTimestamp)]
    profile = FeatureView(
        name="profile", entities=[card], ttl=timedelta(days=1), schema=odd, source=source, online=False
    )
    fraud = FeatureService(name="fraud", features=[stats])
    wide = FeatureService(name="wide", features=[stats, profile])
    store = FeatureStore(str(REPO))
    store.apply([card, source, stats, profile, fraud, wide])
    if materialize:
        store.materialize_incremental(NOW)
    return store


def ask(*arguments: str) -> dict[str, Any]:
    """Exit code and termination message of one run."""
    from serinus_feast.run import run

    word = Path("word")
    word.unlink(missing_ok=True)
    said: list[str] = []
    code = run([*arguments, "--repo", str(REPO)], os.environ | {"SERINUS_TERMINATION_LOG": str(word)}, said.append)
    text = word.read_text()
    return {"code": code, "said": json.loads(text) if code == 0 else text}


def tell() -> dict[str, Any]:
    """Everything the test wants to know, from one process: Feast takes seconds to be imported."""
    import pandas as pd

    build(materialize=False)
    times = [NOW - timedelta(minutes=5)] * 3
    pd.DataFrame({"card": [3, 1, 2], "event_timestamp": times, "label": [0, 1, 0]}).to_parquet("cards.parquet")
    pd.DataFrame({"card": [1], "event_timestamp": [NOW + timedelta(days=1)]}).to_csv("future.csv", index=False)
    pd.DataFrame({"card": [1]}).to_csv("timeless.csv", index=False)
    at = ["--at", NOW.isoformat()]
    snapshot = ["snapshot", "--service", "fraud", "--entities", "cards.parquet"]
    found = {
        "schema": ask("schema", "--service", "fraud"),
        "full": ask("schema", "--service", "wide", "--full-names"),
        "never": ask("freshness", "--service", "fraud"),
        "reference": ask(*snapshot, *at),
    }
    build()
    found |= {
        "fresh": ask("freshness", "--service", "fraud", "--newest-within", "86400"),
        "nothing new": ask("freshness", "--service", "fraud", "--newest-within", "60"),
        "offline": ask("freshness", "--service", "wide"),
        "again": ask(*snapshot, *at),
        "later": ask(*snapshot, "--at", (NOW + timedelta(seconds=1)).isoformat()),
        "file": ask(*snapshot, *at, "--out", "one.parquet"),
        "file again": ask(*snapshot, *at, "--out", "two.parquet"),
        "unknown": ask("schema", "--service", "nobody"),
        "future": ask("snapshot", "--service", "fraud", "--entities", "future.csv", *at),
        "timeless": ask("snapshot", "--service", "fraud", "--entities", "timeless.csv", *at),
        "no frame": ask("snapshot", "--service", "fraud", "--entities", "nothing.csv", *at),
        "no zone": ask(*snapshot, "--at", "2026-01-01T00:00:00"),
        "no task": ask("dance"),
        "rows": pd.read_parquet("one.parquet")["card"].tolist(),
        "columns": pd.read_parquet("one.parquet").columns.tolist(),
    }
    rewritten = pd.read_parquet(REPO / "data" / "stats.parquet")
    rewritten["amount"] *= 2
    rewritten.to_parquet(REPO / "data" / "stats.parquet")
    found["rewritten"] = ask(*snapshot, *at, "--out", "three.parquet")
    build(ttl=2)
    found["redefined"] = ask(*snapshot, *at)
    (REPO / "feature_store.yaml").unlink()
    found["no repo"] = ask("schema", "--service", "fraud")
    return found


if __name__ == "__main__":
    with contextlib.redirect_stdout(io.StringIO()):
        found = tell()
    print(json.dumps(found), file=sys.stdout)
