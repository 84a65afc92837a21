"""A status with much to say is cut to its size, and keeps what decides."""

from datetime import timedelta
from typing import Any

from serinus.api.meta import Condition
from serinus.api.retrainstatus import Quarantined, RetrainPolicyStatus
from serinus.core.retrain.decision import decide_start
from serinus.core.retrain.fit import LARGEST, fit_status, measure_status
from serinus.core.retrain.standing import Standing, Start
from tests.core.retrain.world import HOUR, METRIC, START, World, reading, spec


def crowded(count: int, held: int) -> tuple[World, RetrainPolicyStatus]:
    """Everything fires, everything waits, everything has much to say."""
    triggers = [{"name": f"quality-of-slice-{n:02d}", "metric": METRIC | {"query": "q" * 300}} for n in range(count)]
    world = World(spec(*triggers, mode="Recommend"))
    for _ in range(2):
        world.look(**{one["name"]: reading(0.8, world.now, samples=12345.0) for one in triggers})
        world.now += timedelta(hours=1)
    world.now -= timedelta(hours=1)
    about: dict[str, Any] = {"at": START, "reason": "CanaryRolledBack", "evidence": "e" * 256, "run": "fraud-1a2b3c4d"}
    status = RetrainPolicyStatus(
        triggers=world.states,
        pending_run=world.pending,
        quarantined=tuple(Quarantined(digest=f"sha256:{n:064x}", **about) for n in range(held)),
        handled_keys=tuple(f"{n:016x}" for n in range(64)),
        conditions=tuple(
            Condition(type=f"C{n}", status="True", reason="R" * 20, message="m" * 400, last_transition_time=START)
            for n in range(8)
        ),
        recommendation="r" * 400,
    )
    return world, status


def test_a_usual_status_is_left_alone() -> None:
    _, status = crowded(3, 1)
    status = status.model_copy(update={"conditions": status.conditions[:4]})
    assert fit_status(status) == status


def test_a_long_status_fits_and_decides_the_same() -> None:
    world, status = crowded(8, 3)
    assert measure_status(status) > LARGEST
    short = fit_status(status)
    assert measure_status(short) <= LARGEST
    assert fit_status(short) == short, "written once"
    assert short.pending_run is not None
    assert [one.state for one in short.triggers] == ["Firing"] * 8
    assert [one.digest for one in short.quarantined] == [one.digest for one in status.quarantined]
    automatic = world.spec.model_copy(update={"mode": "Automatic"})
    start = decide_start(Standing("f", "n", automatic, short.triggers, (), world.now + HOUR, short.pending_run))
    assert isinstance(start, Start)
    assert len(start.reasons) == 8
    assert all(one.value == "0.8" and one.window_end is not None for one in start.reasons)


def test_the_longest_status_that_there_can_be_is_as_short_as_can_be() -> None:
    _, status = crowded(16, 20)
    short = fit_status(status)
    assert measure_status(short) < 16_000
    assert len(short.quarantined) == 20
