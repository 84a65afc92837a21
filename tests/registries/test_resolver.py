"""Registries are asked what a reference means, and believed no more than need be."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from serinus.api.modeluri import Reference, parse_reference
from serinus.net.hosts import read_hosts
from serinus.net.transport import LARGEST, Transport
from serinus.registries.outcome import Away, NotFound, Outcome, Pinned, Refused, Unpinned
from serinus.registries.resolver import Registries, resolve

MANIFEST = b'{"schemaVersion": 2}'
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class World:
    """One server that plays every registry, and says what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.authorizations: list[str] = []
        self.app = web.Application()
        self.app.router.add_route("*", "/{path:.*}", self._answer)
        self.host = ""
        self.transport = Transport(timeout=20.0)
        self.says: dict[str, Callable[[web.Request], Any]] = {}

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.path_qs))
        self.authorizations.append(request.headers.get("Authorization", ""))
        answer = self.says.get(request.path, lambda _: web.Response(status=404))(request)
        return await answer if asyncio.iscoroutine(answer) else answer

    async def ask(self, uri: str, **known: Any) -> Outcome:
        reference = parse_reference(uri.replace("HOST", self.host))
        assert isinstance(reference, Reference), reference
        base = f"http://{self.host}"
        given = {"hosts": {self.host: "http"}, "mlflow": base, "huggingface": base, **known}
        return await resolve(self.transport, Registries(**given), reference)


@pytest.fixture
async def world():
    world = World()
    async with TestServer(world.app, host="127.0.0.1") as server:
        world.host = f"127.0.0.1:{server.port}"
        yield world
        await world.transport.close()


def manifest(_: web.Request) -> web.Response:
    return web.Response(body=MANIFEST, headers={"Docker-Content-Digest": DIGEST})


async def test_a_tag_is_pinned_to_the_digest_of_its_manifest(world: World) -> None:
    world.says["/v2/models/fraud/manifests/7"] = manifest
    assert await world.ask("oci://HOST/models/fraud:7") == Pinned(f"oci://{world.host}/models/fraud@{DIGEST}", DIGEST)


async def test_what_is_pinned_by_itself_asks_nobody(world: World) -> None:
    pinned = await world.ask(f"oci://elsewhere.example/fraud:7@{DIGEST}")
    assert pinned == Pinned(f"oci://elsewhere.example/fraud@{DIGEST}", DIGEST)
    assert isinstance(await world.ask("s3://bucket/a?versionId=1"), Pinned)
    assert isinstance(await world.ask(f"hf://org/model@{COMMIT}"), Pinned)
    assert world.asked == []


async def test_what_cannot_be_asked_is_marked_as_unpinned(world: World) -> None:
    for uri in ("s3://bucket/a", "gs://bucket/a", "https://host.example/a", "pvc://claim/a"):
        assert isinstance(await world.ask(uri), Unpinned)
    assert world.asked == []


async def test_hosts_that_are_not_allowed_are_not_asked(world: World) -> None:
    said = await world.ask("oci://HOST/fraud:7", hosts={})
    assert isinstance(said, Refused)
    assert "SERINUS_MODEL_HOSTS" in said.message
    assert isinstance(await world.ask("models:/fraud@x", mlflow=None), Refused)
    assert isinstance(await world.ask("hf://org/model", huggingface=None), Refused)
    assert world.asked == []


