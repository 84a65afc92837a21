"""Who has agreed to a candidate, and whether that is enough.

An approval is bound to one run and to one digest, and is worth as much as the proof that its author made it
(the chart's admission policies). It must be made after the gates have spoken: who agrees beforehand has not seen what
he agrees to. It must be made before the request expires; the operator may count it later. Rejecting is never held back:
anybody who may make a ModelApproval may reject, the requester too."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from serinus.api.meta import format_time, parse_duration, parse_time
from serinus.api.modelapproval import ModelApprovalSpec
from serinus.api.podtemplate import child
from serinus.api.runplan import ApprovalPolicy
from serinus.api.runstatus import ApprovalRecord

Raw = dict[str, Any]

SKEW: Final = timedelta(seconds=30)
"""How far the API server's clock, which dates approvals to the second, may be behind ours."""
RECORDS: Final = 20


@dataclass(frozen=True)
class Approved:
    """Enough people have agreed."""

    by: tuple[str, ...]


@dataclass(frozen=True)
class Rejected:
    """Somebody said no."""

    by: str
    reason: str


@dataclass(frozen=True)
class Expired:
    """Nobody, or too few, have agreed in time."""

    message: str


@dataclass(frozen=True)
class Waiting:
    """Not enough people have agreed yet."""

    message: str
    expires_at: datetime


@dataclass(frozen=True)
class Ballot:
    """What the approvals come to, and what each of them is worth."""

    outcome: Approved | Rejected | Expired | Waiting
    records: tuple[ApprovalRecord, ...] = ()


@dataclass(frozen=True)
class _Voice:
    name: str
    spec: ModelApprovalSpec
    at: datetime


def count_approvals(
    policy: ApprovalPolicy,
    run_name: str,
    requester: str | None,
    digest: str | None,
    approvals: Iterable[Raw],
    *,
    requested_at: datetime,
    now: datetime,
) -> Ballot:
    """Count the ModelApprovals of a namespace for one candidate. `requester` is who asked for the run, `requested_at`
    when the approval was asked for. ValueError for a digest that is not there: nothing could be bound to it."""
    if digest is None:
        raise ValueError("a candidate without a digest cannot be approved: nothing would say what was approved")
    expires_at = requested_at + parse_duration(policy.expires_after)
    voices = sorted(_read(approvals, run_name), key=lambda voice: (voice.at, voice.name))
    records: list[ApprovalRecord] = []
    agreed: list[str] = []
    rejected: _Voice | None = None
    for voice in voices:
        approver = voice.spec.approver
        problem = _find_problem(voice, digest, requested_at, expires_at)
        if problem is None and voice.spec.decision == "Approve":
            if policy.not_requester and approver == requester:
                problem = f"{approver} asked for the run and may not approve it (approval.notRequester)"
            elif approver in agreed:
                problem = f"{approver} has approved already: one person counts once"
            else:
                agreed.append(approver)
        elif problem is None and rejected is None:
            rejected = voice
        records.append(_record(voice, problem))
    kept = sorted(records, key=lambda one: (not one.counted, one.at, one.name))[:RECORDS]
    wanted = f"run {run_name} and digest {digest}"
    return Ballot(_conclude(policy, agreed, rejected, expires_at, now=now, wanted=wanted), tuple(kept))


def _conclude(
    policy: ApprovalPolicy,
    agreed: list[str],
    rejected: _Voice | None,
    expires_at: datetime,
    *,
    now: datetime,
    wanted: str,
) -> Approved | Rejected | Expired | Waiting:
    if rejected is not None:
        return Rejected(rejected.spec.approver, rejected.spec.reason or "")
    if len(agreed) >= policy.min_approvals:
        return Approved(tuple(agreed))
    so_far = f"{len(agreed)} of {policy.min_approvals} approvals"
    if now >= expires_at:
        return Expired(f"{so_far} by {format_time(expires_at)} (approval.expiresAfter {policy.expires_after})")
    by = f" ({', '.join(agreed)})" if agreed else ""
    return Waiting(f"{so_far}{by}: needs a ModelApproval with {wanted} until {format_time(expires_at)}", expires_at)


def _find_problem(voice: _Voice, digest: str, requested_at: datetime, expires_at: datetime) -> str | None:
    """Why an approval says nothing about this candidate now."""
    if voice.spec.digest != digest:
        return f"it is about {voice.spec.digest}, the candidate is {digest}"
    if voice.at < requested_at.replace(microsecond=0) - SKEW:
        return "it was made before the gates had spoken: look at them, and make another"
    if voice.at >= expires_at:
        return f"it was made after {format_time(expires_at)}, when the request had expired"
    return None


def _read(approvals: Iterable[Raw], run_name: str) -> Iterable[_Voice]:
    """The approvals of a run that can be read and are not on their way out: taking one back is a right."""
    for raw in approvals:
        metadata = child(raw, "metadata")
        if child(raw, "spec").get("run") != run_name or metadata.get("deletionTimestamp") is not None:
            continue
        try:
            spec = ModelApprovalSpec.model_validate(raw["spec"])
            at = parse_time(metadata.get("creationTimestamp"))
        except (ValidationError, ValueError):
            continue
        if at is not None:
            yield _Voice(str(metadata.get("name")), spec, at)


def _record(voice: _Voice, problem: str | None) -> ApprovalRecord:
    return ApprovalRecord(
        name=voice.name,
        approver=voice.spec.approver,
        decision=voice.spec.decision,
        at=voice.at,
        counted=problem is None,
        message=problem or voice.spec.reason or "",
    )
