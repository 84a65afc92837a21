"""What asks for a run, what keeps it from starting, and what is the cheaper cure."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serinus.api.retrainpolicy import BudgetSpec, CooldownSpec, HistoryLimits
from serinus.api.retrainstatus import TriggerState
from serinus.core.retrain.commands import Cancel, ReleaseDigest, Retrain, Wrong, parse_command, read_command
from serinus.core.retrain.decision import count_suppressed, decide_start
from serinus.core.retrain.events import Event, take_event
from serinus.core.retrain.groups import build_summary, fired_groups
from serinus.core.retrain.reading import Unknown
from serinus.core.retrain.records import (
    RunRecord,
    budget_state,
    find_active,
    find_cooldown,
    list_history,
    observe_run,
)
from serinus.core.retrain.standing import Hold, Nothing, Rollback, Served, Standing, Start
from tests.core.retrain.world import DRIFT, HOUR, METRIC, MINUTE, START, TEMPLATE, World, reading, spec

QUALITY = {"name": "quality", "metric": METRIC}
DRIFTS = {"name": "drift", "metric": DRIFT}
WEEKLY = {"name": "weekly", "schedule": {"cron": "0 3 * * 1"}}
REGISTRY = {"name": "registry", "event": {"type": "model_version.created", "source": "mlflow"}}


def firing(world: World, *, bad: float = 0.8) -> Any:
    """Look until quality fires."""
    decision: Any = None
    for _ in range(2):
        decision = world.look(quality=reading(bad, world.now))
        world.now += HOUR
    world.now -= HOUR
    return decision


def state(name: str, now: str = "Firing", reason: str = "") -> TriggerState:
    return TriggerState(name=name, state=now, reason=reason)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("triggers", "policy", "fires", "groups"),
    [
        ([QUALITY], None, ["quality"], [("quality",)]),
        ([DRIFTS], None, ["drift"], [("drift",)]),
        ([QUALITY, DRIFTS], None, ["drift"], []),
        ([QUALITY, DRIFTS], None, ["drift", "quality"], [("quality",)]),
        ([QUALITY, DRIFTS, WEEKLY], None, ["weekly"], [("weekly",)]),
        ([QUALITY, DRIFTS], [["drift", "quality"]], ["quality"], []),
        ([QUALITY, DRIFTS], [["drift", "quality"]], ["quality", "drift"], [("drift", "quality")]),
        ([QUALITY, DRIFTS], [["drift"], ["quality"]], ["drift"], [("drift",)]),
    ],
)
def test_groups(triggers: list[Any], policy: Any, fires: list[str], groups: list[Any]) -> None:
    more = {"triggerPolicy": {"any": policy}} if policy else {}
    assert list(fired_groups(spec(*triggers, **more), [state(name) for name in fires])) == groups


def test_a_trigger_whose_last_look_was_in_vain_starts_nothing() -> None:
    assert fired_groups(spec(QUALITY), [state("quality", reason="Unreachable")]) == ()
    world = World(spec(QUALITY, budget={"maxRuns": 1}))
    world.runs = (RunRecord("r", 1, START - HOUR, "Failed", finished_at=START - MINUTE),)
    assert isinstance(firing(world), Hold)
    world.now += 200 * HOUR
    assert isinstance(world.look(quality=reading(Unknown("NoData", "gone"), world.now)), Nothing)
    assert isinstance(world.look(quality=reading(0.8, world.now)), Start)


def test_all_that_fires_is_a_reason_and_is_answered() -> None:
    world = World(spec(QUALITY, {"name": "drift", "metric": DRIFT | {"consecutiveWindows": 2}}))
    decision: Any = None
    for _ in range(2):
        seen = {"quality": reading(0.8, world.now), "drift": reading(0.4, world.now, samples=5000.0)}
        decision = world.look(**seen)
        world.now += HOUR
    assert isinstance(decision, Start)
    assert [one.trigger for one in decision.reasons] == ["quality", "drift"]
    first = decision.reasons[0]
    assert (first.value, first.threshold, first.first_bad_at) == ("0.8", "0.9", START)
    assert first.message is not None
    assert "model_quality" in first.message
    assert {one.state for one in world.states} == {"Latched"}


def test_a_latched_trigger_asks_again_only_after_it_has_cleared() -> None:
    world = World(spec(), outcome="Succeeded")
    firing(world)
    for value in [0.8] * 100 + [0.95]:
        world.now += HOUR
        world.look(quality=reading(value, world.now))
    assert len(world.starts) == 1
    for value in [0.95, 0.8, 0.8]:
        world.now += HOUR
        world.look(quality=reading(value, world.now))
    assert len(world.starts) == 2


def test_after_a_run_in_vain_it_asks_again_and_the_pauses_grow() -> None:
    world = World(spec())
    firing(world)
    for _ in range(30 * 24):
        world.now += HOUR
        world.look(quality=reading(0.8, world.now))
    gaps = [(b - a) / HOUR - 1 for a, b in zip(world.starts, world.starts[1:], strict=False)]
    assert gaps[:7] == [1, 2, 4, 8, 16, 32, 64]
    assert set(gaps[7:]) == {72}
    assert world.state().state in ("Firing", "Latched")


@pytest.mark.parametrize(
    ("changes", "waits_for", "says"),
    [
        ({"suspend": True}, "Suspended", "spec.suspend"),
        ({"mode": "Recommend"}, "Recommended", 'serinus.dev/command="retrain '),
        (
            {"blackouts": [{"cron": "0 0 * * *", "duration": "5h"}]},
            "Blackout",
            "until 2026-11-02 05:00:00Z",
        ),
        ({"budget": {"maxAcceleratorHours": 1}}, "BudgetExhausted", "one run may take 2 accelerator-hours (2 for 1h)"),
    ],
)
def test_what_stands_in_the_way_is_told(changes: dict[str, Any], waits_for: str, says: str) -> None:
    world = World(spec(**changes), about={"accelerators": 2})
    hold = firing(world)
    assert isinstance(hold, Hold)
    assert (hold.waits_for, world.pending and world.pending.waits_for) == (waits_for, waits_for)
    assert says in hold.message
    assert world.state().state == "Firing"


def test_a_blackout_of_promotions_holds_no_training() -> None:
    assert isinstance(
        firing(World(spec(blackouts=[{"cron": "0 0 * * *", "duration": "5h", "holds": ["Promotion"]}]))), Start
    )


def test_mode_observe_says_what_it_would_do_and_starts_nothing() -> None:
    decision = firing(World(spec(mode="Observe")))
    assert decision == Nothing("would train the model anew because of quality")


def test_cooldown_after_success_and_its_end() -> None:
    world = World(spec(), runs=(RunRecord("r", 1, START, "Succeeded", finished_at=START),))
    hold = firing(world)
    assert isinstance(hold, Hold)
    assert (hold.waits_for, hold.until) == ("Cooldown", START + 24 * HOUR)
    world.now = START + 24 * HOUR
    assert isinstance(world.look(quality=reading(0.8, world.now)), Start)


def test_the_same_data_and_code_are_not_trained_on_again() -> None:
    trained = RunRecord(
        "r", 1, START - 99 * HOUR, "Rejected", finished_at=START - 98 * HOUR, snapshot="s7", template_digest="t"
    )
    world = World(spec(), runs=(trained,), about={"snapshot": "s7", "template_digest": "t"})
    hold = firing(world)
    assert isinstance(hold, Hold)
    assert (hold.waits_for, hold.until) == ("SameSnapshot", None)
    for change in ({"snapshot": "s8"}, {"template_digest": "u"}, {"snapshot": None}):
        standing = Standing("f", "n", world.spec, world.states, world.runs, world.now, **(world.about | change))
        assert isinstance(decide_start(standing), Start), change


def test_forbid_passes_over_what_happened_and_keeps_what_is_so() -> None:
    world = World(spec(QUALITY, WEEKLY), takes=99 * HOUR)
    firing(world)
    world.now = START + 3 * HOUR
    hold = world.look()
    assert isinstance(hold, Hold)
    assert (hold.waits_for, hold.passed_over) == ("ConcurrencyForbid", ("weekly",))
    assert world.state("weekly").state == "Clear"
    assert world.pending is None, "nothing is left that asks"


def test_queue_makes_one_run_of_all_that_came_up() -> None:
    world = World(spec(WEEKLY, REGISTRY, concurrencyPolicy="Queue"), takes=10 * HOUR, outcome="Succeeded")
    world.runs = (RunRecord("r", 1, START, "Training"),)
    for number in range(3):
        event = Event("model_version.created", f"v{number}", "mlflow")
        world.states = take_event(world.spec.triggers, world.states, (), event, world.now).states
        world.now += HOUR
        assert isinstance(world.look(), Hold)
    assert world.pending is not None
    assert (world.pending.waits_for, world.pending.since) == ("QueuedBehind", START + HOUR)
    assert [one.trigger for one in world.pending.reasons] == ["registry", "weekly"]
    for _ in range(100):
        world.now += HOUR
        world.look()
    assert world.starts == [START + 10 * HOUR + 24 * HOUR], "after the cooldown"


def test_a_queued_run_is_dropped_when_nothing_asks_for_it_any_more() -> None:
    world = World(spec(concurrencyPolicy="Queue"), takes=5 * HOUR, outcome="Succeeded")
    world.runs = (RunRecord("r", 1, START, "Training"),)
    assert isinstance(firing(world), Hold)
    for _ in range(2):
        world.now += HOUR
        decision = world.look(quality=reading(0.95, world.now))
    assert isinstance(decision, Nothing)
    assert world.pending is None


def test_replace_cancels_what_is_ripe_and_takes_over_its_reasons() -> None:
    world = World(spec(QUALITY, REGISTRY, concurrencyPolicy="Replace"), takes=99 * HOUR)
    firing(world)
    event = Event("model_version.created", "v1", "mlflow")
    world.states = take_event(world.spec.triggers, world.states, (), event, world.now).states
    world.now += 10 * MINUTE
    hold = world.look()
    assert isinstance(hold, Hold)
    assert (hold.waits_for, hold.until) == ("Cooldown", START + 2 * HOUR)
    world.now += 50 * MINUTE
    start = world.look()
    assert isinstance(start, Start)
    assert (start.replaces, {one.trigger for one in start.reasons}) == ("fraud-1", {"quality", "registry"})
    world.runs = (replace(world.runs[-1], phase="Promoting"),)
    world.states = take_event(world.spec.triggers, world.states, (), event, world.now).states
    world.now += 2 * HOUR
    assert isinstance(world.look(), Hold), "what is being released is not replaced"


SERVED = Served("fraud-b", since=START - HOUR, previous="fraud-a")


def test_a_degradation_that_began_with_a_release_is_taken_back() -> None:
    world = World(spec(), about={"served": SERVED})
    decision = firing(world)
    assert isinstance(decision, Rollback)
    assert (decision.revision, decision.to) == ("fraud-b", "fraud-a")
    assert "quality was bad first in the window up to 2026-11-02 00:00:00Z" in decision.message
    assert "fraud-b is stable since 2026-11-01 23:00:00Z, blameWindow is 2h" in decision.message


@pytest.mark.parametrize(
    ("served", "changes", "about"),
    [
        (replace(SERVED, since=START - 4 * HOUR), {}, {}),
        (replace(SERVED, since=START + HOUR / 2), {}, {}),
        (replace(SERVED, previous=None), {}, {}),
        (replace(SERVED, returned=True), {}, {}),
        (SERVED, {"actionOrder": ["Retrain", "Rollback"]}, {}),
        (SERVED, {"actionOrder": ["Retrain"]}, {}),
        (SERVED, {}, {"rolled_back": "fraud-b"}),
        (SERVED, {}, {"releasing": True}),
        (SERVED, {"triggers": [{"name": "quality", "metric": METRIC | {"signal": "Drift", **DRIFT}}]}, {}),
    ],
    ids=[
        "too long ago",
        "bad before",
        "nothing earlier",
        "a return",
        "order",
        "no rollback",
        "twice",
        "moving",
        "drift",
    ],
)
def test_what_is_not_to_blame_is_trained(served: Served, changes: dict[str, Any], about: dict[str, Any]) -> None:
    world = World(spec(**({"blameWindow": "2h"} | changes)), about={"served": served, **about})
    if "triggers" in changes:
        for _ in range(3):
            decision = world.look(quality=reading(0.5, world.now, samples=5000.0))
            world.now += HOUR
    else:
        decision = firing(world)
    assert isinstance(decision, Start)


def test_a_rollback_waits_for_nothing_but_suspend() -> None:
    shut = {"budget": {"maxRuns": 1}, "blackouts": [{"cron": "0 0 * * *", "duration": "9h"}]}
    runs = (RunRecord("r", 1, START, "Failed", finished_at=START),)
    assert isinstance(firing(World(spec(**shut), runs=runs, about={"served": SERVED})), Rollback)
    hold = firing(World(spec(suspend=True), about={"served": SERVED}))
    assert isinstance(hold, Hold)
    assert hold.waits_for == "Suspended"
    advice = firing(World(spec(mode="Recommend"), about={"served": SERVED}))
    assert isinstance(advice, Hold)
    assert 'serinus.dev/command="undo fraud-b"' in advice.message


ASKED = Retrain("k1", "the bank holiday", "ann")


@pytest.mark.parametrize("mode", ["Observe", "Recommend", "Automatic"])
def test_a_person_ignores_mode_and_cooldown_and_same_data(mode: str) -> None:
    last = RunRecord("r", 1, START - HOUR, "Succeeded", finished_at=START - MINUTE, snapshot="s", template_digest="t")
    world = World(spec(mode=mode), runs=(last,), about={"snapshot": "s", "template_digest": "t", "served": SERVED})
    start = world.look(command=ASKED)
    assert isinstance(start, Start)
    assert start.requester == "ann"
    assert (start.reasons[0].trigger, start.reasons[0].message) == (
        "command",
        "asked for by command k1: the bank holiday",
    )


@pytest.mark.parametrize(
    ("changes", "runs", "says"),
    [
        ({"suspend": True}, (), "spec.suspend is set"),
        ({}, (RunRecord("r", 1, START, "Training"),), "r is under way and concurrencyPolicy is Forbid"),
        ({"budget": {"maxRuns": 1}}, (RunRecord("r", 1, START, "Failed"),), "there is room again at 2026-11-09"),
    ],
)
def test_a_person_is_refused_what_others_forbid(changes: dict[str, Any], runs: Any, says: str) -> None:
    world = World(spec(**changes), runs=runs)
    decision = world.look(command=ASKED)
    assert not isinstance(decision, Start)
    assert decision.reply is not None
    assert (decision.reply.outcome, says in decision.reply.message) == ("Refused", True)
    assert world.pending is None


def test_a_person_may_go_over_a_budget_that_asks_for_one() -> None:
    runs = (RunRecord("r", 1, START, "Failed", finished_at=START),)
    world = World(spec(budget={"maxRuns": 1, "onExceeded": "RequireApproval"}), runs=runs)
    hold = firing(world)
    assert isinstance(hold, Hold)
    assert "to start it all the same: kubectl annotate" in hold.message
    start = world.look(command=ASKED)
    assert isinstance(start, Start)
    assert [one.trigger for one in start.reasons] == ["command", "quality"], "what fires is answered too"


@pytest.mark.parametrize("policy", ["Queue", "Replace"])
def test_a_command_waits_behind_a_run_or_takes_its_place(policy: str) -> None:
    world = World(spec(concurrencyPolicy=policy), takes=HOUR, runs=(RunRecord("r", 1, START, "Training"),))
    decision = world.look(command=ASKED)
    if policy == "Replace":
        assert isinstance(decision, Start)
        assert decision.replaces == "r"
        return
    assert isinstance(decision, Hold)
    assert decision.reply is not None
    assert decision.reply.outcome == "Accepted"
    world.now += HOUR
    start = world.look()
    assert isinstance(start, Start)
    assert start.requester == "ann"


def test_a_command_waits_for_the_end_of_a_blackout() -> None:
    world = World(spec(blackouts=[{"cron": "0 0 * * *", "duration": "5h"}]))
    assert isinstance(world.look(command=ASKED), Hold)
    world.now += 5 * HOUR
    assert isinstance(world.look(), Start)


def test_a_key_is_good_for_one_run() -> None:
    world = World(spec(), about={"keys": (ASKED.mark,)})
    decision = world.look(command=ASKED)
    assert isinstance(decision, Nothing)
    assert decision.reply is not None
    assert decision.reply.outcome == "Ignored"


def test_commands() -> None:
    assert parse_command("retrain 2026-11 because I say so", "ann") == Retrain("2026-11", "because I say so", "ann")
    assert parse_command("cancel fraud-1a2b3c4d") == Cancel("fraud-1a2b3c4d")
    assert parse_command("release sha256:ab it was the data") == ReleaseDigest("sha256:ab", "it was the data")
    assert parse_command("event model_version.created v7 mlflow") == Event("model_version.created", "v7", "mlflow")
    assert parse_command("event t k") == Event("t", "k")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "verb '' is unknown; known are retrain, cancel, release, event"),
        ("train", "verb 'train' is unknown"),
        ("retrain", "write retrain KEY"),
        ("release sha256:ab", "write release DIGEST REASON"),
        ("event t", "write event TYPE KEY"),
        ("event t k s more", "write event TYPE KEY"),
        (f"cancel {'x' * 300}", "has 300 characters"),
    ],
)
def test_what_is_no_command_says_what_would_be_one(text: str, says: str) -> None:
    wrong = parse_command(text)
    assert isinstance(wrong, Wrong)
    assert says in wrong.message


def test_a_command_is_read_once() -> None:
    from serinus.api.status import LastCommand

    assert read_command("cancel a", LastCommand(text="cancel a")) is None
    assert read_command("cancel a", LastCommand(text="cancel b")) == Cancel("a")
    assert read_command(None, None) is None


@pytest.mark.parametrize("times", [1, 100])
def test_an_event_that_comes_a_hundred_times_is_one(times: int) -> None:
    world = World(spec(REGISTRY), outcome="Succeeded")
    keys: tuple[str, ...] = ()
    outcomes = []
    for _ in range(times):
        taken = take_event(
            world.spec.triggers, world.states, keys, Event("model_version.created", "v7", "mlflow"), world.now
        )
        world.states, keys = taken.states, taken.keys
        outcomes.append(taken.outcome)
        world.look()
        world.now += 26 * HOUR
    assert outcomes == ["Accepted", *["Ignored"] * (times - 1)]
    assert len(world.starts) == 1
    assert all(len(key) == 16 for key in keys)


@pytest.mark.parametrize("event", [Event("model_version.deleted", "k", "mlflow"), Event("model_version.created", "k")])
def test_an_event_that_no_trigger_is_for_is_not_remembered(event: Event) -> None:
    taken = take_event(spec(REGISTRY).triggers, (), (), event, START)
    assert (taken.outcome, taken.keys, taken.states) == ("Ignored", (), ())


def test_cooldown_is_reckoned_from_the_end_and_grows_with_failures_only() -> None:
    cooldown = CooldownSpec.model_validate({"afterSuccess": "24h", "afterFailure": "1h", "factor": 3, "max": "10h"})
    ends = ["Failed", "Cancelled", "RolledBack", "Superseded"]
    runs = tuple(RunRecord(f"r{n}", n, START, end, finished_at=START + n * HOUR) for n, end in enumerate(ends))
    assert find_cooldown(cooldown, ()) is None
    assert find_cooldown(cooldown, runs[:1]) == START + HOUR
    assert find_cooldown(cooldown, runs[:3]) == START + 2 * HOUR + 3 * HOUR
    assert find_cooldown(cooldown, runs) == START + 3 * HOUR + 3 * HOUR
    after = (*runs, RunRecord("r9", 9, START, "Succeeded", finished_at=START + 9 * HOUR))
    assert find_cooldown(cooldown, after) == START + 9 * HOUR + 10 * HOUR, "max is the longest pause of all"


def test_the_budget_counts_what_was_used_and_what_may_be() -> None:
    budget = BudgetSpec.model_validate({"maxRuns": 3, "maxAcceleratorHours": 10, "window": "168h"})
    old = RunRecord("old", 1, START - 200 * HOUR, "Succeeded", used=99 * 3600)
    done = RunRecord("done", 2, START - 100 * HOUR, "Failed", used=2 * 3600)
    queued = RunRecord("queued", 3, START - HOUR, "Queued", accelerators=2, longest=2 * HOUR)
    state = budget_state(budget, (old, done, queued), START, accelerators=2, longest=2 * HOUR)
    assert (state.runs, state.accelerator_seconds) == (2, 6 * 3600)
    assert (state.remaining_runs, state.remaining_accelerator_seconds, state.free_at) == (1, 4 * 3600, None)
    dear = budget_state(budget, (old, done, queued), START, accelerators=4, longest=2 * HOUR)
    assert dear.free_at == START - HOUR + 168 * HOUR, "not before the second one is out, too"
    ahead = RunRecord("ahead", 4, START + 50 * HOUR, "Failed")
    assert budget_state(budget, (ahead,), START).runs == 1, "what a wrong clock wrote counts"


def test_records_go_unless_something_rests_on_them() -> None:
    limits = HistoryLimits(successful=1, failed=1)
    ends = ["Succeeded", "Failed", "RolledBack", "Succeeded", "Succeeded", "Failed", "Failed", "Training"]
    runs = tuple(
        RunRecord(f"r{n}", n, START + n * 24 * HOUR, end, finished_at=START + n * 24 * HOUR, digest=f"d{n}")
        for n, end in enumerate(ends)
    )
    now = START + 30 * 24 * HOUR
    assert list_history(limits, None, runs, now) == ("r0", "r1", "r2", "r3", "r5")
    assert list_history(limits, None, runs, now, held=["d2"], kept=["r3"]) == ("r0", "r1", "r5")
    budget = BudgetSpec.model_validate({"maxRuns": 5, "window": "672h"})
    assert list_history(limits, budget, runs, now) == ("r0", "r1", "r2")


def test_a_run_is_read_from_its_object() -> None:
    raw = {
        "metadata": {"name": "fraud-1a2b3c4d"},
        "spec": {
            "policy": {"name": "fraud", "uid": "u", "generation": 1, "digest": "0" * 64},
            "number": 1,
            "modelDeployment": "fraud",
            "reasons": [{"trigger": "quality", "at": "2026-11-02T00:00:00Z"}],
            "decidedAt": "2026-11-02T00:00:00Z",
            "accelerators": 2,
            "plan": {"template": TEMPLATE, "activeDeadline": "4h"},
            "templateDigest": "1" * 64,
        },
        "status": {"phase": "Rejected", "model": {"uri": "models:/f/1", "digest": "sha256:ab", "snapshot": "s7"}},
    }
    read = observe_run(raw)
    run = read.record if read is not None else None
    assert run is not None
    assert (run.name, run.is_over, run.longest, run.snapshot) == ("fraud-1a2b3c4d", True, 4 * HOUR, "s7")
    assert observe_run({"spec": {}}) is None


def test_what_kept_a_run_from_starting_is_counted_once_for_each_time() -> None:
    world = World(spec(mode="Recommend"))
    counts: Any = ()
    for _ in range(10):
        before = world.pending
        decision = world.look(quality=reading(0.8, world.now))
        counts = count_suppressed(counts, before, decision)
        world.now += HOUR
    assert [(one.reason, one.count) for one in counts] == [("Recommended", 1)]


def test_the_columns_show_the_trigger_that_is_nearest_to_firing() -> None:
    states = [state("a", "Clear"), state("b", "Latched"), state("c", "Pending"), state("d", "Unknown")]
    summary = build_summary(states)
    assert summary is not None
    assert (summary.name, summary.state) == ("c", "Pending")
    assert build_summary([]) is None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from([0.5, 0.8, 0.8, 0.8, 0.91, 0.95]) | st.just(Unknown("NoData", "")), min_size=1, max_size=10
    ),
    st.integers(1, 4),
    st.sampled_from(["Failed", "Succeeded", "Rejected", "Cancelled"]),
    st.sampled_from(["Forbid", "Queue"]),
    st.lists(st.sampled_from([1, 1, 1, 1, 5, 60, -30]), min_size=1, max_size=10),
)
def test_whatever_fires_runs_stay_within_budget_and_apart(
    values: list[Any], most: int, outcome: str, concurrency: str, hours: list[int]
) -> None:
    """Constant, flapping or missing input, clocks that jump ahead and back: never more runs within the window of the
    budget, never sooner than the cooldown after the end of the last one, never two at once."""
    policy = spec(
        budget={"maxRuns": most, "window": "72h"},
        cooldown={"afterSuccess": "6h", "afterFailure": "3h", "factor": 2, "max": "24h"},
        concurrencyPolicy=concurrency,
    )
    world = World(policy, outcome=outcome)
    for number in range(300):
        world.now += hours[number % len(hours)] * HOUR
        active = find_active(world.runs)
        decision = world.look(quality=reading(values[number % len(values)], world.now))
        if isinstance(decision, Start):
            assert active is None or find_active(world.runs) != active
            ended = [one.finished_at for one in world.runs if one.finished_at is not None]
            assert all(world.now >= end + (6 if outcome == "Succeeded" else 3) * HOUR for end in ended)
            assert sum(one.decided_at > world.now - timedelta(hours=72) for one in world.runs) <= most
    if all(isinstance(one, Unknown) for one in values):
        assert world.starts == [], "no data never trains"


def test_a_hold_names_what_it_waits_for() -> None:
    assert isinstance(Hold("Cooldown", START, "x").reasons, tuple)
