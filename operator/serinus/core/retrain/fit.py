"""The statuses of RetrainPolicy and RetrainRun, kept under 8 KiB: with many triggers, gates, reasons and held digests,
words go that stand elsewhere too. States, numbers and digests never do, so that sixteen triggers which all fire, with
twenty digests held, take nearly twice as much."""

import json
from collections.abc import Iterator
from typing import Any, Final

from serinus.api.retrainstatus import RetrainPolicyStatus
from serinus.api.runstatus import RetrainRunStatus

LARGEST: Final = 8_000
"""Bytes of JSON."""
_LET_PASS: Final = frozenset({"Passed", "Skipped", "Running"})
_ACTED_ON: Final = frozenset({"Firing", "Pending", "Latched"})


def fit_status(status: RetrainPolicyStatus) -> RetrainPolicyStatus:
    """`status` with as many words as there is room for."""
    return next((one for one in _shorter_and_shorter(status) if measure_status(one) <= LARGEST), _barest(status))


def measure_status(status: RetrainPolicyStatus | RetrainRunStatus) -> int:
    """Bytes of JSON that a status takes."""
    return len(json.dumps(status.dump(), ensure_ascii=False, separators=(",", ":")).encode())


def fit_run_status(status: RetrainRunStatus) -> RetrainRunStatus:
    """The same for a run: words of gates that let it pass go first, then those of people, then its own."""
    room = ((256, 256, 1024), (96, 128, 1024), (0, 64, 512), (0, 0, 256))
    cuts = (_cut_run(status, *one) for one in room)
    return next((one for one in (status, *cuts) if measure_status(one) <= LARGEST), _cut_run(status, *room[-1]))


def _cut_run(status: RetrainRunStatus, passed: int, told: int, own: int) -> RetrainRunStatus:
    gates = tuple(
        one.model_copy(update={"message": _cut(one.message, passed if one.verdict in _LET_PASS else told)})
        for one in status.gates
    )
    approvals = tuple(one.model_copy(update={"message": _cut(one.message, told)}) for one in status.approvals)
    conditions = tuple(one.model_copy(update={"message": _cut(one.message, own)}) for one in status.conditions)
    promotion = status.promotion
    if promotion is not None and promotion.message is not None:
        promotion = promotion.model_copy(update={"message": _cut(promotion.message, own)})
    message = _cut(status.message, own) if status.message is not None else None
    update = {"gates": gates, "approvals": approvals, "conditions": conditions, "promotion": promotion}
    return status.model_copy(update=update | {"message": message})


def _shorter_and_shorter(status: RetrainPolicyStatus) -> Iterator[RetrainPolicyStatus]:
    yield status
    status = _cut_pending(status, bare=False)
    yield status
    for at_rest, acted_on, evidence in ((0, 256, 128), (0, 96, 64), (0, 48, 32), (0, 0, 0)):
        status = _cut_words(status, at_rest, acted_on, evidence)
        yield status
    yield _cut_pending(status, bare=True)


def _barest(status: RetrainPolicyStatus) -> RetrainPolicyStatus:
    status = _cut_pending(_cut_words(status, 0, 0, 0), bare=True)
    conditions = tuple(one.model_copy(update={"message": _cut(one.message, 128)}) for one in status.conditions)
    told = {"conditions": conditions, "recommendation": _cut(status.recommendation or "", 128) or None}
    return status.model_copy(update=told)


def _cut_words(status: RetrainPolicyStatus, at_rest: int, acted_on: int, evidence: int) -> RetrainPolicyStatus:
    """Messages of triggers, by whether somebody may have to act on them, and the evidence against held digests."""
    triggers = tuple(
        one.model_copy(
            update={"message": _cut(one.message, acted_on if one.state in _ACTED_ON or one.reason else at_rest)}
        )
        for one in status.triggers
    )
    held = tuple(one.model_copy(update={"evidence": _cut(one.evidence, evidence)}) for one in status.quarantined)
    return status.model_copy(update={"triggers": triggers, "quarantined": held})


def _cut_pending(status: RetrainPolicyStatus, *, bare: bool) -> RetrainPolicyStatus:
    """Reasons without their sentences, but for that of a person; `bare` without the numbers that the trigger has."""
    if status.pending_run is None:
        return status
    firing = {one.name for one in status.triggers if one.state == "Firing"}
    reasons = []
    for one in status.pending_run.reasons:
        update: dict[str, Any] = {} if one.by is not None else {"message": None}
        if bare and one.trigger in firing:
            update |= dict.fromkeys(("value", "threshold", "samples", "window_end"))
        reasons.append(one.model_copy(update=update))
    pending = status.pending_run.model_copy(update={"reasons": tuple(reasons)})
    return status.model_copy(update={"pending_run": pending})


def _cut(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    return f"{text[: length - 1]}…" if length else ""
