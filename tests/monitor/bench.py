"""Rows, references and a monitor whose clock a test holds."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from examples.monitor.serinus_monitor.findings import assess_drift, assess_quality
from examples.monitor.serinus_monitor.monitor import Monitor, Stable
from examples.monitor.serinus_monitor.records import Labelled, Prediction
from examples.monitor.serinus_monitor.reference import Reference, read_reference
from examples.monitor.serinus_monitor.settings import Settings

BASE: dict[str, Any] = {"namespace": "ml", "model": "fraud", "window": 60.0, "grace": 5.0, "quality_window": 60.0}
START = 1_800_000_000.0
"""A multiple of a minute."""


def settings(**options: Any) -> Settings:
    return Settings(**{**BASE, "label_delay": 120.0, "min_rows": 50, "min_labels": 20, **options})


def lines(rows: Iterable[Any]) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def make_features(rng: np.random.Generator, rows: int, shift: float = 0.0) -> list[dict[str, Any]]:
    """An amount that is normal, with its mean `shift` standard deviations off, and a country."""
    amounts = rng.normal(shift, 1.0, rows)
    countries = rng.choice(["de", "fr", "it"], rows, p=[0.6, 0.3, 0.1])
    return [{"amount": float(a), "country": str(c)} for a, c in zip(amounts, countries, strict=True)]


def make_reference(rng: np.random.Generator, rows: int = 2000, name: str = "sha256:aa") -> Reference:
    return read_reference(name, lines({"features": features} for features in make_features(rng, rows)))


def make_predictions(
    features: Sequence[dict[str, Any]], time: float, prefix: str = "p", **more: Any
) -> list[Prediction]:
    return [
        Prediction(id=f"{prefix}{number}", time=time, features=row, prediction=1, **more)
        for number, row in enumerate(features)
    ]


def make_labels(predictions: Iterable[Prediction], label: Any = 1) -> list[Labelled]:
    return [Labelled(id=row.id, label=label) for row in predictions]


def make_monitor(reference: Reference | None = None, now: float = START, **options: Any) -> Monitor:
    """A monitor of version v1, stable since START."""
    monitor = Monitor(settings(**options))
    monitor.follow(Stable("v1", "sha256:aa", START), now)
    if reference is not None:
        monitor.use_reference(reference, now)
    return monitor


def close(monitor: Monitor, now: float) -> None:
    """What the service does every second."""
    if (rows := monitor.close_rows(now)) is not None:
        monitor.drift = assess_drift(rows, monitor.reference, monitor.calibration, monitor.settings)
    if (answers := monitor.close_answers(now)) is not None:
        monitor.quality = assess_quality(answers, monitor.settings)
