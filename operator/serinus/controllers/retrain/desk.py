"""Everybody a run has to ask: where results lie, which digest a registry has, what Prometheus says of a gate, and who
takes a candidate over. Each is asked in the background, once for each question; a pass never waits."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from serinus.api import retrainreasons as words
from serinus.api.gatespec import Gate
from serinus.api.modeluri import Reference, parse_reference
from serinus.api.retrainrun import RetrainRunSpec
from serinus.api.runplan import ResultsSpec
from serinus.api.runstatus import RetrainRunStatus
from serinus.controllers.inquiry import PAUSES, SLOWLY, Inquiry, Later
from serinus.core.configmaps import digest_of
from serinus.core.retrain.child import name_results
from serinus.core.retrain.reading import Unknown, Value
from serinus.core.retrain.results import find_in_config_map
from serinus.core.retrain.runview import Handed
from serinus.core.snapshot import Problem
from serinus.engine.store import Key
from serinus.registries.outcome import Away, NotFound, Outcome, Pinned, Refused, Unpinned

Raw = dict[str, Any]
Notify = Callable[[Key, bool], None]

WATCH_PAUSE: Final = 30.0
"""Seconds between two looks at a pull request that nobody has merged yet."""


@dataclass(frozen=True)
class Order:
    """A candidate that is to be handed over, or whose hand-over is to be taken back."""

    run: str
    namespace: str
    spec: RetrainRunSpec
    status: RetrainRunStatus


class Carrier(Protocol):
    """Hands a candidate over to another system. No call raises for what the other side does."""

    async def hand_over(self, order: Order) -> Handed | Later:
        """Once for each order, again where the answer is Later, and once more after a crash."""
        ...

    async def watch(self, order: Order, reference: str) -> Handed | Later:
        """What became of it; Later while it is still open."""
        ...

    async def restore(self, order: Order) -> bool | Later:
        """Put back what was there before; True once it is, or where there is nothing to put back."""
        ...


FetchRegistry = Callable[[ResultsSpec, str], Awaitable[str | Later]]
"""Results of a run as a registry has them: JSON text."""
FetchConfigMap = Callable[[str, str], Awaitable[Raw | None]]


@dataclass(frozen=True)
class Places:
    """Whom to ask. Without one of them, what it would know is never known."""

    fetch_config_map: FetchConfigMap
    fetch_registry: FetchRegistry | None = None
    resolve: Callable[[Reference], Awaitable[Outcome]] | None = None
    ask_gate: Callable[[str, str, str], Awaitable[Value]] | None = None
    """Called with namespace, name of the policy and query."""
    carriers: Mapping[str, Carrier] | None = None
    """By promotion target."""


class RunDesk:
    """Asks for runs; `notify(key, urgent)` asks for a turn when something is known."""

    def __init__(
        self, places: Places, notify: Notify, pauses: tuple[float, ...] = PAUSES, slowly: float = SLOWLY
    ) -> None:
        self._places = places
        self._results: Inquiry[tuple[ResultsSpec, str], str] = Inquiry(self._fetch_results, notify, pauses, slowly)
        self._pins: Inquiry[str, str] = Inquiry(self._resolve, notify, pauses, slowly)
        self._gates: Inquiry[tuple[str, tuple[Gate, ...]], Mapping[str, Value]] = Inquiry(
            self._ask_gates, notify, pauses, slowly
        )
        self._orders: Inquiry[Order, Handed] = Inquiry(self._hand_over, notify, pauses, slowly)
        self._watches: Inquiry[tuple[Order, str], Handed] = Inquiry(self._watch, notify, (WATCH_PAUSE,), WATCH_PAUSE)
        self._returns: Inquiry[Order, bool] = Inquiry(self._restore, notify, pauses, slowly)

    def read_results(self, key: Key, source: ResultsSpec, known: Raw | None) -> str | Problem | None:
        """Results that are not in the store: those of a ConfigMap, which is `known` there without its data, or of a
        registry."""
        if source.from_ == "ConfigMap" and known is None:
            return Problem(words.RESULTS_MISSING, f"there is no ConfigMap {name_results(key.name)}")
        return self._results.observe(key, (source, digest_of(known) if known is not None else ""))

    def pin(self, key: Key, uri: str, digest: str | None) -> str | Problem | None:
        """The digest that a registry of images has for the address, or why that is not known; None where none has."""
        reference = parse_reference(uri)
        if not isinstance(reference, Reference) or reference.scheme != "oci" or digest is None:
            return None
        found = self._pins.observe(key, uri)
        if found is None:
            return Problem(words.DIGEST_MISMATCH, f"the registry is asked for the digest of {uri}")
        return found or None

    def ask_gates(self, key: Key, policy: str, gates: tuple[Gate, ...], *, late: bool) -> Mapping[str, Value]:
        """What is known of each gate's query by now; unknown once it is `late`."""
        asking = tuple(gate for gate in gates if gate.query is not None)
        if not asking:
            return {}
        found = self._gates.observe(key, (policy, asking))
        if isinstance(found, Mapping):
            return found
        message = found.message if isinstance(found, Problem) else "the query has no answer"
        return {gate.name: Unknown("NoData", message) for gate in asking} if late else {}

    def hand_over(self, key: Key, order: Order) -> Handed | Problem | None:
        """Whether the candidate is handed over; once it is, what became of that."""
        promotion = order.status.promotion
        if promotion is None or promotion.at is None:
            return self._orders.observe(key, _without_times(order))
        if order.spec.plan.promotion.target != "PullRequest" or promotion.reference is None:
            return None
        found = self._watches.observe(key, (_without_times(order), promotion.reference))
        return found if isinstance(found, Handed) else None

    def restore(self, key: Key, order: Order) -> bool:
        """Whether what was there before is there again."""
        promotion = order.status.promotion
        if promotion is None or promotion.at is None or promotion.restored_at is not None:
            return promotion is not None and promotion.restored_at is not None
        return self._returns.observe(key, order) is True

    def forget(self, key: Key) -> None:
        for one in (self._results, self._pins, self._gates, self._orders, self._watches, self._returns):
            one.forget(key)

    async def close(self) -> None:
        for one in (self._results, self._pins, self._gates, self._orders, self._watches, self._returns):
            await one.close()

    async def _fetch_results(self, key: Key, question: tuple[ResultsSpec, str]) -> str | Later:
        source, _ = question
        if source.from_ == "ConfigMap":
            name = name_results(key.name)
            text = find_in_config_map(await self._places.fetch_config_map(key.namespace, name))
            message = f"ConfigMap {name} has no results under results.json"
            return text if text is not None else Later(Problem(words.RESULTS_MISSING, message), soon=True)
        if self._places.fetch_registry is None:
            return Later(Problem(words.RESULTS_MISSING, "no registry is configured (SERINUS_MLFLOW_URL)"))
        return await self._places.fetch_registry(source, key.name)

    async def _resolve(self, _: Key, uri: str) -> str | Later:
        """The digest; empty where nobody keeps one."""
        reference = parse_reference(uri)
        if self._places.resolve is None or not isinstance(reference, Reference):
            return ""
        match await self._places.resolve(reference):
            case Pinned(_, digest):
                return digest
            case Unpinned():
                return ""
            case NotFound(message) | Refused(message):
                return Later(Problem(words.DIGEST_MISMATCH, message))
            case Away(message):
                return Later(Problem(words.DIGEST_MISMATCH, message), soon=True)

    async def _ask_gates(self, key: Key, question: tuple[str, tuple[Gate, ...]]) -> Mapping[str, Value] | Later:
        policy, gates = question
        if self._places.ask_gate is None:
            return {gate.name: Unknown("NoData", "no metrics provider is configured") for gate in gates}
        found: dict[str, Value] = {}
        for gate in gates:
            found[gate.name] = await self._places.ask_gate(key.namespace, policy, gate.query or "")
        missing = next(((name, one) for name, one in found.items() if isinstance(one, Unknown)), None)
        if missing is not None:
            return Later(Problem("NoData", f"{missing[0]}: {missing[1].message}"), soon=True)
        return found

    async def _hand_over(self, _: Key, order: Order) -> Handed | Later:
        carrier = (self._places.carriers or {}).get(order.spec.plan.promotion.target)
        if carrier is None:
            target = order.spec.plan.promotion.target
            return Later(
                Problem(
                    words.PROMOTION_REFUSED,
                    _UNAVAILABLE.get(target, f"promotion target {target} is not available here"),
                )
            )
        return await carrier.hand_over(order)

    async def _watch(self, _: Key, question: tuple[Order, str]) -> Handed | Later:
        order, reference = question
        carrier = (self._places.carriers or {}).get(order.spec.plan.promotion.target)
        return Handed(reference) if carrier is None else await carrier.watch(order, reference)

    async def _restore(self, _: Key, order: Order) -> bool | Later:
        carrier = (self._places.carriers or {}).get(order.spec.plan.promotion.target)
        return True if carrier is None else await carrier.restore(order)


_UNAVAILABLE: Final = {
    "PullRequest": "promotion target PullRequest is switched off here: set features.pullRequests=true and"
    " pullRequests.hosts in the values of the chart (SERINUS_GIT_HOSTS)",
    "Alias": "promotion target Alias needs a registry: SERINUS_MLFLOW_URL is not set",
}


def _without_times(order: Order) -> Order:
    """The order without what changes from pass to pass, so that the same one is not carried out again."""
    kept = RetrainRunStatus(model=order.status.model, gates=order.status.gates, approvals=order.status.approvals)
    return replace(order, status=kept)
