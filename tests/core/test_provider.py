"""When a finding about a provider is worth telling."""

from datetime import UTC, datetime

import pytest

from serinus.api.metricsprovider import MetricsProviderStatus
from serinus.core.provider import Finding, Health, build_provider_status, observe_finding

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


@pytest.mark.parametrize(
    ("reason", "types"),
    [
        ("Configured", ["Ready"]),
        ("Unreachable", ["Ready"]),
        ("Timeout", ["Ready"]),
        ("SecretNotReadable", ["Ready"]),
        ("InvalidSpec", ["Ready", "Stalled"]),
        ("Unauthorized", ["Ready", "Stalled"]),
        ("UntrustedCertificate", ["Ready", "Stalled"]),
        ("SecretNotFound", ["Ready", "Stalled"]),
        ("InvalidSecret", ["Ready", "Stalled"]),
    ],
)
def test_it_is_stalled_by_what_a_person_must_put_right_and_by_nothing_else(reason: str, types: list[str]) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    before = build_provider_status(MetricsProviderStatus(), 1, Finding("Unauthorized", "no token"), at)
    status = build_provider_status(before, 2, Finding(reason, "so it is"), at)
    assert [one.type for one in status.conditions] == types
    assert {(one.reason, one.observed_generation) for one in status.conditions} == {(reason, 2)}
    assert build_provider_status(status, 2, Finding(reason, "so it is"), at) == status
