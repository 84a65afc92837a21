"""Kubernetes Events: what happened, told to people once.

An Event is never worth failing for, so nothing here raises. The same thing said about the same object is said once in a
few minutes, whoever says it how often.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import structlog

from serinus.api.redact import redact
from serinus.engine.clock import Clock
from serinus.engine.store import Raw
from serinus.kube.errors import KubeError
from serinus.kube.gateway import Kube
from serinus.kube.resources import EVENTS

EventType = Literal["Normal", "Warning"]

_SILENCE_SECONDS: Final = 300.0
_REMEMBERED: Final = 4096
_NOTE_MAX_BYTES: Final = 1024

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Said:
    uid: str
    reason: str
    message: str


class EventRecorder:
    """Writes Events of events.k8s.io/v1 in the name of `instance`, one replica of the operator."""

    def __init__(self, kube: Kube, clock: Clock, instance: str, component: str = "serinus.dev/operator") -> None:
        self._kube = kube
        self._clock = clock
        self._instance = instance
        self._component = component
        self._said: OrderedDict[_Said, float] = OrderedDict()

    async def emit_event(
        self, regarding: Raw, event_type: EventType, reason: str, message: str, action: str = "Reconcile"
    ) -> bool:
        """Tell what happened to `regarding`, a raw object; False if it was said lately or could not be written."""
        said = _Said(regarding["metadata"].get("uid", regarding["metadata"]["name"]), reason, message)
        if not self._is_news(said):
            return False
        event = build_event(
            regarding,
            event_type=event_type,
            reason=reason,
            message=message,
            action=action,
            component=self._component,
            instance=self._instance,
            now=self._clock.now(),
        )
        try:
            await self._kube.create(EVENTS, event)
        except KubeError as error:
            self._said.pop(said, None)
            log.warning("event not written", reason=reason, note=message, error=str(error))
            return False
        return True

    def _is_news(self, said: _Said) -> bool:
        now = self._clock.monotonic()
        last = self._said.get(said)
        if last is not None and now - last < _SILENCE_SECONDS:
            return False
        self._said[said] = now
        self._said.move_to_end(said)
        while len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)
        return True


def build_event(
    regarding: Raw,
    *,
    event_type: EventType,
    reason: str,
    message: str,
    action: str,
    component: str,
    instance: str,
    now: datetime,
) -> Raw:
    """Return the Event. Its name is unique by time; of a cluster-scoped object it stands in namespace `default`."""
    metadata = regarding["metadata"]
    reference = {
        "apiVersion": regarding["apiVersion"],
        "kind": regarding["kind"],
        "name": metadata["name"],
        **{field: metadata[field] for field in ("namespace", "uid", "resourceVersion") if metadata.get(field)},
    }
    suffix = hashlib.sha256(f"{now.timestamp()!r} {instance} {reason} {message}".encode()).hexdigest()[:16]
    return {
        "metadata": {
            "name": f"{metadata['name'][:230]}.{suffix}",
            "namespace": metadata.get("namespace") or "default",
        },
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": component,
        "reportingInstance": instance[:128],
        "action": action,
        "reason": reason,
        "type": event_type,
        "regarding": reference,
        "note": _shorten(redact(message)),
    }


def _shorten(message: str) -> str:
    """Cut a message to what the API server takes, which it counts in bytes."""
    encoded = message.encode()
    if len(encoded) <= _NOTE_MAX_BYTES:
        return message
    ellipsis = "…"
    return encoded[: _NOTE_MAX_BYTES - len(ellipsis.encode())].decode(errors="ignore") + ellipsis
