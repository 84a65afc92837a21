"""Who agrees is bound to one run and one digest, counts once, and cannot have asked for it himself."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.api.meta import format_time
from serinus.api.runplan import ApprovalPolicy
from serinus.core.retrain.approval import Approved, Ballot, Expired, Rejected, Waiting, count_approvals
from tests.core.retrain.build import CANDIDATE, CHAMPION, NOW, RUN

Raw = dict[str, Any]


def approval(by: str, minutes: float = 1, name: str = "", **spec: Any) -> Raw:
    """A ModelApproval that was made that many minutes after it was asked for."""
    return {
        "metadata": {"name": name or f"{by}-{minutes:g}", "creationTimestamp": at(minutes)},
        "spec": {"run": RUN, "digest": CANDIDATE, "decision": "Approve", "approver": by, **spec},
    }


def at(minutes: float) -> str:
    """As the API server writes it: to the second."""
    return f"{format_time(NOW + timedelta(minutes=minutes))[:19]}Z"


def count(*approvals: Raw, minutes: float = 60, digest: str | None = CANDIDATE, **policy: Any) -> Ballot:
    return count_approvals(
        ApprovalPolicy.model_validate({"required": "Always", "minApprovals": 1, "expiresAfter": "72h", **policy}),
        RUN,
        "rita",
        digest,
        approvals,
        requested_at=NOW,
        now=NOW + timedelta(minutes=minutes),
    )


def notes(ballot: Ballot) -> dict[str, tuple[bool, str]]:
    return {one.approver: (one.counted, one.message) for one in ballot.records}


def test_enough_people_are_enough() -> None:
    assert count(approval("ada")).outcome == Approved(("ada",))
    assert count(approval("bob", 2), approval("ada", 1), minApprovals=2).outcome == Approved(("ada", "bob"))


def test_who_waits_is_told_for_what() -> None:
    outcome = count(approval("ada"), minApprovals=2).outcome
    assert isinstance(outcome, Waiting)
    assert outcome.expires_at == NOW + timedelta(hours=72)
    assert outcome.message == (
        f"1 of 2 approvals (ada): needs a ModelApproval with run {RUN} and digest {CANDIDATE}"
        " until 2026-11-26T10:00:00.000Z"
    )


def test_one_person_counts_once() -> None:
    ballot = count(approval("ada", 1), approval("ada", 2), minApprovals=2)
    assert isinstance(ballot.outcome, Waiting)
    assert notes(ballot)["ada"] == (False, "ada has approved already: one person counts once")
    assert [one.counted for one in ballot.records] == [True, False]


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        (approval("ada", digest=CHAMPION), f"it is about {CHAMPION}, the candidate is {CANDIDATE}"),
        (approval("rita"), "rita asked for the run and may not approve it"),
        (approval("ada", -5), "it was made before the gates had spoken"),
        (approval("ada", 60 * 72), "when the request had expired"),
    ],
)
def test_what_does_not_count_says_why(given_: Raw, message: str) -> None:
    ballot = count(given_)
    assert isinstance(ballot.outcome, Waiting)
    counted, why = notes(ballot)[given_["spec"]["approver"]]
    assert not counted
    assert message in why


def test_another_run_and_what_cannot_be_read_are_no_approvals() -> None:
    bad = [
        approval("ada", run="fraud-00000000"),
        {"metadata": {"name": "a", "creationTimestamp": at(1)}, "spec": {"run": RUN}},
        {"metadata": {"name": "b"}, "spec": approval("ada")["spec"]},
        {"metadata": {"name": "c", "creationTimestamp": "yesterday"}, "spec": approval("ada")["spec"]},
        {},
    ]
    assert count(*bad).records == ()


def test_an_approval_that_is_taken_back_does_not_count() -> None:
    withdrawn = approval("ada")
    withdrawn["metadata"]["deletionTimestamp"] = at(2)
    assert isinstance(count(withdrawn).outcome, Waiting)


def test_one_rejection_is_enough_and_the_requester_may_give_it() -> None:
    no = approval("rita", 3, decision="Reject", reason="the eu slice is too small")
    ballot = count(approval("ada"), no)
    assert ballot.outcome == Rejected("rita", "the eu slice is too small")
    assert notes(ballot)["rita"] == (True, "the eu slice is too small")
    assert count(approval("ada", 1), approval("ada", 2, decision="Reject")).outcome == Rejected("ada", "")


def test_a_rejection_of_another_digest_rejects_nothing() -> None:
    assert count(approval("ada"), approval("bob", digest=CHAMPION, decision="Reject")).outcome == Approved(("ada",))


def test_the_requester_may_approve_where_the_policy_says_so() -> None:
    assert count(approval("rita"), notRequester=False).outcome == Approved(("rita",))


def test_nobody_in_time_is_no() -> None:
    late = count(approval("ada"), minutes=60 * 72, minApprovals=2).outcome
    assert late == Expired("1 of 2 approvals by 2026-11-26T10:00:00.000Z (approval.expiresAfter 72h)")


def test_who_agreed_in_time_counts_although_nobody_looked() -> None:
    assert count(approval("ada", 10), minutes=60 * 100).outcome == Approved(("ada",))


def test_a_time_to_the_second_is_not_before_the_request() -> None:
    ballot = count_approvals(
        ApprovalPolicy(),
        RUN,
        None,
        CANDIDATE,
        [approval("ada", 0)],
        requested_at=NOW + timedelta(milliseconds=900),
        now=NOW + timedelta(seconds=2),
    )
    assert ballot.outcome == Approved(("ada",))


def test_a_candidate_without_a_digest_cannot_be_approved() -> None:
    with pytest.raises(ValueError, match="without a digest"):
        count(approval("ada"), digest=None)


def test_the_record_stays_small_and_keeps_who_counted() -> None:
    noise = [approval("rita", index / 60, name=f"n{index:03}") for index in range(100)]
    ballot = count(*noise, approval("ada", 59))
    assert len(ballot.records) == 20
    assert ballot.records[0].approver == "ada"


VOICES = st.lists(
    st.builds(
        approval,
        st.sampled_from(["ada", "bob", "rita"]),
        st.floats(-10, 60 * 80),
        st.uuids().map(str),
        run=st.sampled_from([RUN, "other-1a2b3c4d"]),
        digest=st.sampled_from([CANDIDATE, CHAMPION]),
        decision=st.sampled_from(["Approve", "Reject"]),
    ),
    max_size=8,
)


@given(VOICES, st.integers(1, 3), st.randoms())
def test_no_mixture_of_voices_approves_what_was_not_approved(voices: list[Raw], quorum: int, random: Any) -> None:
    ballot = count(*voices, minApprovals=quorum)
    shuffled = list(voices)
    random.shuffle(shuffled)
    assert count(*shuffled, minApprovals=quorum) == ballot, "the order of a list must not matter"
    if isinstance(ballot.outcome, Approved):
        said = {v["spec"]["approver"] for v in voices if v["spec"]["digest"] == CANDIDATE and v["spec"]["run"] == RUN}
        assert set(ballot.outcome.by) <= said - {"rita"}
        assert len(set(ballot.outcome.by)) >= quorum
