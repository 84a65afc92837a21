"""From targets to one query, and from its answer to points."""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache

from serinus.api.signals import Signal
from serinus.core.counters import BAD, LEVEL, TOTAL, Point, bound_key
from serinus.metrics.profiles.locate import quote
from serinus.metrics.profiles.model import PROBES, Counter, Gauge, Given, Histogram, Labels, Profile, Ratio, Target
from serinus.metrics.source import Series

_Reader = Callable[[Labels, float], "tuple[tuple[str, ...], float] | None"]
"""From labels and value to the keys that the series adds to and the value in the signal's unit; None: not counted."""


def build_query(profile: Profile, signals: Collection[Signal], targets: Sequence[Target], window_seconds: float) -> str:
    """One query for all signals and targets: every raw sample of the last `window_seconds` of their series."""
    names = sorted({name for signal in signals for name in _series_names(profile.signals[signal])})
    matchers = f'__name__=~"{quote("|".join(names))}",{profile.locator.build_matchers(targets)}'
    matchers += "".join(f',{label}="{quote(value)}"' for label, value in profile.given)
    return f"{{{matchers}}}[{max(int(window_seconds), 1)}s]"


def attribute_points(
    profile: Profile, signals: Collection[Signal], targets: Sequence[Target], series: Iterable[Series]
) -> dict[tuple[Target, Signal], list[Point]]:
    """The newest sample of every series, by its target and signal; series of nobody are left out."""
    points: dict[tuple[Target, Signal], list[Point]] = {(t, s): [] for t in targets for s in signals}
    find = profile.locator.build_finder(targets)
    find_readers = _build_readers(profile, signals)
    for one in series:
        labels = one.labels
        wanted = find_readers(labels.get("__name__", ""))
        if not wanted or not one.samples or _is_probe(profile, labels):
            continue
        target = find(labels)
        if target is None:
            continue
        last = one.samples[-1]
        identity = _identity(labels)
        for signal, read in wanted:
            found = read(labels, last.value)
            if found is not None:
                keys, value = found
                points[target, signal].append(
                    Point(identity, _unit(profile, labels), labels.get("instance", ""), value, last.timestamp, keys)
                )
    return points


def list_sources(series: Iterable[Series]) -> frozenset[str]:
    """The scraped targets that answered at all."""
    return frozenset(one.labels.get("instance", "") for one in series)


def find_shape_problem(profile: Profile, signals: Collection[Signal], series: Iterable[Series]) -> str | None:
    """Why the series cannot be used although they are there, in a sentence; None where they can."""
    wanted = {given.metric for signal in signals if isinstance(given := profile.signals[signal], Histogram)}
    if not wanted:
        return None
    for one in series:
        name = one.labels.get("__name__", "")
        if name in wanted and "quantile" in one.labels:
            return (
                f"{name} is a summary (it has quantiles, no buckets): quantiles of several pods cannot be joined."
                " Export a histogram instead, or measure at the gateway"
            )
    return None


def _series_names(given: Given) -> list[str]:
    """Regular expressions for the names of all its series."""
    match given:
        case Ratio(counters):
            return [_counter_name(counter) for counter in counters]
        case Histogram(metric):
            # The bare name belongs to a summary, which is to be recognised.
            return [re.escape(f"{metric}_bucket"), re.escape(metric)]
        case Gauge(metric):
            return [re.escape(metric)]


def _counter_name(counter: Counter) -> str:
    name = re.escape(counter.metric)
    return f"{name}(_.+)?_[0-9]+" if counter.by_status else name


def _build_readers(profile: Profile, signals: Collection[Signal]) -> Callable[[str], Sequence[tuple[Signal, _Reader]]]:
    """Who reads the series of a name."""
    readers: dict[str, list[tuple[Signal, _Reader]]] = {}
    for signal in signals:
        match profile.signals[signal]:
            case Ratio(counters):
                for counter in counters:
                    readers.setdefault(_counter_name(counter), []).append((signal, _counter_reader(counter)))
            case Histogram() as histogram:
                readers.setdefault(re.escape(f"{histogram.metric}_bucket"), []).append(
                    (signal, _bucket_reader(histogram))
                )
            case Gauge(metric, scale):
                readers.setdefault(re.escape(metric), []).append((signal, _gauge_reader(scale)))
    patterns = [(re.compile(name), found) for name, found in readers.items()]

    @cache
    def find(name: str) -> Sequence[tuple[Signal, _Reader]]:
        return next((found for pattern, found in patterns if pattern.fullmatch(name)), ())

    return find


def _counter_reader(counter: Counter) -> _Reader:
    good = {"Never": (TOTAL,), "Always": (TOTAL, BAD), "Part": (BAD,)}[counter.bad]

    def read(labels: Labels, value: float) -> tuple[tuple[str, ...], float] | None:
        if any(labels.get(label) != wanted for label, wanted in counter.only):
            return None
        if counter.by_status:
            said = labels["__name__"].rpartition("_")[2]
        elif not counter.labels:
            return good, value
        else:
            said = next((labels[label] for label in counter.labels if label in labels), "")
        failed = said in counter.bad_values if counter.bad_values else said.startswith("5")
        return ((TOTAL, BAD) if failed else good), value

    return read


def _bucket_reader(histogram: Histogram) -> _Reader:
    def read(labels: Labels, value: float) -> tuple[tuple[str, ...], float] | None:
        if any(labels.get(label) != wanted for label, wanted in histogram.only):
            return None
        bound = labels.get("le", "")
        if bound == "+Inf":
            return (TOTAL,), value
        try:
            return (bound_key(float(bound) * histogram.scale),), value
        except ValueError:
            return None

    return read


def _gauge_reader(scale: float) -> _Reader:
    return lambda labels, value: ((LEVEL,), value * scale)


def _is_probe(profile: Profile, labels: Labels) -> bool:
    return any(labels.get(label) in PROBES for label in profile.path_labels)


def _unit(profile: Profile, labels: Labels) -> str:
    return next((labels[label] for label in profile.locator.unit if label in labels), "")


def _identity(labels: Labels) -> str:
    return "\x00".join(f"{k}={v}" for k, v in sorted(labels.items()))
