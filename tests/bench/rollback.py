"""How fast a bad revision is off traffic: `python -m tests.bench.rollback`.

Releases one bad revision after another on a real node and measures each at the client and in the route.
"""

import argparse
import time
from typing import Any

from rich.console import Console

from examples.demo.world import DemoError, World
from tests.bench.rounds import Round, build_figures, measure_round
from tests.bench.stand import Stand, run_bench, set_env, wait_for_stable

NAME = "rollback"
RATE = 200.0
STEPS = [{"weight": 20, "hold": "30s"}]
STABLE_FAULTS, BAD_FAULTS = "0.005", "0.2"
ROUND_SECONDS = 90.0
BETWEEN_SECONDS = 2.0
"""Traffic that only stable serves, between two rounds."""


def measure(stand: Stand, rounds: int, console: Console) -> list[Any]:
    limit = 120 + rounds * ROUND_SECONDS
    with stand.open_world(rate=RATE, seconds=limit) as world:
        world.manifest["spec"]["rollout"].update(steps=STEPS, drain="2s")
        set_env(world.manifest, MODEL_VERSION="stable", FAULT_RATIO=STABLE_FAULTS)
        world.apply("v1")
        wait_for_stable(world)
        world.start_traffic()
        world.wait("the first answer", lambda: world.tally.requests, 30, lambda: None)
        measured = [_roll_back(world, number, console) for number in range(1, rounds + 1)]
        world.stop_traffic()
        return build_figures(measured, len(world.tally.lost))


def _roll_back(world: World, number: int, console: Console) -> Round:
    time.sleep(BETWEEN_SECONDS)
    version = f"bad-{number}"
    changes_before, answers_before = len(world.route.changes), len(world.traffic.answers)
    before = (world.status.get("rejected") or {}).get("revision")
    set_env(world.manifest, MODEL_VERSION=version, FAULT_RATIO=BAD_FAULTS)
    world.apply("v1")

    def rejected() -> str:
        revision = (world.status.get("rejected") or {}).get("revision")
        return revision if revision and revision != before else ""

    world.wait(f"the rejection of {version}", rejected, ROUND_SECONDS, lambda: None)
    revision = rejected()
    world.wait(f"the end of {revision}", lambda: not world.pods_of(revision, ready=False), ROUND_SECONDS, lambda: None)
    world.look()
    found = measure_round(
        version, revision, world.traffic.answers[answers_before:], world.route.changes[changes_before:]
    )
    if isinstance(found, str):
        raise DemoError(found)
    console.print(
        f"{number:3}  {found.to_zero:5.2f} s to 0 % in the route, {found.to_last:5.2f} s to the last answer, "
        f"{found.failures} of {found.requests} requests failed",
        highlight=False,
        soft_wrap=True,
    )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20, help="how many bad revisions")
    given = parser.parse_args()
    title = (
        f"{given.rounds} rollbacks: {RATE:g} requests/s, first step 20 %, 20 % errors against 0.5 %, scrapes 1 s apart"
    )
    return run_bench(NAME, title, lambda stand, console: measure(stand, given.rounds, console))


if __name__ == "__main__":
    raise SystemExit(main())
