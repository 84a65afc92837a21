"""Native histograms of Prometheus as the HTTP API gives them, turned into classic ones at fixed bounds.

Buckets grow by a constant factor, 2^(2^-n), so the powers of sqrt(2) are bounds of every histogram with n >= 1, and at
a bound the cumulative count is exact: nothing is interpolated. A bound that lies inside a bucket is left out.

Format: https://prometheus.io/docs/prometheus/latest/querying/api/#native-histograms"""

import math
from collections.abc import Iterable
from typing import Any, Final

GRID: Final = tuple(2.0 ** (half / 2) for half in range(-20, 35))
"""From about a thousandth to 131,072, for seconds and for milliseconds; two bounds for each doubling."""

_NEAR: Final = 1e-9


class NativeError(ValueError):
    """What is wrong with a native histogram, in words that follow "the answer has"."""


def read_native(samples: Any) -> dict[str, list[list[Any]]]:
    """The samples of `histograms` as those of classic buckets, by the value of their label `le`.

    Raises NativeError for what is no histogram."""
    if not isinstance(samples, list) or not samples:
        raise NativeError("native histograms that are no list")
    looks = [_read_look(sample) for sample in samples]
    bounds = [bound for bound in GRID if all(_is_bound(bound, buckets) for _, _, buckets in looks)]
    series: dict[str, list[list[Any]]] = {f"{bound:.9g}": [] for bound in bounds}
    series["+Inf"] = []
    for at, count, buckets in looks:
        for bound in bounds:
            held = sum(n for _, right, n in buckets if right <= bound * (1 + _NEAR))
            series[f"{bound:.9g}"].append([at, f"{held:.17g}"])
        series["+Inf"].append([at, f"{count:.17g}"])
    return series


_Bucket = tuple[float, float, float]


def _read_look(sample: Any) -> tuple[Any, float, list[_Bucket]]:
    if not isinstance(sample, list) or len(sample) != 2 or not isinstance(sample[1], dict):
        raise NativeError("a native histogram that is no pair of time and buckets")
    at, histogram = sample
    buckets = histogram.get("buckets") or []
    if not isinstance(buckets, list):
        raise NativeError("a native histogram whose buckets are no list")
    return at, _read_number(histogram.get("count")), [_read_bucket(bucket) for bucket in buckets]


def _read_bucket(bucket: Any) -> _Bucket:
    if not isinstance(bucket, list) or len(bucket) != 4:
        raise NativeError("a native histogram with a bucket that is not rule, bounds and count")
    left, right, count = map(_read_number, bucket[1:])
    if not left <= right:
        raise NativeError("a native histogram with a bucket that ends before it begins")
    return left, right, count


def _read_number(text: Any) -> float:
    try:
        value = float(text) if isinstance(text, str) else math.nan
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise NativeError("a native histogram with a number that is none")
    return value


def _is_bound(bound: float, buckets: Iterable[_Bucket]) -> bool:
    return not any(left * (1 + _NEAR) < bound < right * (1 - _NEAR) for left, right, _ in buckets)
