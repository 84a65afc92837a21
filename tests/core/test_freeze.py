"""Freeze windows: nothing starts or advances in one, everything that leads back does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from serinus.api.presets import ResolvedFreeze
from serinus.core.freeze import find_freeze
from serinus.core.judge import Verdict
from tests.core.test_approval import STEPS, serving
from tests.core.world import World, judged, spec

WEEKEND = ResolvedFreeze("0 17 * * 5", timedelta(hours=63), ZoneInfo("Europe/Paris"))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-11-27T15:59:59", None),
        ("2026-11-27T16:00:00", "2026-11-30T07:00:00"),
        ("2026-11-30T06:59:59", "2026-11-30T07:00:00"),
        ("2026-11-30T07:00:00", None),
        # In summer 17:00 in Paris is an hour earlier.
        ("2026-07-03T15:00:00", "2026-07-06T06:00:00"),
        ("2026-07-03T14:59:00", None),
    ],
)
def test_a_window_begins_by_the_clock_of_its_zone_and_includes_its_first_moment(now: str, until: str | None) -> None:
    found = find_freeze((WEEKEND,), at(now))
    assert (found and found.until) == (until and at(until))


def test_windows_that_touch_are_one() -> None:
    first = ResolvedFreeze("0 10 * * *", timedelta(hours=2), ZoneInfo("UTC"))
    second = ResolvedFreeze("0 12 * * *", timedelta(hours=1), ZoneInfo("UTC"))
    found = find_freeze((second, first), at("2026-11-24T11:00:00"))
    assert found is not None
    assert (found.cron, found.until) == ("0 10 * * *", at("2026-11-24T13:00:00"))


def test_a_window_that_never_ends_is_found_out() -> None:
    always = ResolvedFreeze("0 * * * *", timedelta(hours=2), ZoneInfo("UTC"))
    found = find_freeze((always,), at("2026-11-24T11:30:00"))
    assert found is not None
    assert found.until is None


def frozen(cron: str, duration: str) -> dict[str, object]:
    return {**STEPS, "freeze": [{"cron": cron, "duration": duration}]}


def test_no_rollout_starts_in_a_freeze_and_it_starts_by_itself_at_the_end() -> None:
    world = serving()
    new = world.apply("m:2", rollout=frozen("0 10 * * *", "10m"))
    plan = world.settle()
    assert plan.wake_at == world.now.replace(minute=10)
    assert world.ready() == ("False", "Frozen")
    assert new not in world.workloads, "pods that may not serve cost nothing"
    world.run(700)
    assert world.status.stable is not None
    assert world.status.stable.revision == new


def test_a_rollout_under_way_stands_still_and_is_judged_all_the_while() -> None:
    world = serving()
    new = world.apply("m:2", rollout=frozen("1 10 * * *", "1h"))
    world.now = world.now + timedelta(seconds=45)
    world.run(120)
    assert world.ready() == ("False", "Frozen")
    assert world.status.candidate is not None
    weight = world.status.candidate.weight
    assert 0 < weight < 100
    world.run(600, step=10)
    assert world.status.candidate.weight == weight
    world.judge = lambda world: judged(Verdict.BAD)
    world.settle()
    assert world.ready() == ("False", "RolledBack")
    assert world.route.weights.get(new, 0) == 0


def test_undo_goes_through_a_freeze() -> None:
    world = serving()
    old = world.wanted
    new = world.apply("m:2")
    world.run(120)
    world.spec = world.spec.model_copy(update={"rollout": spec(rollout=frozen("0 10 * * *", "5h")).rollout})
    world.command = f"undo {new}"
    world.run(60)
    assert world.status.stable is not None
    assert world.status.stable.revision == old


def test_a_first_revision_is_not_held_back() -> None:
    world = World(spec(rollout=frozen("0 10 * * *", "5h")))
    world.settle()
    assert world.ready() == ("True", "Serving")


def test_a_freeze_without_end_asks_for_a_person() -> None:
    world = serving()
    world.apply("m:2", rollout=frozen("0 * * * *", "2h"))
    world.settle()
    assert world.condition("Stalled") == "Frozen"
    assert world.status.stable is not None
    assert world.route.weights == {world.status.stable.revision: 100}
    message = next(c.message for c in world.status.conditions if c.type == "Ready")
    assert "no end within a year: shorten its duration" in message


def test_a_candidate_waits_for_the_end_of_a_freeze_without_a_write() -> None:
    world = serving()
    world.apply("m:2", rollout=frozen("0 10 * * *", "10h"))
    world.settle()
    writes = world.status_writes
    world.run(3600, step=60)
    assert world.status_writes == writes
    assert replace(world.snapshot()).status == world.status
