"""What the checks of one run share: the model, the rows, and its answers, asked for once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .answers import Answer
from .client import ModelClient, Result
from .config import Config
from .data import Row, load_rows


@dataclass(frozen=True)
class Context:
    config: Config
    folder: Path
    model: ModelClient
    _rows: dict[str, tuple[Row, ...]] = field(default_factory=dict)
    _results: dict[str, Sequence[Result]] = field(default_factory=dict)

    def load(self) -> None:
        """Read all data that is sent, so that a fault in it is known before the model is asked."""
        for check in self.config.checks:
            if check.kind != "Schema":
                self.rows(check.data)

    def rows(self, data: str) -> tuple[Row, ...]:
        if data not in self._rows:
            self._rows[data] = load_rows(self.folder, self.config.data[data], self.config.features)
        return self._rows[data]

    def results(self, data: str) -> Sequence[Result]:
        """The model's word on each row of `data`, in order."""
        if data not in self._results:
            self._results[data] = self.model.ask([row.features for row in self.rows(data)])
        return self._results[data]


def is_answered(result: Result) -> bool:
    """Whether the model has said anything: null and NaN are no answers."""
    return isinstance(result, Answer) and result.label is not None
