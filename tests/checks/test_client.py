"""Waiting for the model, and batches of which one row is at fault."""

from typing import Any

import pytest

from examples.checks.serinus_checks.answers import Answer, Failure
from examples.checks.serinus_checks.client import ModelClient
from examples.checks.serinus_checks.config import Config
from examples.checks.serinus_checks.errors import InfraError
from tests.checks.conftest import Serve
from tests.checks.models import RefusedError, build_json_model


def build_config(**target: Any) -> Config:
    return Config.model_validate(
        {
            "target": {"protocol": "JSON", "path": "/predict", **target},
            "features": {"x": "FP64"},
            "data": {"rows": {"file": "rows.csv"}},
            "checks": [{"kind": "Latency", "name": "c", "data": "rows"}],
        }
    )


class Clock:
    """Stands still until somebody pauses."""

    def __init__(self) -> None:
        self.now = 0.0

    def read(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(("ready_after", "reached"), [(0, True), (5, True), (10, True), (11, False)])
def test_a_model_may_take_its_time_to_get_ready(serve: Serve, ready_after: int, reached: bool) -> None:
    clock, knocks = Clock(), []

    def respond(method: str, path: str, body: Any) -> tuple[int, Any]:
        knocks.append(path)
        return (200 if len(knocks) > ready_after else 503), {}

    config = build_config(reachableWithinSeconds=10, healthPath="/ready")
    with ModelClient(serve(respond), config, pause=clock.pause, clock=clock.read) as model:
        if reached:
            model.wait_until_reachable()
        else:
            with pytest.raises(InfraError, match=r"/ready was not answered within 10 s .*: HTTP 503"):
                model.wait_until_reachable()
    assert clock.now == min(ready_after, 10)
    assert set(knocks) == {"/ready"}


def test_rows_go_out_in_batches(serve: Serve) -> None:
    sizes = []
    model = build_json_model()

    def respond(method: str, path: str, body: Any) -> tuple[int, Any]:
        sizes.append(len(body["instances"]))
        return model(method, path, body)

    with ModelClient(serve(respond), build_config(batch=4)) as client:
        results = client.ask([{"x": float(i)} for i in range(10)])
    assert sizes == [4, 4, 2]
    assert results == [Answer(i) for i in range(10)]


def test_one_bad_row_does_not_spoil_its_batch(serve: Serve) -> None:
    def answer(row: Any) -> Any:
        if row["x"] == 2:
            raise RefusedError(400)
        return row["x"]

    with ModelClient(serve(build_json_model(answer)), build_config(batch=4)) as client:
        results = client.ask([{"x": float(i)} for i in range(5)])
    assert [i for i, one in enumerate(results) if isinstance(one, Failure)] == [2]
    assert isinstance(results[2], Failure)
    assert results[2].is_refusal


def test_a_proxy_of_the_environment_is_not_asked(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with ModelClient(serve(build_json_model()), build_config(reachableWithinSeconds=0)) as client:
        client.wait_until_reachable()
