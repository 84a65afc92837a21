"""What Prometheus reads: built anew from the findings at each scrape, so what is not known has no series at all."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .findings import Drift, Quality
from .monitor import Monitor

_COMMON: Final = ("namespace", "model", "version")
Sample = tuple[tuple[str, ...], float]
Build = Callable[[str, str, tuple[str, ...], Iterable[Sample]], Metric]


def build_registry(monitor: Monitor) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Findings(monitor))
    ProcessCollector(registry=registry)
    return registry


class _Findings(Collector):
    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def collect(self) -> Iterator[Metric]:
        monitor = self._monitor
        if monitor.stable is None:
            return
        common = (monitor.settings.namespace, monitor.settings.model, monitor.stable.version)

        def gauge(name: str, text: str, labels: tuple[str, ...], samples: Iterable[Sample]) -> Metric:
            family = GaugeMetricFamily(name, text, labels=(*_COMMON, *labels))
            for values, number in samples:
                family.add_metric((*common, *values), number)
            return family

        loaded = monitor.reference is not None
        yield gauge(
            "model_monitor_reference_loaded", "1 where there is a reference to compare with", (), [((), float(loaded))]
        )
        yield gauge("model_drift_window_seconds", "Length of a window of drift", (), [((), monitor.settings.window)])
        yield gauge(
            "model_quality_window_seconds", "Length of a window of quality", (), [((), monitor.settings.quality_window)]
        )
        if monitor.reference is not None:
            info = [((monitor.reference.name,), 1.0)]
            yield gauge("model_drift_reference_info", "What is compared with", ("reference_digest",), info)
        if monitor.drift is not None:
            yield from _collect_drift(monitor.drift, gauge)
        if monitor.quality is not None:
            yield from _collect_quality(monitor.quality, gauge)
        rows = CounterMetricFamily("model_monitor_rows", "Rows that came in", labels=(*_COMMON, "kind", "outcome"))
        for (kind, outcome), number in sorted(monitor.counts.items()):
            rows.add_metric((*common, kind, outcome), number)
        yield rows


def _collect_drift(drift: Drift, gauge: Build) -> Iterator[Metric]:
    yield gauge("model_drift_window_samples", "Rows of the last window", (), [((), drift.rows)])
    yield gauge("model_drift_window_end_timestamp_seconds", "When the last window ended", (), [((), drift.end)])
    by = ("statistic", "feature")
    scores = sorted(drift.scores.items())
    yield gauge(
        "model_drift_score", "Distance of the last window from the reference", by, [(k, s.value) for k, s in scores]
    )
    yield gauge(
        "model_drift_threshold", "Distance reached by chance alone, once in many windows of this size", by,
        [(k, s.threshold) for k, s in scores],
    )  # fmt: skip


def _collect_quality(quality: Quality, gauge: Build) -> Iterator[Metric]:
    yield gauge("model_quality_samples", "Rows of the last window that have a label", (), [((), quality.labelled)])
    yield gauge("model_quality_window_end_timestamp_seconds", "When that window ended", (), [((), quality.end)])
    if quality.coverage is not None:
        yield gauge("model_label_coverage_ratio", "Share of its rows that have a label", (), [((), quality.coverage)])
    values = sorted(quality.values.items())
    yield gauge("model_quality", "How right the model was in that window", ("metric", "slice"), values)
