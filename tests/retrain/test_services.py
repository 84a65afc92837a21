"""Model server, data service, MLflow client and the demo's client, on loopback."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiohttp import web

from examples.retrain.demo.client import Payments, Settings, Truth
from examples.retrain.fraud.data import DataService
from examples.retrain.fraud.monitoring import MAX_WAITING, PredictionLog, put_reference
from examples.retrain.fraud.rows import read_snapshot, take_snapshot
from examples.retrain.fraud.server import Server, name_version
from examples.retrain.fraud.settings import ServerSettings
from examples.retrain.fraud.tracking import Run, Tracker, TrackingError
from examples.retrain.fraud.world import draw_payments
from tests.retrain.test_train import ROWS, TRAINED


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class Listener:
    """A monitor that answers with `status` and keeps what it is told."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.told: list[tuple[str, Any]] = []
        self.app = web.Application(client_max_size=1 << 26)
        self.app.router.add_route("*", "/{path:.*}", self._answer)

    async def _answer(self, request: web.Request) -> web.Response:
        text = await request.text()
        if self.status == 200:
            told = json.loads(text) if request.path == "/rows" else [json.loads(line) for line in text.splitlines()]
            self.told += [(f"{request.method} {request.path}", one) for one in told]
        return web.Response(status=self.status)


def settings(monitor: str) -> ServerSettings:
    return ServerSettings("models:/fraud/3", "", "", monitor, "fraud", "ml", "fraud-abc", 0, 0.0)


PAYMENT = {"amount": 50.0, "distance": 4.0, "age": 100.0, "region": "south"}


async def test_every_prediction_is_told_to_the_monitor_with_revision_and_slice() -> None:
    listener = Listener()
    async with serving(listener.app) as monitor:
        server = Server(TRAINED.classifier, settings(monitor))
        async with (
            serving(server.build_app()) as url,
            aiohttp.ClientSession() as session,
            session.post(f"{url}/predict", json={"id": "p1", "features": PAYMENT}) as answer,
        ):
            assert (answer.status, answer.headers["x-model-version"]) == (200, "fraud/3")
            said = await answer.json()
        # What was waiting when the server ended was sent all the same.
        ((path, line),) = listener.told
    assert path == "POST /predictions"
    assert line["features"] == PAYMENT
    assert (line["id"], line["revision"], line["slice"]) == ("p1", "fraud-abc", "region=south")
    assert line["prediction"] is said["fraud"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"no json", "Expecting value"),
        (b'{"features": {}}', "id"),
        (b'{"id": "a", "features": {"amount": 1}}', "distance is None"),
        (b"[]", "indices"),
    ],
)
async def test_a_bad_request_is_told_and_not_logged(body: bytes, said: str) -> None:
    server = Server(TRAINED.classifier, settings("http://127.0.0.1:9"))
    async with serving(server.build_app()) as url, aiohttp.ClientSession() as session:
        async with session.post(f"{url}/predict", data=body) as answer:
            assert answer.status == 400
            assert said in (await answer.json())["error"]
        async with session.get(f"{url}/metrics") as answer:
            text = await answer.text()
    assert 'http_requests_total{method="POST",path="/predict",status="400"} 1.0' in text


async def test_predictions_wait_for_a_monitor_that_is_away_and_are_bounded() -> None:
    listener = Listener(503)
    async with serving(listener.app) as monitor, aiohttp.ClientSession() as session:
        log = PredictionLog(settings(monitor))
        for number in range(MAX_WAITING + 5):
            log.add(str(number), PAYMENT, True)
        await log.send(session)
        assert listener.told == []
        listener.status = 200
        await log.send(session)
        assert len(listener.told) == MAX_WAITING
        assert listener.told[-1][1]["id"] == str(MAX_WAITING - 1)
        await log.send(session)
        assert len(listener.told) == MAX_WAITING


async def test_a_reference_is_what_the_model_was_made_from() -> None:
    listener = Listener()
    async with serving(listener.app) as monitor:
        await asyncio.to_thread(put_reference, monitor, "sha256:ab", TRAINED.classifier, ROWS)
    assert len(listener.told) == len(ROWS)
    path, line = listener.told[0]
    assert path == "PUT /references/sha256:ab"
    assert set(line["features"]) == {"amount", "distance", "age", "region"}
    assert isinstance(line["prediction"], bool)


