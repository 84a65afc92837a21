"""Pods are asked before they serve: the first answer must be a good one, and nobody else's pods are asked."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from serinus.api.rollout import ConfigMapKey
from serinus.api.status import CandidateState
from serinus.controllers.warmer import TRIES, Order, Warmer, find_order
from serinus.engine.store import Key
from serinus.serving.client import Sent
from tests.core.world import spec

KEY = Key("ModelDeployment", "ml", "fraud")
BODY = ConfigMapKey(config_map="samples", key="x.json")


def order(**changes: Any) -> Order:
    given = {"revision": "fraud-1", "release": "1", "port": 8080, "path": "/infer", "requests": 3, "body": None}
    return Order(**{**given, **changes})


class Models:
    """Pods by address, with their answers in the order of the requests; the last one goes on for ever."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Sent]] = defaultdict(lambda: [Sent(200)])
        self.asked: dict[str, list[bytes | None]] = defaultdict(list)
        self.config_maps: dict[str, dict[str, Any]] = {}
        self.told = 0
        self.warmer = Warmer(self.send, self.read, self.tell, pause=0.001)

    async def send(self, url: str, body: bytes | None) -> Sent:
        await asyncio.sleep(0)
        self.asked[url].append(body)
        answers = self.answers[url]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def read(self, namespace: str, name: str) -> dict[str, Any] | None:
        assert namespace == KEY.namespace
        return self.config_maps.get(name)

    def tell(self, key: Key, urgent: bool) -> None:
        assert key == KEY
        self.told += 1

    def states(self, given: Order, **pods: str) -> dict[str, str]:
        return {pod: warmth.state for pod, warmth in self.warmer.watch(KEY, given, pods).items()}


@pytest.fixture
async def models():
    models = Models()
    yield models
    await models.warmer.close()


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not check():  # noqa: ASYNC110  the state is the warmer's own
            await asyncio.sleep(0.001)


async def test_each_pod_is_sent_the_requests_once(models: Models) -> None:
    assert models.states(order(), a="10.0.0.1", b="fd00::1") == {"a": "Cold", "b": "Cold"}
    await until(lambda: set(models.states(order(), a="10.0.0.1", b="fd00::1").values()) == {"Warm"})
    assert {url: len(bodies) for url, bodies in models.asked.items()} == {
        "http://10.0.0.1:8080/infer": 3,
        "http://[fd00::1]:8080/infer": 3,
    }
    assert models.told == 2


async def test_errors_give_the_model_up_and_silence_does_not(models: Models) -> None:
    models.answers["http://10.0.0.1:8080/infer"] = [Sent(None, "connection refused")] * 10 + [Sent(500)]
    await until(lambda: models.states(order(), a="10.0.0.1") == {"a": "Failed"})
    said = models.warmer.watch(KEY, order(), {"a": "10.0.0.1"})["a"].message
    assert said == "the first request to a/infer: HTTP 500"
    assert len(models.asked["http://10.0.0.1:8080/infer"]) == 10 + TRIES


async def test_a_model_that_answers_after_an_error_is_warm(models: Models) -> None:
    models.answers["http://10.0.0.1:8080/infer"] = [Sent(503), Sent(302), Sent(200), Sent(500)]
    await until(lambda: models.states(order(), a="10.0.0.1") == {"a": "Warm"})


async def test_the_body_comes_from_a_config_map_and_is_waited_for(models: Models) -> None:
    given = order(body=BODY)
    await until(lambda: "samples' is not there" in models.warmer.watch(KEY, given, {"a": "10.0.0.1"})["a"].message)
    models.config_maps["samples"] = {"data": {"y": ""}}
    await until(lambda: "no key 'x.json'" in models.warmer.watch(KEY, given, {"a": "10.0.0.1"})["a"].message)
    assert models.asked == {}
    models.config_maps["samples"] = {"binaryData": {"x.json": "e30="}}
    await until(lambda: models.states(given, a="10.0.0.1") == {"a": "Warm"})
    assert models.asked["http://10.0.0.1:8080/infer"] == [b"{}"] * 3


async def test_another_release_starts_anew_and_pods_that_are_gone_are_left_alone(models: Models) -> None:
    await until(lambda: models.states(order(), a="10.0.0.1") == {"a": "Warm"})
    assert models.states(order(release="2"), a="10.0.0.1") == {"a": "Cold"}
    assert models.states(order(release="2")) == {}
    asked = {url: len(bodies) for url, bodies in models.asked.items()}
    await asyncio.sleep(0.02)
    assert {url: len(bodies) for url, bodies in models.asked.items()} == asked


@pytest.mark.parametrize(
    ("warmup", "expected"),
    [
        (None, None),
        ({"for": "30s"}, None),
        ({"requests": 2}, (2, "/")),
        ({"path": "/x"}, (10, "/x")),
        ({"requests": 2, "path": "/x"}, (2, "/x")),
    ],
)
def test_what_is_sent_follows_from_what_is_written(warmup: dict[str, Any] | None, expected: Any) -> None:
    from serinus.api.status import CandidateState

    model = spec("m:1", rollout={"warmup": warmup} if warmup else {})
    found = find_order(model, CandidateState(revision="fraud-1"), {"template": model.template})
    assert (None if found is None else (found.requests, found.path)) == expected


async def test_pods_that_serve_already_are_not_asked_again(models: Models) -> None:
    """As after a restart of the operator, which forgets who was warm."""
    step = "2026-11-23T10:00:00Z"
    candidate = CandidateState.model_validate({"revision": "m-1", "weight": 50, "stepStartedAt": step})
    pods = [ready_pod("old", "10.0.0.1", "2026-11-23T09:59:00Z"), ready_pod("new", "10.0.0.2", "2026-11-23T10:01:00Z")]
    given = spec(rollout={"warmup": {"path": "/infer", "requests": 2}})
    contents = {"m-1": {"template": given.template}}
    (found,) = models.warmer.observe(KEY, given, candidate, contents, pods).values()
    assert {name: warmth.state for name, warmth in found.items()} == {"old": "Warm", "new": "Cold"}
    await until(lambda: len(models.asked) > 0)
    assert all("10.0.0.2" in url for url in models.asked)


def ready_pod(name: str, address: str, since: str) -> dict[str, Any]:
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": since}
    labels = {"serinus.dev/revision": "m-1"}
    return {"metadata": {"name": name, "labels": labels}, "status": {"podIP": address, "conditions": [ready]}}
