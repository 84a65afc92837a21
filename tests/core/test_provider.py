"""When a finding about a provider is worth telling."""

from serinus.core.provider import Finding, Health, observe_finding

GOOD, BAD = Finding("Configured", "answers"), Finding("Timeout", "slow")


def fold(*findings: Finding) -> Health:
    health = Health()
    for finding in findings:
        health = observe_finding(health, finding)
    return health


def test_the_first_finding_counts_at_once_and_a_change_when_it_lasts() -> None:
    assert fold(BAD).told == BAD
    assert fold(GOOD, BAD, BAD).told == GOOD
    assert fold(GOOD, BAD, BAD, BAD).told == BAD
    assert fold(GOOD, BAD, BAD, GOOD, BAD, BAD).told == GOOD
    assert fold(BAD, GOOD, GOOD, GOOD).told == GOOD


def test_a_message_that_changes_every_time_is_not_told_every_time() -> None:
    changing = [Finding("Throttled", f"in {number}s") for number in range(20)]
    assert fold(GOOD, *changing).told == changing[2]
    assert fold(*changing).told == changing[0]
    other = Finding("Throttled", "for good")
    assert fold(*changing, other, other, other).told == other
