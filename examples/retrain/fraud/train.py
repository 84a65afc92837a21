"""One training: the latest labelled payments in, a model version and the evidence for it out.

What Serinus asks of a trainer is all here: the data are frozen and named before anything is learnt, the champion is
measured on the same rows, and one JSON object says what came of it. Fails, rather than tell of a model that nobody
could check.
"""

import hashlib
import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests
from sklearn.model_selection import cross_val_score

from .measure import measure
from .model import FAMILIES, SEED, digest_of, pack, unpack
from .monitoring import put_reference
from .rows import LABEL, SCHEMA, Snapshot, drop_incomplete, measure_null_ratio, read_snapshot, split_rows
from .settings import TrainerSettings, read_trainer_settings
from .tracking import Tracker, TrackingError
from .world import encode

log = logging.getLogger("train")

MESSAGE: Final = Path("/dev/termination-log")
LONGEST: Final = 4096
FEWEST: Final = 300
TIMEOUT_SECONDS: Final = 20


class TrainingError(Exception):
    """A reason why there is no model, as a sentence."""


@dataclass(frozen=True)
class Trained:
    """A classifier with its file, the family it is of, and what it and the champion are worth on the same rows."""

    content: bytes
    family: str
    metrics: Mapping[str, Any]
    champion: Mapping[str, Any] | None
    classifier: Any


def train(snapshot: Snapshot, families: tuple[str, ...], champion: Any = None) -> Trained:
    """The best of the families by cross-validation, judged on rows that it has not seen, beside the champion. The same
    snapshot gives the same model. TrainingError for a snapshot that no model can be made of."""
    unknown = [name for name in families if name not in FAMILIES]
    if unknown or not families:
        raise TrainingError(f"FAMILIES is {', '.join(families)!r}; known are {', '.join(FAMILIES)}")
    learn, judge = (drop_incomplete(part) for part in split_rows(snapshot.rows))
    if len(learn) < FEWEST or len(judge) < FEWEST // 2:
        raise TrainingError(f"{len(learn)} rows to learn from and {len(judge)} to judge by are too few")
    features, truth = encode(learn), [bool(row[LABEL]) for row in learn]
    if len(set(truth)) < 2 or len({bool(row[LABEL]) for row in judge}) < 2:
        raise TrainingError("all payments are fraud, or none is: there is nothing to tell apart")
    scores = {
        name: float(cross_val_score(FAMILIES[name](), features, truth, cv=3, scoring="f1").mean())
        if len(families) > 1
        else 0.0
        for name in families
    }
    family = max(families, key=lambda name: scores[name])
    classifier = FAMILIES[family]().fit(features, truth)
    beaten = None if champion is None else measure(champion, judge)
    return Trained(pack(classifier), family, measure(classifier, judge), beaten, classifier)


def build_results(
    trained: Trained, snapshot: Snapshot, snapshot_id: str, *, uri: str, run: str, champion_digest: str
) -> dict[str, Any]:
    """The object that the operator reads."""
    results: dict[str, Any] = {
        "model": {"uri": uri, "digest": digest_of(trained.content)},
        "data": {
            "id": snapshot_id,
            "digest": snapshot.digest,
            "rows": len(snapshot.rows),
            "null_ratio": round(measure_null_ratio(snapshot.rows), 6),
        },
        "source": {"revision": describe_source()},
        "metrics": dict(trained.metrics),
        "schema": dict(SCHEMA),
        "size": {"bytes": len(trained.content)},
        "family": trained.family,
        "mlflow": {"run": run},
    }
    if trained.champion is not None:
        results["champion"] = {"digest": champion_digest, "metrics": dict(trained.champion)}
    return results


def describe_source() -> str:
    """Digest of the code that trains."""
    found = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        found.update(file.name.encode() + file.read_bytes())
    return f"sha256:{found.hexdigest()}"


def format_results(results: Mapping[str, Any]) -> str:
    """TrainingError where they do not fit into a termination message: cut off, they would be no JSON."""
    text = json.dumps(results, separators=(",", ":"), allow_nan=False)
    if len(text.encode()) > LONGEST:
        raise TrainingError(
            f"the results have {len(text.encode())} bytes, of which a termination message has {LONGEST}"
        )
    return text


def fetch_snapshot(settings: TrainerSettings) -> tuple[str, Snapshot]:
    """Freeze the last seconds of payments under the name of the run, and load them: a pod that is started again by its
    Job finds the same rows."""
    try:
        wanted = {"name": settings.run or "first", "seconds": settings.window}
        made = requests.post(f"{settings.data}/snapshots", json=wanted, timeout=TIMEOUT_SECONDS)
        made.raise_for_status()
        named = made.json()
        rows = requests.get(f"{settings.data}/snapshots/{named['digest']}", timeout=TIMEOUT_SECONDS)
        rows.raise_for_status()
    except requests.RequestException as error:
        raise TrainingError(f"the data service failed: {error}") from error
    return str(named["id"]), read_snapshot(rows.content, str(named["digest"]))


def run(settings: TrainerSettings) -> dict[str, Any]:
    """Everything; what came of it."""
    tracker = Tracker(settings.tracking)
    champion = None
    if settings.champion:
        champion = unpack(tracker.fetch_model(settings.champion), settings.champion_digest)
    snapshot_id, snapshot = fetch_snapshot(settings)
    log.info("%d rows, %s", len(snapshot.rows), snapshot.digest)
    attempt = tracker.start_run(settings.model, settings.run or "first")
    try:
        trained = train(snapshot, settings.families, champion)
        attempt.log(
            {"family": trained.family, "window_seconds": f"{settings.window:g}", "seed": str(SEED)},
            _flatten(trained.metrics) | _flatten(trained.champion or {}, "champion."),
            {"serinus.run": settings.run, "serinus.reason": settings.reason, "source": describe_source()},
        )
        attempt.log_data(
            f"{settings.model}-payments",
            snapshot.digest,
            f"{settings.data}/snapshots/{snapshot.digest}",
            len(snapshot.rows),
        )
        attempt.log_model(trained.content)
        digest = digest_of(trained.content)
        uri = tracker.register(settings.model, attempt, {"digest": digest, "serinus.run": settings.run})
    except BaseException:
        attempt.finish("FAILED")
        raise
    attempt.finish()
    if settings.monitor:
        put_reference(settings.monitor, digest, trained.classifier, snapshot.rows)
    log.info("%s is %s, a %s model: F1 %s", uri, digest, trained.family, trained.metrics["f1"])
    return build_results(
        trained, snapshot, snapshot_id, uri=uri, run=attempt.id, champion_digest=settings.champion_digest
    )


def _flatten(metrics: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    flat = {f"{prefix}{name}": float(value) for name, value in metrics.items() if not isinstance(value, Mapping)}
    slices = metrics.get("slices") or {}
    return flat | {f"{prefix}f1.{name.replace('=', '.')}": float(one["value"]) for name, one in slices.items()}


def main() -> int:
    """The exit status: 0 with results, 1 with a sentence in their place."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        text = format_results(run(read_trainer_settings()))
    except (TrainingError, TrackingError, ValueError, requests.RequestException) as error:
        log.error("%s", error)
        MESSAGE.write_text(str(error)[:LONGEST], encoding="utf-8")
        return 1
    MESSAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