async def test_the_data_service_freezes_rows_under_a_name_that_never_changes() -> None:
    async with serving(DataService().build_app()) as url, aiohttp.ClientSession(raise_for_status=True) as session:
        await session.post(f"{url}/rows", json=ROWS[:10])
        first = await (await session.post(f"{url}/snapshots", json={"name": "a", "seconds": 60})).json()
        await session.post(f"{url}/rows", json=ROWS[10:20])
        again = await (await session.post(f"{url}/snapshots", json={"name": "a", "seconds": 60})).json()
        later = await (await session.post(f"{url}/snapshots", json={"name": "b", "seconds": 60})).json()
        none = await (await session.post(f"{url}/snapshots", json={"name": "c", "seconds": 0})).json()
        content = await (await session.get(f"{url}/snapshots/{first['digest']}")).read()
    assert first == again == {"id": "a", "digest": take_snapshot(ROWS[:10]).digest, "rows": 10}
    assert (later["rows"], none["rows"]) == (20, 0)
    assert read_snapshot(content, first["digest"]).rows == tuple(ROWS[:10])


async def test_rows_without_an_id_and_unknown_snapshots_are_refused() -> None:
    async with serving(DataService().build_app()) as url, aiohttp.ClientSession() as session:
        async with session.post(f"{url}/rows", json=[{"amount": 1}]) as answer:
            assert answer.status == 400
        async with session.get(f"{url}/snapshots/sha256:00") as answer:
            assert answer.status == 404


async def test_mlflow_that_says_no_is_told_with_its_words() -> None:
    async def refuse(_request: web.Request) -> web.Response:
        return web.json_response({"error_code": "INVALID_PARAMETER_VALUE", "message": "no such thing"}, status=400)

    async def exists(_request: web.Request) -> web.Response:
        return web.json_response({"error_code": "RESOURCE_ALREADY_EXISTS"}, status=400)

    async def made(request: web.Request) -> web.Response:
        body = await request.json()
        return web.json_response({"model_version": {"version": "7", "source": body["source"]}})

    app = web.Application()
    app.router.add_post("/api/2.0/mlflow/registered-models/create", exists)
    app.router.add_post("/api/2.0/mlflow/model-versions/create", made)
    app.router.add_route("*", "/{path:.*}", refuse)
    async with serving(app) as url:
        tracker = Tracker(url)
        run = Run(tracker, "r1", "mlflow-artifacts:/1/r1/artifacts")
        assert await asyncio.to_thread(tracker.register, "fraud", run, {"digest": "x"}) == "models:/fraud/7"
        with pytest.raises(TrackingError, match=r"HTTP 400: .*no such thing"):
            await asyncio.to_thread(tracker.start_run, "fraud", "r")
        with pytest.raises(TrackingError, match="HTTP 400"):
            await asyncio.to_thread(tracker.fetch_model, "models:/fraud/7")
    with pytest.raises(TrackingError, match="is no address of a model"):
        tracker.fetch_model("models:/fraud@champion")
    with pytest.raises(TrackingError, match="not kept by the MLflow server"):
        Run(tracker, "r1", "s3://bucket").log_model(b"")


def test_what_answers_call_themselves() -> None:
    assert name_version("models:/fraud/3") == "fraud/3"
    assert name_version("http://files.example/fraud-9") == "fraud-9"


def test_payments_follow_the_season_at_once(tmp_path: Path) -> None:
    season = tmp_path / "season"
    season.write_text("calm")
    payments = Payments(season, seed=3)
    calm = [payments.draw() for _ in range(300)]
    season.write_text("holiday")
    holiday = [payments.draw() for _ in range(300)]
    means = [np.mean([np.log(float(one.features["amount"])) for one in side]) for side in (calm, holiday)]
    assert means[1] - means[0] > 0.6


async def test_the_truth_comes_late_and_is_not_lost(tmp_path: Path) -> None:
    monitor, data = Listener(503), Listener()
    async with serving(monitor.app) as one, serving(data.app) as other, aiohttp.ClientSession() as session:
        truth = Truth(Settings(tmp_path, tmp_path, one, other, 0.2, 1), session)
        payment = draw_payments(np.random.default_rng(1), 1, "calm")[0]
        truth.add("p1", payment)
        await asyncio.gather(truth.tell_monitor(), truth.tell_data())
        assert data.told == []
        await asyncio.sleep(0.25)
        for _ in range(2):
            await asyncio.gather(truth.tell_monitor(), truth.tell_data())
        assert data.told == [("POST /rows", {"id": "p1", **payment.features, "fraud": payment.fraud})]
        assert monitor.told == []
        monitor.status = 200
        await truth.tell_monitor()
        assert monitor.told == [("POST /labels", {"id": "p1", "label": payment.fraud})]
