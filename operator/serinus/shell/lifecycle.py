"""What users of the loop care about, as metrics: how long a new version takes, how long a bad one lasts, how often a
release goes wrong, what served when.

What stands in a status is read from the store at each scrape, so that no restart loses it and nothing has to be cleared
up; what happens is counted as it happens."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from serinus.api.podtemplate import child, objects_in
from serinus.engine.store import Store

Raw = dict[str, Any]
Family = GaugeMetricFamily | CounterMetricFamily

_LONG_BUCKETS: Final = (10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400, 259200, 604800)
"""From a demonstration to a week, in seconds."""
_STATES: Final = ("Unknown", "Clear", "Pending", "Firing", "Latched")


class LifecycleTelemetry:
    """Counts what happens; `StatusCollector` shows what is so."""

    def __init__(self, registry: CollectorRegistry, store: Store) -> None:
        of_policy, of_model = ["namespace", "policy"], ["namespace", "model"]
        self._runs = Counter(
            "retrain_runs",
            "Runs that ended, by outcome and trigger",
            [*of_policy, "outcome", "trigger"],
            registry=registry,
        )
        self._stages = Histogram(
            "retrain_stage_seconds",
            "Duration of each stage of a run",
            [*of_policy, "stage"],
            registry=registry,
            buckets=_LONG_BUCKETS,
        )
        self._accelerators = Counter(
            "retrain_accelerator_seconds",
            "Accelerators times seconds of trainings",
            [*of_policy, "outcome"],
            registry=registry,
        )
        self._lead = Histogram(
            "model_release_lead_seconds",
            "From a new version (a run decided, or a revision first asked for) to all traffic",
            of_model,
            registry=registry,
            buckets=_LONG_BUCKETS,
        )
        self._recovery = Histogram(
            "model_recovery_seconds",
            "From the first bad window to the first good one, by what cured it: Retrain, Rollback or Other",
            [*of_model, "cause"],
            registry=registry,
            buckets=_LONG_BUCKETS,
        )
        self._releases = Counter("model_releases", "Releases that ended", of_model, registry=registry)
        self._failures = Counter(
            "model_release_failures",
            "Releases that ended without being promoted for a fault of the candidate",
            of_model,
            registry=registry,
        )
        registry.register(StatusCollector(store))

    def on_run(self, namespace: str, policy: str, outcome: str, trigger: str, accelerator_seconds: int) -> None:
        """A run has ended."""
        self._runs.labels(namespace, policy, outcome, trigger).inc()
        self._accelerators.labels(namespace, policy, outcome).inc(accelerator_seconds)

    def on_stage(self, namespace: str, policy: str, stage: str, seconds: float) -> None:
        """A stage of a run is over."""
        self._stages.labels(namespace, policy, stage).observe(seconds)

    def on_lead(self, namespace: str, model: str, seconds: float) -> None:
        """A new version has all traffic."""
        self._lead.labels(namespace, model).observe(seconds)

    def on_recovery(self, namespace: str, model: str, cause: str, seconds: float) -> None:
        """A degradation is over."""
        self._recovery.labels(namespace, model, cause).observe(seconds)

    def on_release(self, namespace: str, model: str, failed: bool) -> None:
        """A release has ended."""
        self._releases.labels(namespace, model).inc()
        # Both series begin together, so that the first failure is an increase.
        self._failures.labels(namespace, model).inc(int(failed))


class StatusCollector(Collector):
    """Figures that stand in statuses."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> Iterable[Family]:
        """Nothing: what there is, is known at a scrape only."""
        return ()

    def collect(self) -> Iterator[Family]:
        """All series, from the objects as they are known."""
        of_trigger = ["namespace", "policy", "trigger"]
        state = GaugeMetricFamily(
            "retrain_trigger_state", "1 for the state of a trigger", labels=[*of_trigger, "state"]
        )
        value = GaugeMetricFamily("retrain_trigger_value", "Last value of a trigger that counted", labels=of_trigger)
        suppressed = CounterMetricFamily(
            "retrain_suppressed",
            "How often something kept a run from starting",
            labels=["namespace", "policy", "reason"],
        )
        budget = GaugeMetricFamily(
            "retrain_budget_remaining",
            "What may still be spent within the window of the budget",
            labels=["namespace", "policy", "unit"],
        )
        for raw in self._store.list("RetrainPolicy"):
            _add_policy(raw, state, value, suppressed, budget)
        info = GaugeMetricFamily(
            "model_version_info",
            "1 for the revision that serves",
            labels=["namespace", "model", "revision", "digest"],
        )
        for raw in self._store.list("ModelDeployment"):
            self._add_version(raw, info)
        yield from (state, value, suppressed, budget, info)

    def _add_version(self, raw: Raw, info: GaugeMetricFamily) -> None:
        namespace, name = raw["metadata"]["namespace"], raw["metadata"]["name"]
        revision = child(raw, "status", "stable").get("revision")
        if not isinstance(revision, str):
            return
        spec = child(self._store.get("ModelRevision", namespace, revision) or {}, "spec")
        # Where no model is referred to, the image is the model, and the digest of the content names it.
        digest = child(spec, "content", "model").get("digest") or spec.get("digest") or ""
        info.add_metric([namespace, name, revision, str(digest)], 1)


def _add_policy(
    raw: Raw,
    state: GaugeMetricFamily,
    value: GaugeMetricFamily,
    suppressed: CounterMetricFamily,
    budget: GaugeMetricFamily,
) -> None:
    place = [raw["metadata"]["namespace"], raw["metadata"]["name"]]
    status = child(raw, "status")
    for one in objects_in(status.get("triggers")):
        trigger = [*place, str(one.get("name") or "")]
        for each in _STATES:
            state.add_metric([*trigger, each], float(one.get("state") == each))
        if one.get("value") is not None:
            value.add_metric(trigger, float(one["value"]))
    for one in objects_in(status.get("suppressed")):
        suppressed.add_metric([*place, str(one.get("reason") or "")], float(one.get("count") or 0))
    left = child(status, "budget")
    for field, unit in (("remainingRuns", "runs"), ("remainingAcceleratorSeconds", "accelerator_seconds")):
        if left.get(field) is not None:
            budget.add_metric([*place, unit], float(left[field]))
