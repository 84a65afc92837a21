"""Models that answer as a test wants: the label is x, unless a test says otherwise."""

from collections.abc import Callable, Mapping
from typing import Any

from examples.checks.sample.server import Respond, Response

Row = Mapping[str, Any]


class RefusedError(Exception):
    """A row that the model answers with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def answer_x(row: Row) -> Any:
    return row["x"]


def build_json_model(answer: Callable[[Row], Any] = answer_x) -> Respond:
    def respond(method: str, path: str, body: Any) -> Response:
        if method == "GET":
            return 200, {}
        if path != "/predict":
            return 404, {}
        try:
            return 200, {"predictions": [answer(row) for row in body["instances"]]}
        except RefusedError as error:
            return error.status, {"error": "no"}

    return respond


def answer_always(status: int, said: Any) -> Respond:
    """Ready, and whatever is asked gets the same answer."""
    return lambda method, path, body: (200, {}) if method == "GET" else (status, said)
