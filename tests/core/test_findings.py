"""What checks found stays small in the status, and others' words about them are no reason to write it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from serinus.api.status import CheckOutcome, CheckState, ResolvedModel
from serinus.core.findings import LARGEST, shorten_findings
from serinus.core.rollout import decide
from tests.core.test_validation import begin, check, end, release, rollout
from tests.core.world import World, spec

LONG_URI = "m" * 1024


def size(status: Any) -> int:
    return len(json.dumps(status, ensure_ascii=False).encode())


def state(number: int, outcome: CheckOutcome, message: str) -> CheckState:
    name = f"{number:0>63}"
    return CheckState(name=name, attempt="a" * 16, outcome=outcome, job="j" * 63, message=message)


def longest(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Checks with names, and broken bounds, that fill every message."""
    bounds = {f"value-{n}": {"min": "0.999999999"} for n in range(32)}
    return [check(f"{number:0>63}", bounds=bounds) for number in range(first, first + count)]


REPORT = json.dumps({f"value-{n}": 0.123456 for n in range(32)})


def worst_size(world: World) -> int:
    model = ResolvedModel(uri=LONG_URI, resolved=LONG_URI + "@" + "d" * 71, digest="sha256:" + "0" * 64)
    return size(decide(replace(world.snapshot(), model=model)).status.dump())


@pytest.mark.parametrize("how", ["warns", "fails", "unknown", "waits", "passes"])
def test_a_status_with_every_check_there_may_be_stays_small(how: str) -> None:
    world = World(spec("m:1"), name="m" * 45)
    world.settle()
    severity = "Warn" if how == "warns" else "Block"
    checks = [{**one, "severity": severity} for one in longest(16)]
    scoring = [{**one, "severity": severity} for one in longest(4, 16)]
    shadow = {"strategy": "Shadow", "shadow": {"hold": "10s", "percent": 10, "scoring": scoring}}
    world.apply("m:2", rollout=rollout(*checks, **shadow))
    world.settle()
    report = {"unknown": "ä" * 300, "passes": REPORT.replace("0.1", "1.1")}.get(how, REPORT)
    found: set[str] = set()
    sizes = []
    for _ in range(60):
        for name, run in world.checks.items():
            if how == "waits":
                world.checks[name] = replace(run, waiting="0/3 nodes are available: ä " * 20)
            elif run.state != "Succeeded":
                end(world, name, report)
        world.run(1)
        sizes.append(worst_size(world))
        found |= {one.name for one in world.status.candidate.validation} if world.status.candidate else set()
    assert len(found) == {"warns": 20, "passes": 20, "fails": 0}.get(how, 16)
    assert (world.status.rejected is not None) == (how == "fails")
    assert max(sizes) < 8192


@pytest.mark.parametrize("outcome", ["Pending", "Running", "Passed", "Failed", "Unknown"])
@pytest.mark.parametrize("message", ["m" * 256, "\u00e4" * 256, "\U0001f426" * 256, '"' * 256, "\x01" * 256])
def test_twenty_findings_fit_whatever_they_say(outcome: CheckOutcome, message: str) -> None:
    found = [state(number, outcome, message) for number in range(20)]
    short = shorten_findings(found, {one.name for one in found})
    assert size([one.dump() for one in short]) <= LARGEST
    assert [(one.name, one.attempt, one.outcome) for one in short] == [(f.name, f.attempt, f.outcome) for f in found]
    assert shorten_findings(short, {one.name for one in found}) == short


def test_the_words_of_the_check_that_rejects_go_last() -> None:
    found = [state(number, "Failed", f"recall 0.{number}: " + "m" * 240) for number in range(20)]
    short = shorten_findings(found, {found[7].name})
    assert [bool(one.message) for one in short] == [number == 7 for number in range(20)]
    assert short[7].message.startswith("recall 0.7: mmm")


def test_with_a_few_checks_nothing_is_cut() -> None:
    found = [state(number, "Passed", "recall 0.94, f1 0.93") for number in range(6)]
    assert shorten_findings(found, ()) == tuple(found)


def test_new_words_for_the_same_wait_are_written_now_and_then_only() -> None:
    world, new = release(check())
    name = f"{new}-cases"
    written = world.status_writes

    def wait(words: str) -> str:
        world.checks[name] = replace(world.checks[name], waiting=words)
        world.run(1)
        assert world.status.candidate is not None
        return world.status.candidate.validation[0].message

    assert wait("0/1 nodes are available") == "0/1 nodes are available", "the first is news"
    for number in range(60):
        wait(f"0/{number} nodes are available")
    assert world.status_writes - written <= 4
    for _ in range(31):
        last = wait("0/99 nodes are available")
    assert last == "0/99 nodes are available"
    begin(world, name)
    world.settle()
    assert world.status.candidate is not None
    assert world.status.candidate.validation[0].outcome == "Running"
