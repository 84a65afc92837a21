"""Follows the weights in an HTTPRoute or GRPCRoute, each change with the time at which it arrived here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.traffic.watch import Change, Raw, StartKubectl, Watch


@dataclass(frozen=True)
class RouteChange:
    """Weights by name of the backend from time `at` (seconds since the epoch) on. A backend not named has 0."""

    at: float
    weights: Mapping[str, int]


def observe_weights(route: Raw) -> dict[str, int]:
    """The weights in an HTTPRoute, in percent; a trace is none. Of several rules the highest counts: off traffic means
    off in every rule."""
    weights: dict[str, int] = {}
    for rule in route.get("spec", {}).get("rules") or []:
        shares = {backend["name"]: backend.get("weight", 1) for backend in rule.get("backendRefs") or []}
        total = sum(shares.values()) or 1
        for name, share in shares.items():
            weights[name] = max(weights.get(name, 0), round(100 * share / total))
    return weights


def find_zero(changes: Sequence[RouteChange], backend: str, after: float = 0.0) -> float | None:
    """When `backend`, having had weight, was first seen without, at or after `after`. None if it has not happened."""
    had = False
    for change in changes:
        has = change.weights.get(backend, 0) > 0
        if had and not has and change.at >= after:
            return change.at
        had = has
    return None


def list_weights(changes: Sequence[RouteChange], backend: str) -> list[int]:
    """The weights that `backend` went through, without repetitions in a row, starting from its first above 0."""
    seen: list[int] = []
    for change in changes:
        weight = change.weights.get(backend, 0)
        if (seen or weight > 0) and (not seen or seen[-1] != weight):
            seen.append(weight)
    return seen


class RouteWatch:
    """Keeps every change of the weights of one route, which need not exist yet; use as a context manager."""

    def __init__(self, start_kubectl: StartKubectl, namespace: str, name: str, kinds: str = "httproutes") -> None:
        self._watch = Watch(start_kubectl, kinds, "--namespace", namespace, name=name, on_change=self._note)
        self.changes: list[RouteChange] = []

    def __enter__(self) -> "RouteWatch":
        self._watch.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.__exit__()

    @property
    def weights(self) -> Mapping[str, int]:
        """The weights now; empty where there is no route."""
        return self.changes[-1].weights if self.changes else {}

    def _note(self, change: Change) -> None:
        weights = {} if change.kind == "DELETED" else observe_weights(change.object)
        if not self.changes or self.changes[-1].weights != weights:
            self.changes.append(RouteChange(change.at, weights))
