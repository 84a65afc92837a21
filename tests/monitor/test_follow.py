"""Which version is stable, asked of an API server: what it says, and what it does not."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from examples.monitor.serinus_monitor.errors import MonitorError, StableUnknownError
from examples.monitor.serinus_monitor.follow import Cluster, Fixed, build_source, check_reference
from examples.monitor.serinus_monitor.monitor import Stable
from serinus.api.modeldeployment import ModelDeploymentSpec
from serinus.api.modelrevision import ModelRevisionSpec
from serinus.api.status import ModelDeploymentStatus, ResolvedModel
from serinus.core.revision import build_content
from tests.monitor.bench import settings

ROOT = "/apis/serinus.dev/v1alpha1/namespaces/ml"
DEPLOYMENT = f"{ROOT}/modeldeployments/fraud"
REVISION = f"{ROOT}/modelrevisions/fraud-1"
STABLE = {"status": {"stable": {"revision": "fraud-1", "since": "2026-11-26T10:00:00Z"}}}
DIGEST = {"spec": {"content": {"model": {"uri": "models:/fraud/7", "digest": "sha256:ab"}}}}


class ApiServer:
    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if request.headers.get("Authorization") != "Bearer token-1":
            return web.json_response({"message": "Unauthorized"}, status=401)
        found = self.objects.get(request.path)
        if isinstance(found, web.Response):
            return found
        return web.json_response(found or {"message": "not found"}, status=200 if found else 404)


Start = Callable[[], Cluster]


@pytest.fixture
async def api() -> ApiServer:
    return ApiServer()


@pytest.fixture
async def cluster(api: ApiServer, tmp_path: Path) -> AsyncIterator[Cluster]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.answer)
    (tmp_path / "token").write_text("token-1\n")
    async with TestServer(app, host="127.0.0.1") as server, ClientSession() as session:
        yield Cluster(session, str(server.make_url("")).rstrip("/"), tmp_path, settings(), None)


async def test_the_reference_is_the_digest_of_the_stable_revisions_model(api: ApiServer, cluster: Cluster) -> None:
    api.objects = {DEPLOYMENT: STABLE, REVISION: DIGEST}
    assert await cluster.read() == Stable("fraud-1", "sha256:ab", 1795687200.0)
    assert await cluster.read() == Stable("fraud-1", "sha256:ab", 1795687200.0)
    assert api.asked == [DEPLOYMENT, REVISION, DEPLOYMENT], "a revision never changes"


async def test_a_model_inside_the_image_has_the_revisions_name_for_its_reference(
    api: ApiServer, cluster: Cluster
) -> None:
    api.objects = {DEPLOYMENT: STABLE, REVISION: {"spec": {"content": {"template": {}}}}}
    assert (await cluster.read()).reference == "fraud-1"


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        ({}, "HTTP 404"),
        ({DEPLOYMENT: {"spec": {}}}, "ModelDeployment fraud has no stable revision yet"),
        ({DEPLOYMENT: {"status": {"stable": None}}}, "no stable revision yet"),
        ({DEPLOYMENT: {"status": {"stable": {"revision": "fraud-1", "since": "soon"}}}}, "Invalid isoformat"),
        ({DEPLOYMENT: STABLE}, "modelrevisions/fraud-1 is answered with HTTP 404"),
        ({DEPLOYMENT: web.Response(text="<html>")}, "modeldeployments/fraud"),
        ({DEPLOYMENT: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})}, "HTTP 302"),
    ],
)
async def test_what_cannot_be_told_is_said_and_never_guessed(
    api: ApiServer, cluster: Cluster, objects: dict[str, Any], said: str
) -> None:
    api.objects = objects
    with pytest.raises(StableUnknownError, match=said):
        await cluster.read()


async def test_a_missing_or_refused_token_is_said(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("expired")
    with pytest.raises(StableUnknownError, match="HTTP 401"):
        await cluster.read()
    (tmp_path / "token").unlink()
    with pytest.raises(StableUnknownError, match="No such file"):
        await cluster.read()


async def test_an_api_server_that_is_away_is_said(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("token-1")
    async with ClientSession() as session:
        away = Cluster(session, "http://127.0.0.1:1", tmp_path, settings(), None)
        with pytest.raises(StableUnknownError, match=r"127\.0\.0\.1:1"):
            await away.read()


async def test_without_a_cluster_the_version_must_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    async with ClientSession() as session:
        with pytest.raises(MonitorError, match="--version"):
            build_source(settings(), session)
        source = build_source(settings(version="v1", reference="sha256:aa"), session)
        assert isinstance(source, Fixed)
        assert await source.read() == Stable("v1", "sha256:aa")
        assert await build_source(settings(version="v1"), session).read() == Stable("v1", "v1")


def test_a_digest_that_is_no_name_of_a_file_is_refused() -> None:
    assert check_reference(Stable("v1", "sha256:ab")) == "sha256-ab"
    assert check_reference(Stable("v1", "versionId=ab/c+d==")) == "versionId-ab-c-d--"
    with pytest.raises(StableUnknownError, match="no name of a reference"):
        check_reference(Stable("v1", "../../etc/passwd"))


async def test_the_digest_is_where_the_operator_writes_it(api: ApiServer, cluster: Cluster) -> None:
    raw = {
        "route": {"mode": "Replicas"},
        "template": {"spec": {"containers": []}},
        "model": {"from": {"uri": "models:/fraud@champion"}},
    }
    model = ResolvedModel(uri="models:/fraud@champion", resolved="models:/fraud/7", digest="sha256:cd")
    content = build_content(ModelDeploymentSpec.model_validate(raw), model=model)
    spec = ModelRevisionSpec(model_deployment="fraud", number=1, id="0" * 8, digest="0" * 64, content=content)
    status = ModelDeploymentStatus.model_validate(STABLE["status"])
    api.objects = {
        DEPLOYMENT: {"status": status.model_dump(mode="json", by_alias=True, exclude_none=True)},
        REVISION: {"spec": spec.model_dump(mode="json", by_alias=True, exclude_none=True)},
    }
    assert await cluster.read() == Stable("fraud-1", "sha256:cd", 1795687200.0)
