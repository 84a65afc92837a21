"""What goes over the wire and what is read from it, in both languages."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from examples.checks.sample.server import Respond
from examples.checks.serinus_checks.answers import Answer
from examples.checks.serinus_checks.client import ModelClient
from examples.checks.serinus_checks.config import Config
from examples.checks.serinus_checks.errors import ConfigError, UnacceptableError
from examples.checks.serinus_checks.protocols import build_body, read_answers, request_path
from tests.checks.conftest import Serve

ROWS = [{"x": 1.5, "t": "a"}, {"x": 2.5, "t": "b"}]


def build_config(target: dict[str, Any]) -> Config:
    oip = {"protocol": "OpenInference", "model": "m"}
    json = {"protocol": "JSON", "path": "/p"}
    return Config.model_validate(
        {
            "target": {**(json if target.get("protocol") == "JSON" else oip), **target},
            "features": {"x": "FP64", "t": "BYTES"},
            "data": {"rows": {"file": "rows.csv"}},
            "checks": [{"kind": "Latency", "name": "c", "data": "rows"}],
        }
    )


@pytest.mark.parametrize(
    ("target", "path", "body"),
    [
        (
            {},
            "/v2/models/m/infer",
            {
                "inputs": [
                    {"name": "x", "shape": [2, 1], "datatype": "FP64", "data": [1.5, 2.5]},
                    {"name": "t", "shape": [2, 1], "datatype": "BYTES", "data": ["a", "b"]},
                ]
            },
        ),
        (
            {"version": "3", "layout": "Matrix", "input": "in", "datatype": "FP32"},
            "/v2/models/m/versions/3/infer",
            {"inputs": [{"name": "in", "shape": [2, 2], "datatype": "FP32", "data": [1.5, "a", 2.5, "b"]}]},
        ),
        ({"protocol": "JSON"}, "/p", {"instances": ROWS}),
        ({"protocol": "JSON", "requestKey": "in", "rows": "Arrays"}, "/p", {"in": [[1.5, "a"], [2.5, "b"]]}),
    ],
)
def test_requests(target: Any, path: str, body: Any) -> None:
    config = build_config(target)
    assert request_path(config.target) == path
    assert build_body(config, ROWS) == body


def test_a_bare_row() -> None:
    assert build_body(build_config({"protocol": "JSON", "requestKey": None}), ROWS[:1]) == ROWS[0]


def outputs(**data: Any) -> Any:
    return {"outputs": [{"name": name, "data": values} for name, values in data.items()]}


JSON = {"protocol": "JSON"}


@pytest.mark.parametrize(
    ("target", "body", "answers"),
    [
        ({}, outputs(a=[1, 0], b=[5, 6]), [Answer(1), Answer(0)]),
        ({"label": "b"}, outputs(a=[1, 0], b=[5, 6]), [Answer(5), Answer(6)]),
        ({}, outputs(a=[["yes"], ["no"]]), [Answer("yes"), Answer("no")]),
        ({"label": "a", "score": "p"}, outputs(p=[0.9, 0.2], a=[1, 0]), [Answer(1, 0.9), Answer(0, 0.2)]),
        ({"score": "p"}, outputs(p=[[0.1, 0.9], [0.8, 0.2]]), [Answer(1, 0.9), Answer(0, 0.2)]),
        ({"score": "p", "scoreColumn": 0}, outputs(p=[0.1, 0.9, 0.8, 0.2]), [Answer(0, 0.1), Answer(1, 0.8)]),
        ({"score": "p", "threshold": 0.95}, outputs(p=[0.9, 0.96]), [Answer(0, 0.9), Answer(1, 0.96)]),
        ({"classes": ["a", "b", "c"]}, outputs(o=[0.1, 0.7, 0.2, 0.6, 0.3, 0.1]), [Answer("b"), Answer("a")]),
        ({**JSON}, {"predictions": [1, None]}, [Answer(1), Answer(None)]),
        ({**JSON, "responseKey": None}, [1, 0], [Answer(1), Answer(0)]),
        (
            {**JSON, "label": "l", "score": "s"},
            {"predictions": [{"l": "yes", "s": 0.7}, {"l": "no", "s": None}]},
            [Answer("yes", 0.7), Answer("no")],
        ),
    ],
)
def test_answers(target: Any, body: Any, answers: list[Answer]) -> None:
    assert read_answers(build_config(target), body, 2) == answers


@pytest.mark.parametrize(
    ("target", "body", "answer"),
    [
        ({"responseKey": None}, {"label": 1, "score": 0.9}, Answer(1, 0.9)),
        ({"responseKey": None}, [{"label": 1, "score": 0.9}], Answer(1, 0.9)),
        ({"responseKey": "result"}, {"result": {"label": 1, "score": 0.9}}, Answer(1, 0.9)),
    ],
)
def test_the_answer_to_a_bare_row(target: Any, body: Any, answer: Answer) -> None:
    config = build_config({**JSON, "requestKey": None, "label": "label", "score": "score", **target})
    assert read_answers(config, body, 1) == [answer]


@pytest.mark.parametrize(
    ("target", "body", "reason"),
    [
        ({}, {}, "the answer has no outputs"),
        ({}, {"outputs": ["a"]}, "the answer has no outputs"),
        ({}, [1, 0], "the answer has no outputs"),
        ({"label": "z"}, outputs(a=[1, 0], b=[1, 0]), "the answer has no output 'z'; it has a, b"),
        ({}, {"outputs": [{"name": "a"}]}, "output 'a' has no data"),
        ({}, outputs(a=[1, 0, 1]), "output 'a' has 3 values for 2 rows"),
        ({}, outputs(a=[]), "output 'a' has 0 values for 2 rows"),
        ({"classes": ["a", "b", "c"]}, outputs(o=[0.1, 0.9, 0.2, 0.8]), "not one for each of 3 classes"),
        ({"score": "p"}, outputs(p=["high", "low"]), "a score is 'high', which is not a number"),
        ({"score": "p", "scoreColumn": 2}, outputs(p=[0.1, 0.9, 0.8, 0.2]), "there is no column 2"),
        ({**JSON, "label": "l"}, {"predictions": [{"l": 1}, {"m": 1}]}, "an answer has no 'l': {'m': 1}"),
    ],
)
def test_answers_of_another_form(target: Any, body: Any, reason: str) -> None:
    with pytest.raises(UnacceptableError) as error:
        read_answers(build_config(target), body, 2)
    assert reason in str(error.value)


def test_a_score_with_many_columns_needs_to_know_which() -> None:
    with pytest.raises(ConfigError, match=r"target\.scoreColumn is required: the score has 3 columns"):
        read_answers(build_config({"score": "p"}), outputs(p=[0.1, 0.2, 0.7, 0.1, 0.2, 0.7]), 2)


def serve_model(model: LogisticRegression) -> Respond:
    """The way a model server would do it: one matrix in, labels and probabilities out."""

    def respond(method: str, path: str, body: Any) -> tuple[int, Any]:
        given = body["inputs"][0]
        matrix = np.array(given["data"]).reshape(given["shape"])
        probabilities = model.predict_proba(matrix)
        said = {
            "predict": model.predict(matrix).tolist(),
            "predict_proba": probabilities.ravel().tolist(),
        }
        return 200, outputs(**said)

    return respond


def test_a_model_of_scikit_learn_is_read_as_it_answers_itself(serve: Serve) -> None:
    matrix = np.random.default_rng(0).normal(size=(50, 2))
    model = LogisticRegression().fit(matrix, (matrix.sum(axis=1) > 0).astype(int))
    config = build_config({"layout": "Matrix", "label": "predict", "score": "predict_proba", "batch": 16}).model_copy(
        update={"features": {"x": "FP64", "z": "FP64"}}
    )
    with ModelClient(serve(serve_model(model)), config) as client:
        results = client.ask([{"x": x, "z": z} for x, z in matrix.tolist()])
    answers = [one for one in results if isinstance(one, Answer)]
    assert [one.label for one in answers] == model.predict(matrix).tolist()
    assert [one.score for one in answers] == pytest.approx(model.predict_proba(matrix)[:, 1].tolist())
