"""Nobody is shown a model before its checks have passed; a check that says nothing is neither good nor bad."""

from dataclasses import replace
from typing import Any

import pytest

from serinus.core.judge import Verdict
from tests.core.test_approval import serving
from tests.core.world import World, judged

JOB = {"template": {"spec": {"containers": [{"name": "check", "image": "checks:1"}]}}}
RECALL = {"recall": {"min": "0.9"}}


def check(name: str = "cases", **changes: Any) -> dict[str, Any]:
    return {"name": name, "job": JOB, "bounds": RECALL, **changes}


def rollout(*checks: dict[str, Any], **more: Any) -> dict[str, Any]:
    steps = [{"weight": 50, "hold": "5s"}]
    return {"steps": steps, "bake": "5s", "drain": "5s", "validation": list(checks), **more}


def end(world: World, name: str, report: str = "", code: int = 0, reason: str = "") -> None:
    state: Any = "Failed" if code or reason else "Succeeded"
    run = world.checks[name]
    world.checks[name] = replace(
        run,
        state=state,
        reason=reason,
        exit_code=None if reason and not code else code,
        report=report,
        ended_at=world.now,
    )


def begin(world: World, name: str) -> None:
    world.checks[name] = replace(world.checks[name], state="Running")


def release(*checks: dict[str, Any], **more: Any) -> tuple[World, str]:
    world = serving()
    new = world.apply("m:2", rollout=rollout(*checks, **more))
    world.settle()
    return world, new


def test_no_traffic_before_the_check_and_all_of_it_after() -> None:
    world, new = release(check())
    assert list(world.checks) == [f"{new}-cases"]
    world.run(60)
    assert world.ready() == ("False", "Validating")
    assert world.route.weights.get(new, 0) == 0
    end(world, f"{new}-cases", '{"recall": 0.95}')
    world.run(2)
    assert world.route.weights[new] == 50
    world.run(60)
    assert world.ready() == ("True", "Serving")
    assert world.checks[f"{new}-cases"].state == "Succeeded", "kept for its logs"


def test_a_bound_that_is_broken_rejects_with_the_numbers_and_without_traffic() -> None:
    world, new = release(check())
    end(world, f"{new}-cases", '{"recall": 0.85}')
    world.settle()
    assert world.ready() == ("False", "RolledBack")
    rejected = world.status.rejected
    assert rejected is not None
    assert rejected.reason == "ValidationFailed"
    assert "cases: recall 0.85, at least 0.9 is asked for" in rejected.message
    assert all(new not in weights for weights in world.weights)


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (1, "PodFailurePolicy", "ValidationFailed"),
        (137, "PodFailurePolicy", "ValidationFailed"),
        (64, "PodFailurePolicy", None),
        (75, "BackoffLimitExceeded", None),
        (0, "BackoffLimitExceeded", None),
    ],
)
def test_only_what_is_about_the_model_rejects(code: int, reason: str, expected: str | None) -> None:
    world, new = release(check())
    end(world, f"{new}-cases", "no route to host", code, reason)
    world.settle()
    assert (world.status.rejected.reason if world.status.rejected else None) == expected
    if expected is None:
        assert world.ready() == ("False", "ValidationInconclusive")
        assert world.condition("Stalled") == "ValidationInconclusive"
        assert "kubectl delete job" in next(c.message for c in world.status.conditions if c.type == "Ready")


@pytest.mark.parametrize(
    "report", ["", "garbage", "[1]", '{"recall": "high"}', '{"recall": NaN}', "{" * 5000, '{"r": 1}']
)
def test_a_check_that_does_not_say_what_it_was_asked_holds_and_rejects_nobody(report: str) -> None:
    world, new = release(check())
    end(world, f"{new}-cases", report)
    world.run(60)
    assert world.ready() == ("False", "ValidationInconclusive")
    assert world.route.weights.get(new, 0) == 0
    assert world.status.rejected is None
    # Put right, it goes on by itself.
    world.checks.pop(f"{new}-cases")
    world.settle()
    end(world, f"{new}-cases", '{"recall": 1}')
    world.run(60)
    assert world.ready() == ("True", "Serving")


def test_a_report_may_come_later_than_the_end_of_its_job() -> None:
    world, new = release(check())
    end(world, f"{new}-cases")
    world.run(10)
    assert world.ready() == ("False", "Validating")
    end(world, f"{new}-cases", '{"recall": 1}')
    world.run(1)
    assert world.route.weights[new] == 50


def test_one_that_never_ends_has_failed_and_one_that_never_began_is_unknown() -> None:
    world, new = release(check(timeout="1m"))
    begin(world, f"{new}-cases")
    world.settle()
    # Its pod is taken away first.
    world.checks[f"{new}-cases"] = replace(world.checks[f"{new}-cases"], state="Pending")
    world.settle()
    end(world, f"{new}-cases", reason="DeadlineExceeded")
    world.settle()
    assert world.status.rejected is not None
    assert "not finished within 1m" in world.status.rejected.message
    world, new = release(check(timeout="1m"))
    end(world, f"{new}-cases", reason="DeadlineExceeded")
    world.settle()
    assert world.ready() == ("False", "ValidationInconclusive")


def test_unknown_is_given_up_where_the_user_chose_so() -> None:
    world, new = release(check(), analysis={"onInconclusive": "Rollback", "maxHold": "30s"})
    end(world, f"{new}-cases", "garbage")
    world.run(40)
    assert world.ready() == ("False", "RolledBack")


