"""The operator's own metrics, in a registry of their own; whoever has something to count calls the methods here.

Labels are bounded by the number of kinds, verbs, namespaces and metrics providers. Only what is being judged right now
has series of its own, and they are gone when the judging ends: an object that merely exists never becomes a label.
"""

import math
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

from serinus import __version__
from serinus.api import reasons
from serinus.core.judge import Verdict
from serinus.core.snapshot import Judgement
from serinus.engine.store import Key
from serinus.engine.worker import Turn

_ROLLBACKS: Final = frozenset(
    {
        reasons.ANALYSIS_FAILED,
        reasons.INCONCLUSIVE,
        reasons.DEADLINE_EXCEEDED,
        reasons.ABORTED,
        reasons.SLOW_DEGRADATION,
    }
)
_CALL_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Telemetry:
    """All metrics of the operator; see `registry`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._reconciles = Histogram(
            "serinus_reconcile_seconds",
            "Duration of a turn of one object",
            ["kind", "outcome"],
            registry=self.registry,
            buckets=(*_CALL_BUCKETS, 10.0, 30.0, 60.0),
        )
        self._requests = Counter(
            "serinus_kube_requests",
            "Requests to the API server by verb, resource and HTTP status (or why there was none)",
            ["verb", "resource", "code"],
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            "serinus_kube_request_seconds",
            "Duration of requests to the API server",
            ["verb"],
            registry=self.registry,
            buckets=_CALL_BUCKETS,
        )
        self._queries = Counter(
            "serinus_metric_queries",
            "Queries to metrics providers by outcome: Answer, or why there was none",
            ["provider", "outcome"],
            registry=self.registry,
        )
        self._query_seconds = Histogram(
            "serinus_metric_query_seconds",
            "Duration of queries to metrics providers",
            ["provider"],
            registry=self.registry,
            buckets=_CALL_BUCKETS,
        )
        self._status_writes = Counter(
            "serinus_status_writes", "Status writes that the API server took", ["resource"], registry=self.registry
        )
        self._releases = Counter(
            "serinus_releases",
            "Revisions whose release came to an end, by outcome such as Promoted or RolledBack",
            ["namespace", "outcome"],
            registry=self.registry,
        )
        self._rollbacks = Counter(
            "serinus_rollbacks", "Candidates that were taken off traffic, by reason", ["reason"], registry=self.registry
        )
        self._events = Counter(
            "serinus_received_events",
            "Answers of the receiver of events, by HTTP status",
            ["code"],
            registry=self.registry,
        )
        named = ["namespace", "name", "metric"]
        self._evidence = Gauge(
            "serinus_analysis_evidence",
            "e-value against the candidate, as a share of what rolls back: 1 does",
            named,
            registry=self.registry,
        )
        self._value = Gauge(
            "serinus_analysis_value",
            "Value of a metric so far, by track: candidate or stable",
            [*named, "track"],
            registry=self.registry,
        )
        self._verdict = Gauge(
            "serinus_analysis_verdict",
            "1 for the verdict that stands: Good, NotEnoughEvidence, CannotMeasure or Bad",
            ["namespace", "name", "verdict"],
            registry=self.registry,
        )
        self._judged: dict[Key, tuple[str, ...]] = {}
        ProcessCollector(registry=self.registry)
        Info("serinus_build", "Version of the operator", registry=self.registry).info({"version": __version__})

    def gauge(self, name: str, description: str, read: Callable[[], float]) -> None:
        """Show a value that is read anew at each scrape; NaN where it is not known."""
        Gauge(name, description, registry=self.registry).set_function(read)

    def on_request(self, verb: str, resource: str, code: str, seconds: float) -> None:
        """Count a request to the API server, successful writes of a status among them."""
        self._requests.labels(verb, resource, code).inc()
        self._request_seconds.labels(verb).observe(seconds)
        if resource.endswith("/status") and code.startswith("2"):
            self._status_writes.labels(resource.removesuffix("/status")).inc()

    def on_query(self, provider: str, outcome: str, seconds: float) -> None:
        """Count a query to a metrics provider."""
        self._queries.labels(provider, outcome).inc()
        self._query_seconds.labels(provider).observe(seconds)

    def on_turn(self, turn: Turn[Key]) -> None:
        """Measure a turn of one object."""
        outcome = "error" if turn.error is not None else "retry" if turn.failures else "ok"
        self._reconciles.labels(turn.key.kind, outcome).observe(turn.seconds)

    def on_release(self, namespace: str, outcome: str) -> None:
        """Count the end of a release."""
        self._releases.labels(namespace, outcome).inc()
        if outcome in _ROLLBACKS:
            self._rollbacks.labels(outcome).inc()

    def on_event(self, status: int) -> None:
        """Count an answer of the receiver."""
        self._events.labels(str(status)).inc()

    def on_judged(self, key: Key, judgement: Judgement) -> None:
        """Show what the judge says of a release that is under way."""
        names = tuple(figure.name for figure in judgement.figures)
        if self._judged.get(key, names) != names:
            self.on_forgotten(key)
        self._judged[key] = names
        for verdict in Verdict:
            self._verdict.labels(key.namespace, key.name, verdict.value).set(judgement.verdict is verdict)
        for figure in judgement.figures:
            labels = (key.namespace, key.name, figure.name)
            self._evidence.labels(*labels).set(math.exp(min(figure.log_evidence - figure.log_threshold, 700.0)))
            for track, value in (("candidate", figure.candidate), ("stable", figure.stable)):
                self._value.labels(*labels, track).set(math.nan if value is None else value)

    def on_forgotten(self, key: Key) -> None:
        """Nothing is judged there any more: its series end."""
        names = self._judged.pop(key, None)
        if names is None:
            return
        for verdict in Verdict:
            self._verdict.remove(key.namespace, key.name, verdict.value)
        for name in names:
            self._evidence.remove(key.namespace, key.name, name)
            for track in ("candidate", "stable"):
                self._value.remove(key.namespace, key.name, name, track)
