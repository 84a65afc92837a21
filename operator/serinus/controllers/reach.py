"""How long each pod has been in the EndpointSlices of its Service, and each backend in the route, as seen from here.

A gateway hears of a route and of the pods behind it on separate ways: one that is told of the weight first answers 503
until it hears of the pods. So a pod counts only after it could have been heard of, and so does a backend where the
gateway's proxies may hear of its weight first. Kept in memory alone: after a
restart every pod is new again, which costs a moment and nothing else."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from serinus.engine.store import Key

SETTLE: Final = timedelta(seconds=2)
"""Time that gateways are given to hear of a pod, a backend or a route."""


class Reach:
    """Remembers, for each ModelDeployment, since when its pods have been reachable and its backends in the route."""

    def __init__(self) -> None:
        self._pods: dict[Key, dict[str, datetime]] = {}
        self._backends: dict[Key, dict[str, datetime]] = {}
        self._takeovers: dict[Key, datetime] = {}

    def observe(self, key: Key, pods: Iterable[str], now: datetime) -> dict[str, datetime]:
        """When each of these reachable pods may get more traffic; pods that are not named are forgotten."""
        return _note(self._pods, key, pods, now)

    def observe_backends(self, key: Key, backends: Iterable[str], now: datetime) -> dict[str, datetime]:
        """When each of these backends may get more than a trace of traffic; those that are not named are forgotten."""
        return _note(self._backends, key, backends, now)

    def observe_takeover(self, key: Key, accepted: bool, now: datetime) -> datetime | None:
        """When a route that was accepted in place of another may be alone; None while it is not accepted."""
        if not accepted:
            self._takeovers.pop(key, None)
            return None
        return self._takeovers.setdefault(key, now) + SETTLE

    def forget(self, key: Key) -> None:
        """The ModelDeployment is gone."""
        self._pods.pop(key, None)
        self._backends.pop(key, None)
        self._takeovers.pop(key, None)


def _note(known: dict[Key, dict[str, datetime]], key: Key, names: Iterable[str], now: datetime) -> dict[str, datetime]:
    before = known.get(key, {})
    known[key] = {name: before.get(name, now) for name in names}
    return {name: at + SETTLE for name, at in known[key].items()}
