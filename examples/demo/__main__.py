"""`python -m examples.demo`: sets the stage, plays the acts, tells how it ended. Exit status 0 only when all went as it
should."""

import contextlib
import sys
from pathlib import Path

from rich.console import Console

from examples.demo import acts
from examples.demo.ending import run_demo
from examples.demo.house import House, HouseError, open_house
from examples.demo.screen import Screen
from examples.demo.view import Outcome, Story
from examples.demo.world import DemoError, World

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "demo"
RATE = 100.0
TRAFFIC_SECONDS = 600.0
"""The client stops by itself after this long, whatever becomes of the demo."""
CLUSTER, FIRST, GOOD, BAD, AGAIN, BETTER = "cluster", "v1", "v2 is good", "v3 is bad", "v3 again", "v4 is good"


def play(house: House, screen: Screen, outcomes: list[Outcome]) -> None:
    """All acts in order; `outcomes` grows with each. DemoError where something is not as it should be."""
    with World(house, RATE, TRAFFIC_SECONDS, FOLDER / "answers.jsonl") as world:
        screen.observe = world.scene
        screen.begin(FIRST)
        acts.install(world, screen, "v1")
        acts.start_traffic(world, screen)
        screen.end(FIRST)
        screen.begin(GOOD)
        outcomes.append(acts.promote(world, screen, "v2"))
        screen.end(GOOD)
        screen.begin(BAD)
        outcome, rejected = acts.roll_back(world, screen, "v3")
        outcomes.append(outcome)
        screen.end(BAD)
        screen.begin(AGAIN)
        outcomes.append(acts.apply_again(world, screen, "v3", rejected))
        screen.end(AGAIN)
        screen.begin(BETTER)
        outcomes.append(acts.promote(world, screen, "v4"))
        screen.end(BETTER)
        acts.close(world)


def run(console: Console, keep: bool) -> str:
    """Returns what went wrong, empty if nothing did. Shows everything but the last line."""
    story = Story((CLUSTER, FIRST, GOOD, BAD, AGAIN, BETTER), RATE)
    screen = Screen(console, story)
    outcomes: list[Outcome] = []
    failure = ""
    with contextlib.ExitStack() as stack:
        try:
            with screen:
                screen.begin(CLUSTER)
                house = stack.enter_context(open_house("demo", FOLDER, screen.note, keep=keep))
                screen.end(CLUSTER)
                play(house, screen, outcomes)
        except (DemoError, HouseError) as error:
            failure = str(error)
        finally:
            screen.show_outcomes(outcomes)
    return failure


if __name__ == "__main__":
    sys.exit(run_demo(run, FOLDER))
