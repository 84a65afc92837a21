"""The name of the newest data, where a ConfigMap says it. The store keeps no data of ConfigMaps, so it is read once for
each content."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from serinus.api import reasons
from serinus.api.podtemplate import child
from serinus.api.rollout import ConfigMapKey
from serinus.controllers.inquiry import PAUSES, SLOWLY, Inquiry, Later
from serinus.core.configmaps import digest_of
from serinus.core.snapshot import Problem
from serinus.engine.store import Key

Raw = dict[str, Any]

FIELD = "spec.data.snapshotFrom.configMap"


@dataclass(frozen=True)
class _Question:
    source: ConfigMapKey
    digest: str


class SnapshotReader:
    """`fetch(namespace, name)` reads a ConfigMap, `notify(key, urgent)` asks for a turn."""

    def __init__(
        self,
        fetch: Callable[[str, str], Awaitable[Raw | None]],
        notify: Callable[[Key, bool], None],
        pauses: tuple[float, ...] = PAUSES,
        slowly: float = SLOWLY,
    ) -> None:
        self._fetch = fetch
        self._inquiry: Inquiry[_Question, str] = Inquiry(self._ask, notify, pauses, slowly)

    def observe(self, key: Key, source: ConfigMapKey, known: Raw | None) -> str | Problem | None:
        """The name, or why there is none; None while it is read. `known` is the ConfigMap as the store has it."""
        if known is None:
            self._inquiry.forget(key)
            message = f"{FIELD}: there is no ConfigMap {source.config_map!r} here: create it or change the name"
            return Problem(reasons.CONFIG_MAP_NOT_FOUND, message)
        return self._inquiry.observe(key, _Question(source, digest_of(known)))

    def forget(self, key: Key) -> None:
        self._inquiry.forget(key)

    async def close(self) -> None:
        await self._inquiry.close()

    async def _ask(self, key: Key, question: _Question) -> str | Later:
        source = question.source
        raw = await self._fetch(key.namespace, source.config_map)
        if raw is None:
            message = f"{FIELD}: ConfigMap {source.config_map!r} cannot be read right now"
            return Later(Problem(reasons.CONFIG_MAP_NOT_FOUND, message), soon=True)
        value = child(raw, "data").get(source.key)
        if isinstance(value, str) and 0 < len(value.strip()) <= 256:
            return value.strip()
        message = f"{FIELD}: ConfigMap {source.config_map!r} has no name of at most 256 characters under {source.key!r}"
        return Later(Problem(reasons.CONFIG_MAP_NOT_FOUND, message))
