"""What the demo shows: a live panel and the table at the end, as rich renderables. Pure, so that it can be looked at
without a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from examples.demo.scene import Row, Scene

BAR_WIDTH = 30
NOTES_SHOWN = 7
COLOURS = {"stable": "green", "candidate": "yellow", "leaving": "bright_black"}
VERDICT_COLOURS = {"Good": "green", "Bad": "bold red"}


@dataclass(frozen=True)
class Note:
    """A line of the story. `seconds` since the demo began."""

    seconds: float
    text: str
    style: str = ""


@dataclass
class Story:
    """The acts in order, which of them are over, and what has happened so far."""

    acts: tuple[str, ...]
    rate: float
    done: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    current: str = ""
    notes: list[Note] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """One release, for the table at the end. `to_zero`: seconds from the first bad answer to no weight in the route."""

    release: str
    outcome: str
    seconds: float
    requests: int
    own_failures: int
    lost: int
    to_zero: float | None = None


def build_panel(story: Story, scene: Scene, seconds: float) -> RenderableType:
    body = Group(
        _build_acts(story),
        Text(),
        _build_rows(scene),
        Text(),
        _build_facts(story, scene),
        Text(),
        *(_build_note(note) for note in _pad(story.notes[-NOTES_SHOWN:])),
    )
    title = Text.assemble((" Serinus ", "bold"), ("a model is released on evidence ", "bright_black"))
    clock = Text(f" {_clock(seconds)} ", style="bright_black")
    return Panel(body, title=title, title_align="left", subtitle=clock, subtitle_align="right", box=box.ROUNDED)


def build_note_line(note: Note) -> Text:
    """The same note for a log, where nothing can be drawn over."""
    return Text(f"{_clock(note.seconds)}  {note.text}")


def build_table(outcomes: Sequence[Outcome]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="What happened", title_justify="left", title_style="bold")
    table.add_column("release", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    for heading in ("time", "requests", "own 500s", "lost", "bad → 0 %"):
        table.add_column(heading, justify="right")
    for each in outcomes:
        table.add_row(
            each.release,
            Text(each.outcome, style="red" if each.outcome == "rolled back" else "green"),
            f"{each.seconds:.1f} s",
            f"{each.requests:,}",
            f"{each.own_failures:,}",
            f"{each.lost:,}",
            "" if each.to_zero is None else f"{each.to_zero:.1f} s",
        )
    return table


def _build_acts(story: Story) -> Text:
    parts = []
    for act in story.acts:
        if act in story.failed:
            parts.append(Text(f"✗ {act}", style="bold red"))
        elif act in story.done:
            parts.append(Text(f"✓ {act}", style="green"))
        elif act == story.current:
            parts.append(Text(f"● {act}", style="bold"))
        else:
            parts.append(Text(f"○ {act}", style="bright_black"))
    return Text("   ").join(parts)


def _build_rows(scene: Scene) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for justify in ("left", "left", "left", "right", "left", "right", "right"):
        table.add_column(justify=justify, no_wrap=True)
    for row in scene.rows:
        colour = COLOURS[row.role]
        table.add_row(
            Text(row.version, style=f"bold {colour}"),
            Text(row.role, style=colour),
            _build_bar(row, colour),
            f"{row.weight} %",
            Text("●" * row.ready + "○" * (row.pods - row.ready), style=colour),
            f"{row.requests:,} requests",
            Text(f"{row.failures:,} failed", style="bold red" if row.failures else "bright_black"),
        )
    if not scene.rows:
        table.add_row(Text("nothing serves yet", style="bright_black"))
    return table


def _build_bar(row: Row, colour: str) -> Text:
    # A weight above 0 is never drawn as nothing.
    full = max(round(row.weight * BAR_WIDTH / 100), 1 if row.weight else 0)
    return Text.assemble(("█" * full, colour), ("░" * (BAR_WIDTH - full), "bright_black"))


def _build_facts(story: Story, scene: Scene) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bright_black", no_wrap=True)
    table.add_column()
    verdict = Text(scene.verdict or "-", style=VERDICT_COLOURS.get(scene.verdict, "default"))
    table.add_row("stage", scene.stage)
    table.add_row("verdict", verdict)
    for label, text in (("evidence", scene.finding), ("status", scene.message)):
        table.add_row(label, Text(text or "-", overflow="ellipsis", no_wrap=True))
    lost = Text(f"{scene.lost:,} lost on the way", style="bold red" if scene.lost else "green")
    table.add_row(
        "traffic",
        Text.assemble(
            f"{story.rate:g} per second, {scene.requests:,} requests, {scene.own_failures:,} failed by a model, ", lost
        ),
    )
    return table


def _build_note(note: Note | None) -> Text:
    if note is None:
        return Text()
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{_clock(note.seconds)}  ", style="bright_black")
    text.append(note.text, style=note.style or None)
    return text


def _pad(notes: Sequence[Note]) -> list[Note | None]:
    """A constant number of lines: a panel that grows makes the eye jump."""
    return [*notes, *[None] * (NOTES_SHOWN - len(notes))]


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"
