"""What a training has logged to MLflow: its run, the version that came of it, and both as results of a RetrainRun."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from serinus.net.outcome import Away, Refused
from serinus.registries.mlflow import RUN_TAG, Version, find_version, is_name, read_version
from serinus.registries.mlflow_api import MLflow, ask, expected
from serinus.registries.outcome import NotFound

NEWEST: Final = 20
"""Versions of a model whose runs are looked at."""
MANY: Final = 100

_TAGS: Final = {
    "serinus.data.id": ("data", "id"),
    "serinus.data.digest": ("data", "digest"),
    "serinus.source.revision": ("source", "revision"),
    "serinus.champion.digest": ("champion", "digest"),
    "serinus.signature.identity": ("signature", "identity"),
}
"""Tags of a run, and where in the results they belong."""


@dataclass(frozen=True)
class Dataset:
    """An input as training has logged it. MLflow's `digest` is a fingerprint of some rows: a label, no evidence."""

    name: str
    digest: str
    source: str
    context: str


@dataclass(frozen=True)
class Run:
    """A run of MLflow: the last value of each metric that is a number, tags, and datasets."""

    id: str
    status: str
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    datasets: tuple[Dataset, ...]


async def read_run(mlflow: MLflow, run: str) -> Run | NotFound | Away | Refused:
    """Everything that run `run` has logged and that a gate may want."""
    said = await ask(mlflow, "GET", f"runs/get?{urlencode({'run_id': run})}")
    if not isinstance(said, dict):
        return expected(said)
    try:
        data, inputs = said["run"].get("data") or {}, said["run"].get("inputs") or {}
        metrics = {str(one["key"]): _number(one["value"]) for one in data.get("metrics", [])}
        return Run(
            run,
            str(said["run"]["info"]["status"]),
            {name: value for name, value in metrics.items() if value is not None},
            {str(one["key"]): str(one["value"]) for one in data.get("tags", [])},
            tuple(_read_dataset(item) for item in inputs.get("dataset_inputs", [])[:MANY]),
        )
    except (AttributeError, KeyError, TypeError):
        return Away("MLflow's answer holds no run")


async def find_trained(mlflow: MLflow, name: str, run: str) -> Version | NotFound | Away | Refused:
    """The version of model `name` that RetrainRun `run` has made: it, or MLflow's run that it came of, has the tag
    serinus.run with that name. Of a model only the newest 20 versions are looked at by their runs."""
    found = await find_version(mlflow, tag=run, name=name)
    if not isinstance(found, NotFound) or not is_name(name):
        return found
    asked = {"filter": f"name='{name}'", "max_results": NEWEST, "order_by": "creation_timestamp DESC"}
    said = await ask(mlflow, "GET", f"model-versions/search?{urlencode(asked)}")
    if not isinstance(said, dict):
        return expected(said)
    versions = [version for item in said.get("model_versions") or [] if (version := read_version(item)) is not None]
    theirs = []
    for origin in dict.fromkeys(version.run for version in versions if version.run):
        told = await read_run(mlflow, origin)
        if isinstance(told, Away | Refused):
            return told
        if isinstance(told, Run) and told.tags.get(RUN_TAG) == run:
            theirs += [version for version in versions if version.run == origin]
    if len(theirs) > 1:
        names = ", ".join(f"{name}/{version.number}" for version in theirs[:5])
        return Refused(f"RetrainRun {run} has made {len(theirs)} versions: {names}")
    return theirs[0] if theirs else NotFound(f"no version of {name} has, or comes of a run with, {RUN_TAG}={run}")


def build_results(version: Version, run: Run | None) -> dict[str, Any]:
    """The results of a training that has only logged to MLflow, in the form that any training may answer with.

    Metrics go to `metrics`, those that begin with `champion.` to the champion's, those with `data.` to the data. What
    MLflow does not know, such as a real digest of the data, is read from tags of the run.
    """
    results: dict[str, Any] = {"model": {"uri": version.pinned.uri, "digest": version.pinned.digest}}
    if version.run:
        results["mlflow"] = {"run": version.run}
    if run is None:
        return results
    results["metrics"] = {}
    for name, value in run.metrics.items():
        group, _, rest = name.partition(".")
        if group == "champion" and rest:
            results.setdefault("champion", {}).setdefault("metrics", {})[rest] = value
        elif group == "data" and rest not in ("", "id", "digest"):
            results.setdefault("data", {})[rest] = int(value) if rest == "rows" else value
        else:
            results["metrics"][name] = value
    commit = run.tags.get("mlflow.source.git.commit")
    if commit:
        results["source"] = {"revision": commit}
    for tag, (part, key) in _TAGS.items():
        if run.tags.get(tag):
            results.setdefault(part, {})[key] = run.tags[tag]
    if run.datasets and "id" not in results.get("data", {}):
        first = next((one for one in run.datasets if one.context == "training"), run.datasets[0])
        results.setdefault("data", {})["id"] = f"mlflow:{first.name}@{first.digest}"[:256]
    return results


def _number(value: Any) -> float | None:
    """MLflow writes NaN and infinities as text: they are no figures."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _read_dataset(item: Any) -> Dataset:
    dataset, tags = item["dataset"], item.get("tags") or []
    context = next((str(tag["value"]) for tag in tags if tag.get("key") == "mlflow.data.context"), "")
    name, digest, source = (str(dataset.get(key) or "")[:1000] for key in ("name", "digest", "source"))
    return Dataset(name, digest, source, context)
