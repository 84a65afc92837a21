"""Draws on a terminal, or writes one line per change where there is none. The only module of the demo that prints."""

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console, RenderableType
from rich.live import Live

from examples.demo.scene import Scene
from examples.demo.view import Note, Outcome, Story, build_note_line, build_panel, build_table

REFRESHES_PER_SECOND = 5
QUIET_SECONDS = 10.0
"""Without a terminal: a line with the numbers at least this often, so that a log shows it is alive."""


class Screen:
    """Shows the story and the scene while the context lasts. `observe` is asked for the scene at every refresh."""

    def __init__(self, console: Console, story: Story) -> None:
        self.console = console
        self.story = story
        self.observe: Callable[[], Scene] = Scene
        self._began = time.monotonic()
        self._live: Live | None = None
        self._last: tuple[str, str, str] = ("", "", "")
        self._spoke = 0.0

    def __enter__(self) -> "Screen":
        if self.console.is_terminal:
            self._live = Live(
                get_renderable=self._draw,
                console=self.console,
                refresh_per_second=REFRESHES_PER_SECOND,
                transient=False,
            )
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and self.story.current:
            self.end(self.story.current, well=False)
        if self._live is not None:
            self._live.__exit__(kind, error, trace)
            self._live = None

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def begin(self, act: str) -> None:
        self.story.current = act

    def end(self, act: str, *, well: bool = True) -> None:
        (self.story.done if well else self.story.failed).add(act)
        self.story.current = ""

    def note(self, text: str, style: str = "") -> None:
        note = Note(self.seconds, text, style)
        self.story.notes.append(note)
        if self._live is None:
            self.console.print(build_note_line(note), soft_wrap=True)

    def tick(self) -> None:
        """Without a terminal: a line when something has changed. Call it often."""
        if self._live is not None:
            return
        scene = self.observe()
        now = (scene.stage, scene.weights, scene.verdict)
        changed, quiet = now != self._last, self.seconds - self._spoke > QUIET_SECONDS
        if scene.rows and (changed or quiet):
            self._last, self._spoke = now, self.seconds
            verdict = f", {scene.verdict}" if scene.verdict else ""
            counts = f"{scene.requests:,} requests, {scene.own_failures:,} failed by a model, {scene.lost:,} lost"
            line = Note(self.seconds, f"  {scene.stage}: {scene.weights}{verdict}; {counts}")
            self.console.print(build_note_line(line), soft_wrap=True)

    def show_outcomes(self, outcomes: list[Outcome]) -> None:
        if outcomes:
            self.console.print(build_table(outcomes))

    def _draw(self) -> RenderableType:
        return build_panel(self.story, self.observe(), self.seconds)
