"""`python -m examples.retrain.demo`: sets the stage, plays the acts, tells how it ended. Exit status 0 only when all
went as it should."""

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rich.console import Console

from examples.demo.ending import run_demo
from examples.demo.house import House, HouseError, open_house
from examples.demo.screen import Screen
from examples.demo.view import Story
from examples.demo.world import DemoError
from examples.retrain.demo import acts
from examples.retrain.demo.acts import Act
from examples.retrain.demo.loop import Loop, read_policy
from examples.retrain.demo.stage import build_images, set_stage
from examples.retrain.demo.timeline import Line, build_table

ROOT: Final = Path(__file__).parents[3]
FOLDER: Final = ROOT / "build" / "demo-retrain"
RATE: Final = 80.0
TRAFFIC_SECONDS: Final = 900.0
"""The client stops by itself after this long, whatever becomes of the demo."""
CLUSTER, FIRST = "cluster", "first model"
ACTS: Final[Mapping[str, Act]] = {
    "shift, better model": acts.recover,
    "shift, unfair model": acts.reject,
    "slow model": acts.roll_back,
}


def play(house: House, screen: Screen, lines: list[Line]) -> None:
    """All acts in order; `lines` grows with each. DemoError where something is not as it should be."""
    screen.begin(FIRST)
    stage = set_stage(house, read_policy(), screen.note)
    with Loop(house, RATE, TRAFFIC_SECONDS, FOLDER, stage.services) as loop:
        screen.observe = loop.scene
        try:
            acts.install(loop, screen, stage)
            acts.start_traffic(loop, screen)
            screen.end(FIRST)
            for name, act in ACTS.items():
                screen.begin(name)
                lines.append(act(loop, screen))
                screen.end(name)
            acts.close(loop)
        finally:
            loop.write_objects(FOLDER / "objects.json")


def run(console: Console, keep: bool) -> str:
    """Returns what went wrong, empty if nothing did. Shows everything but the last line."""
    story = Story((CLUSTER, FIRST, *ACTS), RATE)
    screen = Screen(console, story)
    lines: list[Line] = []
    failure = ""
    with contextlib.ExitStack() as stack:
        try:
            with screen:
                screen.begin(CLUSTER)
                house = stack.enter_context(
                    open_house("demo-retrain", FOLDER, screen.note, keep=keep, build=build_images)
                )
                screen.end(CLUSTER)
                play(house, screen, lines)
        except (DemoError, HouseError) as error:
            failure = str(error)
        finally:
            if lines:
                console.print(build_table(lines))
    return failure


if __name__ == "__main__":
    sys.exit(run_demo(run, FOLDER))