def test_a_warning_is_told_and_the_rollout_goes_on() -> None:
    world, new = release(check(severity="Warn"))
    end(world, f"{new}-cases", '{"recall": 0.1}')
    world.run(60)
    assert world.ready() == ("True", "Serving")
    assert world.events.count("ValidationWarned") == 1


def test_stable_is_measured_by_the_same_job_where_a_bound_compares() -> None:
    world, new = release(check(bounds={"recall": {"maxDrop": "0.01"}}))
    assert sorted(world.checks) == [f"{new}-cases", f"{new}-cases-stable"]
    end(world, f"{new}-cases", '{"recall": 0.85}')
    world.run(5)
    assert world.ready() == ("False", "Validating")
    end(world, f"{new}-cases-stable", '{"recall": 0.859}')
    world.run(60)
    assert world.ready() == ("True", "Serving")


@pytest.mark.parametrize(
    ("bound", "mine", "theirs", "passes"),
    [
        ({"maxDrop": "0.1"}, 0.8, 0.9, True),
        ({"maxDrop": "0.1"}, 0.79, 0.9, False),
        ({"maxDrop": "0.1"}, 2.0, 0.9, True),
        ({"maxRise": "0.1"}, 1.0, 0.9, True),
        ({"maxRise": "0.1"}, 1.01, 0.9, False),
        ({"maxRise": "0.1"}, 0.1, 0.9, True),
    ],
)
def test_a_change_is_measured_in_the_values_own_unit(
    bound: dict[str, str], mine: float, theirs: float, passes: bool
) -> None:
    world, new = release(check(bounds={"x": bound}))
    end(world, f"{new}-cases", f'{{"x": {mine}}}')
    end(world, f"{new}-cases-stable", f'{{"x": {theirs}}}')
    world.settle()
    assert (world.status.rejected is None) is passes


def test_a_first_revision_must_pass_too_and_is_compared_with_nobody() -> None:
    world = World(serving().spec)
    new = world.apply("m:1", rollout=rollout(check(bounds={"recall": {"min": "0.9", "maxDrop": "0"}})))
    world.settle()
    assert list(world.checks) == [f"{new}-cases"]
    assert world.status.stable is None
    end(world, f"{new}-cases", '{"recall": 0.1}')
    world.settle()
    assert world.ready() == ("False", "ValidationFailed")
    assert world.condition("Stalled") == "ValidationFailed"
    assert world.status.stable is None
    newer = world.apply("m:2")
    world.spec = world.spec.model_copy(update={"rollout": World(serving().spec).spec.rollout})
    world.run(5)
    assert world.status.stable is not None
    assert world.status.stable.revision == newer


def test_a_retry_runs_the_checks_again() -> None:
    world, new = release(check())
    end(world, f"{new}-cases", '{"recall": 0.1}')
    world.settle()
    attempt = world.checks[f"{new}-cases"].attempt
    world.now += world.now - world.now.replace(hour=9)
    world.command = f"retry {new}"
    world.settle()
    assert world.checks[f"{new}-cases"].attempt != attempt
    assert world.ready() == ("False", "Validating")


def test_a_changed_check_is_run_anew_and_what_it_said_before_does_not_count() -> None:
    world, new = release(check())
    end(world, f"{new}-cases", "garbage")
    world.run(20)
    world.apply("m:2", rollout=rollout(check(bounds={"recall": {"min": "0.8"}})))
    world.settle()
    assert world.checks[f"{new}-cases"].state == "Pending"


def test_no_check_goes_on_for_a_candidate_that_left() -> None:
    world, new = release(check())
    begin(world, f"{new}-cases")
    world.settle()
    world.command = f"abort {new}"
    world.settle()
    assert world.checks == {}


def test_promote_skips_no_check_and_a_return_needs_none() -> None:
    world, new = release(check())
    old = world.status.stable
    assert old is not None
    world.command = f"promote {new}"
    world.run(10)
    assert world.route.weights.get(new, 0) == 0
    end(world, f"{new}-cases", '{"recall": 1}')
    world.run(60)
    assert world.ready() == ("True", "Serving")
    world.checks.clear()
    world.apply("m:1", rollout=rollout(check()))
    world.run(60)
    assert world.checks == {}
    assert world.status.stable is not None
    assert world.status.stable.revision == old.revision


def test_a_job_that_was_tidied_up_is_not_run_again_once_it_has_passed() -> None:
    world, new = release(check(), check("more"))
    end(world, f"{new}-cases", '{"recall": 1}')
    world.settle()
    world.checks.pop(f"{new}-cases")
    world.run(10)
    assert list(world.checks) == [f"{new}-more"]
    end(world, f"{new}-more", '{"recall": 1}')
    world.run(60)
    assert world.ready() == ("True", "Serving")


def test_testers_see_nothing_before_the_checks_have_passed() -> None:
    marked = {"headers": [{"name": "x", "value": "y"}]}
    world, new = release(check(), testers=marked, approval={"required": "BeforeTraffic"})
    world.run(5)
    assert world.sides["Testers"].target is None
    end(world, f"{new}-cases", '{"recall": 1}')
    world.run(5)
    assert world.sides["Testers"].target == new
    assert world.ready() == ("False", "AwaitingApproval")


def test_rollback_waits_for_no_check() -> None:
    world, new = release(check())
    end(world, f"{new}-cases", '{"recall": 1}')
    world.run(2)
    world.judge = lambda world: judged(Verdict.BAD)
    world.settle()
    assert world.ready() == ("False", "RolledBack")