async def test_a_token_for_everybody_is_fetched_from_the_registry_itself(world: World) -> None:
    def guarded(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") == "Bearer t0ken":
            return manifest(request)
        realm = f'Bearer realm="http://{world.host}/token",service="reg"'
        return web.Response(status=401, headers={"WWW-Authenticate": realm})

    world.says["/v2/fraud/manifests/7"] = guarded
    world.says["/token"] = lambda _: web.json_response({"token": "t0ken"})
    assert isinstance(await world.ask("oci://HOST/fraud:7"), Pinned)
    assert ("GET", "/token?service=reg&scope=repository:fraud:pull") in world.asked


async def test_a_token_from_elsewhere_is_not_fetched(world: World) -> None:
    challenge = {"WWW-Authenticate": 'Bearer realm="http://169.254.169.254/token"'}
    world.says["/v2/fraud/manifests/7"] = lambda _: web.Response(status=401, headers=challenge)
    assert isinstance(await world.ask("oci://HOST/fraud:7"), Refused)
    assert len(world.asked) == 1


async def slow(_: web.Request) -> web.Response:
    await asyncio.sleep(5)
    return web.Response()


@pytest.mark.parametrize(
    ("answer", "expected", "said"),
    [
        (lambda _: web.Response(status=404), NotFound, "there is no"),
        (lambda _: web.Response(status=403), Refused, "HTTP 403"),
        (lambda _: web.Response(status=500), Away, "HTTP 500"),
        (lambda _: web.Response(status=302, headers={"Location": "/v2/fraud/manifests/8"}), Away, "HTTP 302"),
        (slow, Away, "does not answer within 0.5s"),
        (lambda _: web.Response(body=b"x" * (LARGEST + 1)), Away, "more than 4,194,304 bytes"),
        (
            lambda _: web.Response(body=MANIFEST, headers={"Docker-Content-Digest": "sha256:" + "0" * 64}),
            Away,
            "says digest",
        ),
    ],
)
async def test_a_registry_that_is_not_well_is_told_from_one_that_knows_nothing(
    world: World, answer: Any, expected: type, said: str
) -> None:
    if answer is slow:
        world.transport = Transport(timeout=0.5)
    world.says["/v2/fraud/manifests/7"] = answer
    world.says["/v2/fraud/manifests/8"] = manifest
    found = await world.ask("oci://HOST/fraud:7")
    assert isinstance(found, expected)
    assert said in found.message


async def test_nobody_at_home(world: World) -> None:
    assert isinstance(await world.ask("oci://127.0.0.1:1/fraud:7", hosts={"127.0.0.1:1": "http"}), Away)


MLFLOW = "/api/2.0/mlflow"
VERSION = {"model_version": {"name": "fraud", "version": "2", "source": "s3://bucket/2"}}


async def test_an_alias_means_a_version_and_its_source(world: World) -> None:
    world.says[f"{MLFLOW}/registered-models/alias"] = lambda _: web.json_response(VERSION)
    world.says[f"{MLFLOW}/model-versions/get"] = lambda _: web.json_response(VERSION)
    by_alias = await world.ask("models:/fraud@champion")
    by_version = await world.ask("models:/fraud/2")
    assert isinstance(by_alias, Pinned)
    assert by_alias.uri == "models:/fraud/2"
    assert by_alias == by_version


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, {"error_code": "INVALID_PARAMETER_VALUE"}, NotFound),
        (404, {"error_code": "RESOURCE_DOES_NOT_EXIST"}, NotFound),
        (401, {}, Refused),
        (500, {}, Away),
        (200, {}, Away),
        (200, {"model_version": {"version": "x", "source": "y"}}, Away),
    ],
)
async def test_what_mlflow_does_not_know_is_told_apart(world: World, status: int, body: Any, expected: type) -> None:
    world.says[f"{MLFLOW}/registered-models/alias"] = lambda _: web.json_response(body, status=status)
    assert isinstance(await world.ask("models:/fraud@champion"), expected)


async def test_a_revision_of_a_hub_means_a_commit(world: World) -> None:
    world.says["/api/models/org/model/revision/main"] = lambda _: web.json_response({"sha": COMMIT})
    assert await world.ask("hf://org/model") == Pinned(f"hf://org/model@{COMMIT}", COMMIT)
    world.says["/api/models/org/model/revision/v1"] = lambda _: web.json_response({"sha": "../../x"})
    assert isinstance(await world.ask("hf://org/model@v1"), Away)


def test_admins_name_hosts_and_say_where_there_is_no_tls() -> None:
    assert read_hosts(("registry.example", "http://local:5000/")) == {"registry.example": "https", "local:5000": "http"}
