"""The state of the monitor: which version serves, what was logged of it, and what the last windows have shown.

No clock and no I/O: time (Unix seconds) is an argument."""

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from .calibration import Calibration
from .findings import Drift, Quality
from .quality import Answer
from .records import Labelled, Prediction
from .reference import Floats, Reference
from .settings import Settings
from .windows import Closed, Tumbling

Counts = Counter[str]


@dataclass(frozen=True)
class Stable:
    """Which version serves: its name, the name of its reference, and since when (Unix seconds)."""

    version: str
    reference: str
    since: float = 0.0


class Monitor:
    """Everything is about one version at a time; when another becomes stable all of it begins anew."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stable: Stable | None = None
        self.reference: Reference | None = None
        self.calibration: Calibration | None = None
        self.reference_problem = "which version is stable is not known yet"
        self.drift: Drift | None = None
        self.quality: Quality | None = None
        self.counts: Counter[tuple[str, str]] = Counter()
        """Rows by kind (prediction, label) and outcome, of this version."""
        self._rows: Tumbling[Floats] | None = None
        self._answers: Tumbling[Answer] | None = None
        self._early: OrderedDict[str, Labelled] = OrderedDict()
        self._newest_rows = self._newest_answers = -1

    def follow(self, stable: Stable, now: float) -> bool:
        """Begin anew where another version serves, or the same one with another reference; whether that is so."""
        if stable == self.stable:
            return False
        self.stable, self.reference, self.calibration = stable, None, None
        self.reference_problem = f"reference {stable.reference} is not loaded yet"
        self.drift = self.quality = None
        self.counts.clear()
        self._early.clear()
        self._restart_rows(now)
        options = self.settings
        delay = max(options.label_delay, options.grace)
        self._answers = Tumbling(options.quality_window, delay, stable.since, options.max_rows, now)
        self._newest_answers = -1
        return True

    def use_reference(self, reference: Reference, now: float) -> None:
        """Compare with this from now on. Rows of another reference mean nothing: the window begins anew."""
        self.reference = reference
        self.calibration = Calibration(reference, self.settings.false_alarm)
        self.reference_problem = ""
        self._restart_rows(now)

    def _restart_rows(self, now: float) -> None:
        options, since = self.settings, self.stable.since if self.stable else 0.0
        self._rows = Tumbling(options.window, options.grace, since, options.max_rows, now)
        self._newest_rows = -1

    def take_predictions(self, rows: Iterable[Prediction], now: float) -> Counts:
        """Keep what belongs to open windows of the version that serves; how many rows had which outcome."""
        said: Counts = Counter(self._take_prediction(row, now) for row in rows)
        self.counts.update({("prediction", outcome): number for outcome, number in said.items()})
        return said

    def _take_prediction(self, row: Prediction, now: float) -> str:
        if self.stable is None or self._answers is None or self._rows is None:
            return "no_version"
        if row.revision is not None and row.revision != self.stable.version:
            return "other_version"
        answer = Answer(row.prediction, row.slice)
        outcome: str = self._answers.add(row.id, row.time, answer, now)
        if outcome == "kept" and (label := self._early.pop(row.id, None)) is not None:
            answer.label = label.label
        if self.reference is None:
            return "no_reference" if outcome == "kept" else outcome
        return self._rows.add(row.id, row.time, self.reference.encode(row.features, row.prediction), now)

    def take_labels(self, rows: Iterable[Labelled]) -> Counts:
        """Join labels to predictions; the last label of an id counts. One that comes first waits a while."""
        said: Counts = Counter(self._take_label(row) for row in rows)
        self.counts.update({("label", outcome): number for outcome, number in said.items()})
        return said

    def _take_label(self, row: Labelled) -> str:
        if self._answers is None:
            return "no_version"
        if (answer := self._answers.find(row.id)) is not None:
            answer.label = row.label
            return "joined"
        self._early[row.id] = row
        if len(self._early) > self.settings.max_rows:
            self._early.popitem(last=False)
        return "waiting"

    def close_rows(self, now: float) -> Closed[Floats] | None:
        """A window of drift that is over and to be assessed. After too many empty ones nothing is known any more."""
        closed = self._rows.close(now) if self._rows else None
        if closed is None:
            return None
        if closed.rows:
            self._newest_rows = closed.index
        elif closed.index - self._newest_rows >= self.settings.stale_after:
            self.drift = None
            return None
        return closed

    def close_answers(self, now: float) -> Closed[Answer] | None:
        """The same for quality."""
        closed = self._answers.close(now) if self._answers else None
        if closed is None:
            return None
        if closed.rows:
            self._newest_answers = closed.index
        elif closed.index - self._newest_answers >= self.settings.stale_after:
            self.quality = None
            return None
        return closed
