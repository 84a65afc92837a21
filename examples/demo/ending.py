"""How a demo ends: the last line, the exit status, and where to look when it failed."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from rich.console import Console


def run_demo(play: Callable[[Console, bool], str], folder: Path) -> int:
    """Play a demo and tell how it ended; the exit status, 0 only when all went as it should.

    `play` is given the console and whether the cluster is to be kept (the variable KEEP), and returns what went wrong,
    empty if nothing did. `folder` has its logs and answers."""
    signal.signal(signal.SIGTERM, _interrupt)
    console = Console(highlight=False)
    try:
        failure = play(console, os.environ.get("KEEP", "") not in ("", "0"))
    except KeyboardInterrupt:
        console.print("demo: failed: interrupted")
        return 130
    if failure:
        console.print(f"logs and answers are in {folder}", soft_wrap=True)
        console.print(f"demo: failed: {failure}", soft_wrap=True, markup=False)
        return 1
    console.print("demo: passed")
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
