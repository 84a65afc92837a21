"""Events come in from people who have a key, once each, and nobody else moves anything."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from serinus.kube.secrets import SecretProblem
from serinus.shell.receiver import app as receiver_app
from serinus.shell.receiver.app import LARGEST, Delivery, build_receiver
from serinus.shell.receiver.memory import EVENTS, Rates, Seen
from serinus.shell.receiver.reading import EventIn
from serinus.shell.receiver.signature import sign
from tests.fakes.clock import START, FakeClock

KEY, OTHER = b"key-of-ml", b"key-of-somebody"
NOW = int(START.timestamp())
MLFLOW = {
    "entity": "model_version",
    "action": "created",
    "timestamp": "2026-11-23T10:00:00+00:00",
    "data": {"name": "fraud", "version": "7", "source": "s3://x", "run_id": None, "tags": {}, "description": None},
}
CLOUD = {"specversion": "1.0", "id": "42", "source": "//ci/train", "type": "data.arrived", "subject": "payments"}


class World:
    def __init__(self) -> None:
        self.taken: list[tuple[str, str, EventIn]] = []
        self.statuses: list[int] = []
        self.becomes: list[Delivery | float] = []
        self.keys: dict[str, str] | SecretProblem = {"ml": f"{KEY.decode()}\n", "ml.strict": OTHER.decode()}
        self.clock = FakeClock()
        self.url = ""
        self.session: ClientSession

    async def deliver(self, namespace: str, policy: str, event: EventIn) -> Delivery:
        became = self.becomes.pop(0) if self.becomes else "taken"
        if isinstance(became, float):
            await asyncio.sleep(became)
            became = "taken"
        if became == "taken":
            self.taken.append((namespace, policy, event))
        return became

    async def read_keys(self) -> dict[str, str] | SecretProblem:
        return self.keys

    async def post(self, headers: Any, body: bytes, path: str = "/events/ml/fraud") -> int:
        async with self.session.post(f"{self.url}{path}", data=body, headers=headers) as answer:
            self.text = await answer.text()
            assert KEY.decode() not in self.text
            return answer.status

    async def mlflow(
        self, said: Any = MLFLOW, key: bytes = KEY, delivery: str = "d-1", at: int = NOW, **more: Any
    ) -> int:
        body = more.pop("body", None) or json.dumps(said).encode()
        headers = {
            "Content-Type": "application/json",
            "X-MLflow-Delivery-Id": delivery,
            "X-MLflow-Timestamp": str(at),
            "X-MLflow-Signature": sign(key, f"{delivery}.{at}.".encode() + body),
        }
        return await self.post({**headers, **more.pop("headers", {})}, more.pop("sent", body), **more)

    async def cloud(self, said: Any = CLOUD, key: bytes = KEY, at: int = NOW, **more: Any) -> int:
        body = json.dumps(said).encode()
        headers = {
            "Content-Type": "application/cloudevents+json",
            "X-Serinus-Timestamp": str(at),
            "X-Serinus-Signature": sign(key, f"{at}.".encode() + body),
        }
        return await self.post({**headers, **more.pop("headers", {})}, body, **more)

    async def binary(
        self, sent: dict[str, str] = CLOUD, signed: dict[str, str] = CLOUD, body: bytes = b"\xff\x00"
    ) -> int:
        content = "".join(f"{signed.get(name, '')}\n" for name in ("id", "source", "type", "subject")).encode() + body
        headers = {
            "Content-Type": "application/octet-stream",
            "X-Serinus-Timestamp": str(NOW),
            "X-Serinus-Signature": sign(KEY, f"{NOW}.".encode() + content),
            **{f"ce-{name}": value for name, value in sent.items()},
        }
        return await self.post(headers, body)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    app = build_receiver(world.deliver, world.read_keys, world.clock, world.statuses.append)
    async with TestServer(app, host="127.0.0.1") as server, ClientSession() as session:
        world.url, world.session = f"http://127.0.0.1:{server.port}", session
        yield world


async def test_a_webhook_of_mlflow_reaches_its_policy(world: World) -> None:
    assert await world.mlflow() == 202
    at = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    event = EventIn("model_version.created", "mlflow", "mlflow:d-1", at, "fraud/7")
    assert world.taken == [("ml", "fraud", event)]
    assert world.statuses == [202]


async def test_a_cloud_event_is_the_same_in_either_mode(world: World) -> None:
    assert await world.cloud() == 202
    assert await world.binary() == 202
    assert world.text == "known already\n"
    [(_, _, event)] = world.taken
    assert (event.type, event.source, event.subject) == ("data.arrived", "//ci/train", "payments")
    assert re.fullmatch(r"ce:[0-9a-f]{32}", event.key)
    assert await world.cloud({**CLOUD, "id": "43"}) == 202
    assert await world.cloud({**CLOUD, "source": "//ci/other"}) == 202
    assert len({event.key for _, _, event in world.taken}) == 3


async def test_a_hundred_duplicates_are_one_event(world: World) -> None:
    statuses = await asyncio.gather(*(world.mlflow() for _ in range(20)))
    statuses += [await world.mlflow() for _ in range(80)]
    assert statuses == [202] * 100
    assert len(world.taken) == 1
    assert await world.mlflow(path="/events/ml/churn") == 202
    assert [policy for _, policy, _ in world.taken] == ["fraud", "churn"]


@pytest.mark.parametrize("at", [NOW - 301, NOW + 301, NOW - 10**8])
async def test_a_clock_that_is_too_far_away_is_not_believed(world: World, at: int) -> None:
    assert await world.mlflow(at=at) == 401
    assert await world.cloud(at=at) == 401
    assert "more than 300 s away" in world.text
    assert world.taken == []


@pytest.mark.parametrize("at", [NOW - 299, NOW + 299])
async def test_some_skew_is_usual(world: World, at: int) -> None:
    assert await world.mlflow(at=at) == 202


async def test_what_was_sent_once_cannot_be_sent_again_later(world: World) -> None:
    """Neither within the window, when it is known, nor afterwards, when it is old; also if it came from the future."""
    assert await world.mlflow(at=NOW + 299) == 202
    for _ in range(20):
        world.clock.advance(60)
        assert await world.mlflow(at=NOW + 299) in (202, 401)
    assert world.statuses[-1] == 401
    assert len(world.taken) == 1


@pytest.mark.parametrize(
    "send",
    [
        lambda world: world.mlflow(key=OTHER),
        lambda world: world.mlflow(key=b""),
        lambda world: world.cloud(key=OTHER),
        lambda world: world.mlflow(sent=json.dumps({**MLFLOW, "action": "deleted"}).encode()),
        lambda world: world.mlflow(headers={"X-MLflow-Delivery-Id": "d-2"}),
        lambda world: world.mlflow(headers={"X-MLflow-Timestamp": str(NOW + 1)}),
        lambda world: world.mlflow(headers={"X-MLflow-Timestamp": "soon"}),
        lambda world: world.mlflow(headers={"X-MLflow-Delivery-Id": ""}),
        lambda world: world.mlflow(headers={"X-MLflow-Signature": "v1,"}),
        lambda world: world.mlflow(headers={"X-MLflow-Signature": "\u00e4"}),
        lambda world: world.cloud(headers={"X-Serinus-Timestamp": "-1"}),
        lambda world: world.binary(sent={**CLOUD, "id": "43"}),
        lambda world: world.binary(sent={**CLOUD, "type": "another"}),
        lambda world: world.binary(sent={**CLOUD, "subject": "another"}),
        lambda world: world.post({}, b"{}"),
        lambda world: world.mlflow(path="/events/other/fraud"),
        lambda world: world.mlflow(path="/events/other/fraud", key=b""),
        lambda world: world.mlflow(path="/events/ml/strict"),
    ],
)
async def test_a_wrong_signature_moves_nothing(world: World, send: Any) -> None:
    assert await send(world) == 401
    assert world.taken == []


async def test_a_policy_may_have_a_key_of_its_own_and_keys_may_change(world: World) -> None:
    assert await world.mlflow(path="/events/ml/strict", key=OTHER) == 202
    world.keys = {"ml": "new-key\n" + KEY.decode() + "\n"}
    assert await world.mlflow(delivery="d-2") == 202
    assert await world.mlflow(delivery="d-3", key=b"new-key") == 202
    world.keys = {"ml": "new-key"}
    assert await world.mlflow(delivery="d-4") == 401


@pytest.mark.parametrize(
    "send",
    [
        lambda world: world.mlflow(body=b"not json"),
        lambda world: world.mlflow(body=b"[" * 100_000),
        lambda world: world.mlflow({"entity": "model_version"}),
        lambda world: world.mlflow([1]),
        lambda world: world.mlflow({**MLFLOW, "data": None}),
        lambda world: world.mlflow({**MLFLOW, "data": {"name": "x" * 300}}),
        lambda world: world.mlflow({**MLFLOW, "data": {"name": "a\nb"}}),
        lambda world: world.cloud([]),
        lambda world: world.cloud({**CLOUD, "type": "data arrived"}),
        lambda world: world.cloud({**CLOUD, "source": "x" * 129}),
        lambda world: world.cloud({**CLOUD, "specversion": "0.3"}),
        lambda world: world.cloud({**CLOUD, "id": ""}),
        lambda world: world.cloud({key: value for key, value in CLOUD.items() if key != "type"}),
        lambda world: world.mlflow(headers={"Content-Encoding": "gzip"}),
        lambda world: world.mlflow(path="/events/ml/UPPER"),
        lambda world: world.mlflow(path="/events/ml.fraud/x"),
    ],
)
async def test_what_is_no_event_is_said_so(world: World, send: Any) -> None:
    assert await send(world) == 400, world.text
    assert world.taken == []


async def test_a_header_twice_is_not_guessed_at(world: World) -> None:
    headers = [("ce-id", "1"), ("ce-id", "2"), ("X-Serinus-Timestamp", str(NOW)), ("X-Serinus-Signature", "v1,x")]
    assert await world.post(headers, b"") == 400


async def test_a_huge_body_is_not_read(world: World) -> None:
    assert await world.mlflow(body=b" " * (LARGEST + 1)) == 413

    async def drip() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 65536

    async with world.session.post(f"{world.url}/events/ml/fraud", data=drip()) as answer:
        assert answer.status == 413
    assert world.taken == []


async def test_what_our_own_runs_do_starts_no_other(world: World) -> None:
    made = {**MLFLOW, "data": {**MLFLOW["data"], "tags": {"serinus.run": "fraud-1"}}}  # type: ignore[dict-item]
    assert await world.mlflow(made) == 202
    tagged = {"entity": "model_version_tag", "action": "set", "data": {"name": "fraud", "version": "7"}}
    tagged["data"] |= {"key": "serinus.outcome", "value": "Succeeded"}  # type: ignore[operator]
    assert await world.mlflow(tagged, delivery="d-2") == 202
    assert world.taken == []


async def test_too_many_events_of_one_policy_hinder_no_other(world: World) -> None:
    statuses = [await world.mlflow(delivery=f"d-{number}") for number in range(15)]
    assert statuses == [202] * 10 + [429] * 5
    assert await world.mlflow(path="/events/ml/churn") == 202
    world.clock.advance(2)
    assert await world.mlflow(delivery="d-10") == 202
    assert len(world.taken) == 12


async def test_what_could_not_be_handed_on_may_come_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver_app, "PATIENCE", 0.5)
    world.becomes = ["away", "unknown", 30.0, "taken"]
    assert [await world.mlflow() for _ in range(5)] == [503, 404, 503, 202, 202]
    assert len(world.taken) == 1
    world.keys = SecretProblem("SecretNotReadable", "x")
    assert await world.mlflow() == 503


async def test_many_requests_at_once_are_turned_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver_app, "AT_ONCE", 2)
    world.becomes = [2.0, 2.0]
    statuses = await asyncio.gather(*(world.mlflow(delivery=f"d-{number}") for number in range(6)))
    assert sorted(statuses) == [202, 202, 429, 429, 429, 429]


async def test_without_the_library_the_extra_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cloudevents.core.bindings.http", None)
    assert await world.cloud() == 501
    assert "extra `events`" in world.text
    assert await world.mlflow() == 202


def test_memory_is_bounded() -> None:
    seen, rates = Seen(600), Rates()
    for number in range(3 * EVENTS):
        assert seen.add((str(number),), 0.0)
        rates.take(("ml", str(number)), 0.0)
    assert len(seen) == EVENTS
    assert len(rates._left) == 1_000
    assert not seen.add((str(3 * EVENTS - 1),), 599.0)
    assert seen.add((str(3 * EVENTS - 1),), 600.0)
    assert len(seen) == 1
