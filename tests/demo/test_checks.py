"""The demo's own judgement: each way in which a release can go wrong is noticed, and named."""

from dataclasses import replace
from typing import Any

import pytest

from examples.demo.checks import (
    Release,
    check_nothing_lost,
    check_nothing_started,
    check_promoted,
    check_rolled_back,
)
from tests.traffic.answers import Answer, Tally, count
from tests.traffic.route import RouteChange

STEPS = (5, 25, 50, 100)
NUMBERS = "errors 20.5% on digits-b (9 of 44) against 0.5% on digits-a (3 of 612): 41.8x, allowed 1.2x"


def ready(status: str, reason: str, message: str = "") -> dict[str, Any]:
    return {"status": {"conditions": [{"type": "Ready", "status": status, "reason": reason, "message": message}]}}


def climb(*weights: int) -> tuple[RouteChange, ...]:
    return tuple(RouteChange(float(w), {"digits-a": 100 - w, "digits-b": w}) for w in weights)


PROMOTED = Release(
    "v2",
    "digits-b",
    "digits-a",
    frozenset({"a1", "a2"}),
    pods_seen=frozenset({"b1"}),
    pods_after=frozenset({"b1", "b2"}),
    fewest_old=2,
    changes=climb(*STEPS),
    deployment=ready("True", "Serving"),
    record={"status": {"phase": "Stable"}},
    tally=count([Answer(1.0, 1.1, 500, "v2"), Answer(1.0, 1.1, 200, "v2")]),
)
REJECTED = replace(
    PROMOTED,
    version="v3",
    stable_pods_after=PROMOTED.stable_pods,
    changes=climb(5, 0),
    deployment=ready("False", "RolledBack", NUMBERS),
    record={"status": {"phase": "Rejected"}},
    tally=count([Answer(1.0, 1.1, 500, "v3")]),
)


def test_a_good_release_has_no_problems() -> None:
    assert check_promoted(PROMOTED, STEPS, 2) == []
    assert check_rolled_back(REJECTED) == []
    assert check_nothing_lost(PROMOTED.tally) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"changes": climb(5, 50, 100)}, "weights 5, 50, 100, not 5, 25, 50, 100"),
        ({"changes": climb(5, 25, 0, 5, 25, 50, 100)}, "weights 5, 25, 0, 5"),
        ({"changes": ()}, "weights none"),
        ({"pods_seen": frozenset()}, "no ready pod"),
        ({"pods_seen": frozenset({"b0"})}, "1 pod(s) of v2 were replaced"),
        ({"pods_after": frozenset({"b1"})}, "1 pods of v2 serve, not 2"),
        ({"fewest_old": 1}, "only 1 of 2 old pods"),
        ({"record": {}}, "says nothing, not Stable"),
        ({"tally": Tally()}, "no answer of v2"),
        ({"deployment": ready("False", "Holding")}, "Ready is False/Holding, not True"),
    ],
)
def test_what_is_wrong_with_a_promotion_is_named(change: dict[str, Any], problem: str) -> None:
    problems = check_promoted(replace(PROMOTED, **change), STEPS, 2)
    assert len(problems) == 1
    assert problem in problems[0]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"changes": climb(5)}, "not at 100 % for digits-a"),
        ({"changes": climb(0)}, "never had any traffic"),
        ({"stable_pods_after": frozenset({"a1", "a9"})}, "not the same as before"),
        ({"record": {"status": {"phase": "Progressing"}}}, "says Progressing, not Rejected"),
        ({"deployment": ready("False", "Holding", NUMBERS)}, "not False/RolledBack"),
        ({"deployment": ready("False", "RolledBack", "it was bad")}, "no numbers"),
        ({"tally": Tally()}, "no failed answer of v3"),
    ],
)
def test_what_is_wrong_with_a_rollback_is_named(change: dict[str, Any], problem: str) -> None:
    problems = check_rolled_back(replace(REJECTED, **change))
    assert len(problems) == 1
    assert problem in problems[0]


def test_anything_that_starts_again_is_named() -> None:
    again = replace(REJECTED, changes=())
    assert check_nothing_started(again, []) == []
    assert check_nothing_started(again, ["digits-b-x"]) == ["pod digits-b-x was started"]
    assert "the route changed" in check_nothing_started(replace(again, changes=climb(5)), [])[0]
    candidate = {"status": {**REJECTED.deployment["status"], "candidate": {"revision": "digits-b"}}}
    assert check_nothing_started(replace(again, deployment=candidate), []) == ["digits-b is a candidate again"]


def test_lost_requests_are_counted_by_kind() -> None:
    tally = count([Answer(1.0, 1.1, 200, "v1"), Answer(1.0, 1.1, 503), Answer(1.0, 1.2, error="TimeoutError: late")])
    assert check_nothing_lost(tally) == ["2 of 3 requests were lost on the way: 1 x HTTP 503, 1 x TimeoutError"]
