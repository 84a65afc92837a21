"""How long each pod has been in the EndpointSlices of its Service, as seen from here.

A gateway hears of a route and of the pods behind it on separate ways: one that is told of the weight first answers 503
until it hears of the pods. So a pod counts only after it could have been heard of. Kept in memory alone: after a
restart every pod is new again, which costs a moment and nothing else."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from serinus.engine.store import Key

SETTLE: Final = timedelta(seconds=2)
"""Time that gateways are given to hear of a pod."""


class Reach:
    """Remembers, for each ModelDeployment, since when its pods have been reachable."""

    def __init__(self) -> None:
        self._since: dict[Key, dict[str, datetime]] = {}

    def observe(self, key: Key, pods: Iterable[str], now: datetime) -> dict[str, datetime]:
        """When each of these reachable pods may get more traffic; pods that are not named are forgotten."""
        before = self._since.get(key, {})
        since = {pod: before.get(pod, now) for pod in pods}
        self._since[key] = since
        return {pod: at + SETTLE for pod, at in since.items()}

    def forget(self, key: Key) -> None:
        """The ModelDeployment is gone."""
        self._since.pop(key, None)
