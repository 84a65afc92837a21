"""How the evidence came about, look by look: kept small by forgetting every second look whenever it grows too long, so
that it always spans the whole release."""

import json
from datetime import datetime
from typing import Final

from serinus.api.status import EvidenceFigure, EvidencePoint
from serinus.core.snapshot import Figure, Judgement
from serinus.core.words import big_number, plain_number

MAX_POINTS: Final = 64
MAX_BYTES: Final = 8000


def observe_look(
    series: tuple[EvidencePoint, ...], judgement: Judgement, weight: int, at: datetime
) -> tuple[EvidencePoint, ...]:
    """The series after one more look; a look at which nothing was counted yet adds nothing."""
    if all(figure.samples == 0 for figure in judgement.figures):
        return series
    point = EvidencePoint(at=at, weight=weight, metrics=tuple(_figure(figure) for figure in judgement.figures))
    return fit_series((*series, point))


def fit_series(series: tuple[EvidencePoint, ...]) -> tuple[EvidencePoint, ...]:
    """The series within its limits; the first look and the last are always kept."""
    while len(series) > 2 and (len(series) > MAX_POINTS or _size(series) > MAX_BYTES):
        series = (*series[:-1][::2], series[-1])
    return series


def _size(series: tuple[EvidencePoint, ...]) -> int:
    # All looks are of one shape, so one stands for them; the exact size is not worth its price.
    return len(series) * len(json.dumps(series[-1].dump())) + len(series)


def _figure(figure: Figure) -> EvidenceFigure:
    return EvidenceFigure(
        metric=figure.name,
        verdict=figure.verdict.value,
        candidate=None if figure.candidate is None else plain_number(figure.candidate),
        stable=None if figure.stable is None else plain_number(figure.stable),
        samples=round(figure.samples),
        evidence=big_number(figure.log_evidence),
        threshold=big_number(figure.log_threshold),
    )
