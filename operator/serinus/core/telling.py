"""Which situations are worth an Event, and which of those are warnings.

Transitions tell themselves where they are made; this is about what a release is found in."""

from serinus.api import reasons
from serinus.core.conditions import Situation
from serinus.core.plan import Event
from serinus.core.release import Release
from serinus.core.snapshot import Snapshot

_WARN = frozenset(
    {
        reasons.HOLDING,
        reasons.VALIDATION_INCONCLUSIVE,
        reasons.WAITING_FOR_CAPACITY,
        reasons.QUOTA_EXCEEDED,
        reasons.IMAGE_PULL_FAILED,
        reasons.NODE_LOST,
        reasons.ROUTE_NOT_ACCEPTED,
        reasons.INVALID_SPEC,
        reasons.GATEWAY_NOT_FOUND,
        reasons.GATEWAY_UNSUPPORTED,
        reasons.PROVIDER_NOT_FOUND,
        reasons.ROUTE_CONFLICT,
        reasons.NAME_CONFLICT,
        reasons.CONFIG_MAP_NOT_FOUND,
        reasons.MODEL_NOT_FOUND,
        reasons.REGISTRY_AWAY,
        reasons.REGISTRY_REFUSED,
        reasons.INVALID_SCHEMA,
        reasons.LOOKUP_FAILED,
        reasons.LOADER_NOT_CONFIGURED,
        reasons.IMAGE_VOLUME_UNSUPPORTED,
        reasons.MODEL_NOT_LOADED,
        reasons.VERIFICATION_FAILED,
        reasons.DEADLINE_EXCEEDED,
    }
)
_TOLD = _WARN | {
    reasons.SERVING,
    reasons.SCALED_TO_ZERO,
    reasons.SCHEDULING_GATED,
    reasons.WARMING_UP,
    reasons.VALIDATING,
    reasons.PAUSED,
    reasons.AWAITING_APPROVAL,
    reasons.FROZEN,
}


def tell_situation(s: Snapshot, r: Release, situation: Situation) -> tuple[Event, ...]:
    """An Event for a situation that is new and that no transition of this pass has told already."""
    ready = next((c for c in s.status.conditions if c.type == reasons.READY), None)
    told = {event.reason for event in r.events}
    known = ready is not None and ready.reason == situation.reason
    if known or situation.reason not in _TOLD or situation.reason in told:
        return ()
    if situation.reason == reasons.SERVING and reasons.PROMOTED in told:
        return ()
    return (Event(situation.reason, situation.message, warning=situation.reason in _WARN),)
