"""Weights over time, as read from what kubectl prints."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from tests.traffic.route import RouteChange, RouteWatch, find_zero, list_weights, observe_weights
from tests.traffic.watch import Watch, read_changes

CLIMB = [
    RouteChange(1.0, {"old": 100}),
    RouteChange(2.0, {"new": 5, "old": 95}),
    RouteChange(3.0, {"new": 25, "old": 75}),
    RouteChange(4.0, {"old": 100}),
    RouteChange(5.0, {"new": 5, "old": 95}),
    RouteChange(6.0, {"new": 100}),
]


def route(*rules: dict[str, int]) -> dict[str, Any]:
    backends = [[{"name": name, "weight": weight} for name, weight in rule.items()] for rule in rules]
    return {"metadata": {"name": "digits"}, "spec": {"rules": [{"backendRefs": each} for each in backends]}}


def kubectl_printing(*runs: Sequence[tuple[str, dict[str, Any]]]) -> Any:
    """A kubectl whose first run prints the events of runs[0] and ends; the last run stays until it is stopped."""
    left = list(runs)

    def start(arguments: Sequence[str]) -> "subprocess.Popen[str]":
        assert arguments[0] == "get"
        assert {"--watch", "--output-watch-events", "--output=json"} <= set(arguments)
        run = left.pop(0)
        text = "".join(json.dumps({"type": kind, "object": obj}, separators=(",", ":")) + "\n" for kind, obj in run)
        code = f"import time; print({text!r}, end='', flush=True); time.sleep({0 if left else 60})"
        return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)

    return start


def wait_until(happened: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"it did not happen within {seconds:g} s"
        time.sleep(0.05)


def test_the_highest_weight_of_several_rules_counts() -> None:
    assert observe_weights(route({"a": 90, "b": 10}, {"a": 100, "b": 0})) == {"a": 100, "b": 10}


def test_a_backend_without_weight_has_one_as_the_gateway_api_says() -> None:
    assert observe_weights({"spec": {"rules": [{"backendRefs": [{"name": "a"}, {"name": "b", "weight": 3}]}]}}) == {
        "a": 25,
        "b": 75,
    }
    assert observe_weights({}) == {}


def test_zero_is_when_the_weight_goes_not_when_it_was_never_there() -> None:
    assert find_zero(CLIMB, "new") == 4.0
    assert find_zero(CLIMB, "new", after=4.5) is None
    assert find_zero(CLIMB, "old", after=4.5) == 6.0
    assert find_zero(CLIMB, "stranger") is None


def test_weights_are_listed_from_the_first_above_zero() -> None:
    assert list_weights(CLIMB, "new") == [5, 25, 0, 5, 100]
    assert list_weights(CLIMB[:1], "new") == []


def test_a_half_printed_object_is_not_read() -> None:
    lines = json.dumps({"type": "ADDED", "object": route({"a": 100})}, indent=2).splitlines(keepends=True)
    assert [change.name for change in read_changes([*lines[:-1], "}\n", *lines[:4]])] == ["digits"]


def test_route_watch_starts_again_and_notes_only_changes_of_weights() -> None:
    first = [
        ("ADDED", route({"a": 100})),
        ("MODIFIED", route({"a": 95, "b": 5})),
        ("MODIFIED", route({"a": 95, "b": 5})),
    ]
    second = [("ADDED", route({"a": 95, "b": 5})), ("MODIFIED", route({"a": 100})), ("DELETED", route({"a": 100}))]
    with RouteWatch(kubectl_printing(first, second), "demo", "digits") as watch:
        wait_until(lambda: len(watch.changes) == 4)
    assert [dict(change.weights) for change in watch.changes] == [{"a": 100}, {"a": 95, "b": 5}, {"a": 100}, {}]
    assert watch.weights == {}


def test_objects_that_vanish_between_two_watches_are_forgotten() -> None:
    pods = [{"metadata": {"name": name}} for name in ("one", "two", "three")]
    first = [("ADDED", pods[0]), ("ADDED", pods[1]), ("DELETED", pods[1])]
    with Watch(kubectl_printing(first, [("ADDED", pods[2])]), "pods", "--namespace", "demo") as watch:
        wait_until(lambda: set(watch.objects) == {"three"})
