"""The trained classifier and its label table, as one directory that an image carries. Never trains anything; see
`train`."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np

PIXELS = 64
"""An image is 8 x 8 pixels, row by row, each from 0 (white) to 16 (black)."""

_BINARY = "model.joblib"
_CARD = "card.json"


@dataclass(frozen=True)
class Card:
    """What is known of a trained model. `labels[i]` is the digit that class i stands for; `accuracy` is from 0 to 1."""

    recipe: str
    labels: tuple[int, ...]
    trained_on: int
    accuracy: float


@dataclass(frozen=True)
class Model:
    classifier: Any
    card: Card

    def predict(self, pixels: Sequence[float]) -> int:
        """The digit in the image. IndexError where the classifier knows a class for which the card has no label."""
        row = np.asarray(pixels, dtype=np.float64).reshape(1, PIXELS)
        return self.card.labels[int(self.classifier.predict(row)[0])]


def save(model: Model, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    joblib.dump(model.classifier, directory / _BINARY)
    (directory / _CARD).write_text(json.dumps(asdict(model.card), indent=2) + "\n")


def load(directory: Path) -> Model:
    """Read what `save` wrote. The file is a pickle: load none that your own build did not make."""
    card = json.loads((directory / _CARD).read_text())
    return Model(joblib.load(directory / _BINARY), Card(**{**card, "labels": tuple(card["labels"])}))
