"""What is known of a MetricsProvider from the answers it gives, and when that is worth a word in its status. Pure.

An answer now and then says little: a provider that fails every other time must not be written about every other time.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from serinus.api import reasons
from serinus.api.meta import Condition
from serinus.api.metricsprovider import MetricsProviderSpec, MetricsProviderStatus
from serinus.core.conditions import keep_conditions
from serinus.core.snapshot import Check

SURE_AFTER: Final = 3
"""Times in a row that something new is seen before it is told."""
NEEDS_A_PERSON: Final = frozenset(
    {
        reasons.INVALID_SPEC,
        reasons.UNAUTHORIZED,
        reasons.UNTRUSTED_CERTIFICATE,
        reasons.SECRET_NOT_FOUND,
        reasons.INVALID_SECRET,
    }
)
"""What does not pass by itself, as an outage does."""


@dataclass(frozen=True, slots=True)
class Finding:
    """How a provider fares: a reason, Configured where all is well, and a sentence."""

    reason: str
    message: str

    @property
    def is_good(self) -> bool:
        """Whether the provider answers."""
        return self.reason == reasons.CONFIGURED


@dataclass(frozen=True, slots=True)
class Health:
    """What has been told, and what was seen last, so many times in a row."""

    told: Finding | None = None
    seen: Finding | None = None
    times: int = 0


def observe_finding(health: Health, finding: Finding) -> Health:
    """Take in one more finding. The first one is told at once, a change when it lasts.

    Another reason than the one told lasts however its message changes; under the same reason only a message that stays
    the same is worth telling.
    """
    told, seen = health.told, health.seen
    if told is None:
        return Health(finding, finding, 1)
    lasts = seen is not None and finding.reason == seen.reason
    again = finding == seen or (lasts and finding.reason != told.reason)
    times = health.times + 1 if again else 1
    return Health(finding if times >= SURE_AFTER else told, finding, times)


def build_good_finding(spec: MetricsProviderSpec) -> Finding:
    """All is well, with what an administrator may not be aware of."""
    message = f"{spec.address} answers"
    if spec.address.startswith("http:"):
        if spec.credentials:
            message += "; the token is sent in the clear, unless something below such as a mesh encrypts: prefer https"
        if spec.tls:
            message += "; spec.tls is not used, since the address is one of http"
    return Finding(reasons.CONFIGURED, message)


def observe_provider_status(raw: dict[str, Any]) -> MetricsProviderStatus:
    """Read the status of a raw object; one that makes no sense counts as none."""
    try:
        return MetricsProviderStatus.model_validate(raw.get("status") or {})
    except ValidationError:
        return MetricsProviderStatus()


def find_ready(status: MetricsProviderStatus, generation: int) -> Condition | None:
    """What the condition Ready says about this generation, if anything."""
    found = (one for one in status.conditions if one.type == reasons.READY)
    return next((one for one in found if one.observed_generation == generation), None)


def build_provider_status(
    old: MetricsProviderStatus, generation: int, finding: Finding, now: datetime
) -> MetricsProviderStatus:
    """The status that tells a finding; equal to the old one if that tells it already."""
    wanted = [(reasons.READY, Check("True" if finding.is_good else "False", finding.reason, finding.message))]
    if finding.reason in NEEDS_A_PERSON:
        wanted.append((reasons.STALLED, Check("True", finding.reason, finding.message)))
    told = keep_conditions(old.conditions, wanted, generation, now)
    others = tuple(one for one in old.conditions if one.type not in (reasons.READY, reasons.STALLED))
    return MetricsProviderStatus(observed_generation=generation, conditions=(*told, *others))
