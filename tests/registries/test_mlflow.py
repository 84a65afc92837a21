"""MLflow is asked for versions and told aliases and tags; what it does wrong is told from what is not there."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from serinus.api.modeluri import Reference, parse_reference
from serinus.net.outcome import Away, Refused
from serinus.net.transport import Transport
from serinus.registries.mlflow import (
    AliasAt,
    AliasMoved,
    Tagged,
    Version,
    find_version,
    move_alias,
    read_alias,
    set_tags,
)
from serinus.registries.mlflow_api import MLflow
from serinus.registries.mlflow_runs import Dataset, Run, build_results, find_trained, read_run
from serinus.registries.outcome import NotFound, Pinned
from serinus.registries.resolver import Registries, resolve
from tests.registries.mlflow_stub import VERSION, World, error


@pytest.fixture
async def world():
    world = World()
    async with TestServer(world.app, host="127.0.0.1") as server:
        world.mlflow = MLflow(Transport(timeout=20.0), f"http://127.0.0.1:{server.port}/")
        yield world
        await world.mlflow.transport.close()


async def test_the_version_of_a_run_is_pinned_as_a_reference_to_it_is(world: World) -> None:
    found = await find_version(world.mlflow, run="r1", name="fraud")
    assert isinstance(found, Version)
    assert (found.number, found.run, found.tags) == ("7", "r1", {"a": "b"})
    assert world.filter == "run_id='r1' and name='fraud'"
    world.faults["GET model-versions/get"] = lambda _: web.json_response({"model_version": VERSION})
    reference = parse_reference("models:/fraud/7")
    assert isinstance(reference, Reference)
    assert await resolve(world.mlflow.transport, Registries(mlflow=world.mlflow.address), reference) == found.pinned
    assert await find_version(world.mlflow, tag="fraud-x1") == found
    assert world.filter == "tags.`serinus.run`='fraud-x1'"


async def test_none_and_several_are_told_apart(world: World) -> None:
    world.versions = []
    assert isinstance(await find_version(world.mlflow, run="r1"), NotFound)
    world.versions = [VERSION, {**VERSION, "version": "8"}]
    several = await find_version(world.mlflow, run="r1")
    assert several == Refused("MLflow knows 2 versions with run_id='r1': fraud/7, fraud/8")
    world.versions = [{"name": "fraud"}]
    assert isinstance(await find_version(world.mlflow, run="r1"), Away)


@pytest.mark.parametrize(
    "asked", [{"run": "a' or 'b'='b"}, {"tag": "x'"}, {"run": "r", "name": "a'b"}, {"name": "x"}, {}]
)
async def test_what_would_change_the_question_is_not_asked(world: World, asked: dict[str, str]) -> None:
    assert isinstance(await find_version(world.mlflow, **asked), Refused)
    assert world.asked == []


async def test_an_alias_is_moved_and_what_it_was_is_told(world: World) -> None:
    assert await read_alias(world.mlflow, "fraud", "champion") == AliasAt(None)
    assert await move_alias(world.mlflow, "fraud", "champion", "7") == AliasMoved(None, "7", moved=True)
    assert await move_alias(world.mlflow, "fraud", "champion", "8") == AliasMoved("7", "8", moved=True)
    world.asked.clear()
    assert await move_alias(world.mlflow, "fraud", "champion", "8") == AliasMoved("8", "8", moved=False)
    assert [method for method, _ in world.asked] == ["GET"]
    assert await move_alias(world.mlflow, "fraud", "champion", None) == AliasAt(None)
    assert world.aliases == {}
    assert await move_alias(world.mlflow, "fraud", "champion", None) == AliasAt(None)


async def test_a_move_by_somebody_else_in_the_same_moment_is_noticed(world: World) -> None:
    async def another(request: web.Request) -> web.Response:
        world.aliases["champion"] = "9"
        return web.json_response({})

    world.faults["POST registered-models/alias"] = another
    said = await move_alias(world.mlflow, "fraud", "champion", "8")
    assert said == Away("somebody else has moved alias champion of fraud in the same moment")


async def test_tags_that_are_there_are_not_written_again(world: World) -> None:
    found = await find_version(world.mlflow, run="r1")
    assert isinstance(found, Version)
    world.asked.clear()
    assert await set_tags(world.mlflow, found, {"a": "b", "serinus.outcome": "Succeeded"}) == Tagged()
    assert world.asked == [("POST", "model-versions/set-tag")]
    assert isinstance(await set_tags(world.mlflow, found, {"a": "x" * 5001}), Refused)


async def test_a_run_that_is_odd_is_no_run(world: World) -> None:
    for body in ({}, {"run": []}, {"run": {}}, {"run": {"info": {"status": "x"}, "inputs": {"dataset_inputs": [{}]}}}):
        world.faults["GET runs/get"] = lambda _, body=body: web.json_response(body)
        assert isinstance(await read_run(world.mlflow, "r1"), Away)
    world.faults["GET runs/get"] = lambda _: web.json_response({"run": {"info": {"status": "FINISHED"}}})
    assert await read_run(world.mlflow, "r1") == Run("r1", "FINISHED", {}, {}, ())


async def test_the_version_of_a_run_of_ours_is_found_by_its_own_tag_or_by_that_of_its_run(world: World) -> None:
    found = await find_trained(world.mlflow, "fraud", "fraud-x1")
    assert isinstance(found, Version)
    runs = {"r1": "fraud-x0", "r2": "fraud-x1", "r3": "fraud-x1"}

    def search(request: web.Request) -> web.Response:
        if "tags" in request.query["filter"]:
            return web.json_response({})
        listed = [{**VERSION, "version": str(n), "run_id": run} for n, run in enumerate(world.known, 1)]
        return web.json_response({"model_versions": listed})

    def get(request: web.Request) -> web.Response:
        tags = [{"key": "serinus.run", "value": runs[request.query["run_id"]]}]
        return web.json_response({"run": {"info": {"status": "FINISHED"}, "data": {"tags": tags}}})

    world.faults = {"GET model-versions/search": search, "GET runs/get": get}
    world.known = ["r1", "", "r2"]
    found = await find_trained(world.mlflow, "fraud", "fraud-x1")
    assert isinstance(found, Version)
    assert found.number == "3"
    assert isinstance(await find_trained(world.mlflow, "fraud", "fraud-x9"), NotFound)
    world.known = ["r1", "r2", "r3"]
    several = await find_trained(world.mlflow, "fraud", "fraud-x1")
    assert several == Refused("RetrainRun fraud-x1 has made 2 versions: fraud/2, fraud/3")
    world.faults["GET runs/get"] = lambda _: web.Response(status=503)
    assert isinstance(await find_trained(world.mlflow, "fraud", "fraud-x1"), Away)


def test_what_was_logged_becomes_results() -> None:
    version = Version("fraud", "7", "s", "r1", Pinned("models:/fraud/7", "sha256:x"), {})
    metrics = {"f1": 0.93, "a.b": 1.0, "champion.f1": 0.91, "data.null_ratio": 0.01, "data.rows": 12000.0}
    tags = {
        "mlflow.source.git.commit": "abc",
        "serinus.data.digest": f"sha256:{'0' * 64}",
        "serinus.champion.digest": "sha256:c",
        "other": "x",
    }
    datasets = (Dataset("holdout", "1", "s3://h", "evaluation"), Dataset("payments", "2", "s3://p", "training"))
    results = build_results(version, Run("r1", "FINISHED", metrics, tags, datasets))
    assert results == {
        "model": {"uri": "models:/fraud/7", "digest": "sha256:x"},
        "mlflow": {"run": "r1"},
        "metrics": {"f1": 0.93, "a.b": 1.0},
        "champion": {"metrics": {"f1": 0.91}, "digest": "sha256:c"},
        "data": {
            "null_ratio": 0.01,
            "rows": 12000,
            "digest": f"sha256:{'0' * 64}",
            "id": "mlflow:payments@2",
        },
        "source": {"revision": "abc"},
    }
    assert build_results(version, None) == {"model": results["model"], "mlflow": {"run": "r1"}}


async def slow(_: web.Request) -> web.Response:
    await asyncio.sleep(2)
    return web.Response()


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (lambda _: error(404, "RESOURCE_DOES_NOT_EXIST"), NotFound),
        (lambda _: error(400, "INVALID_PARAMETER_VALUE"), Refused),
        (lambda _: error(400, "BAD_REQUEST"), Refused),
        (lambda _: web.Response(status=401), Refused),
        (lambda _: web.Response(status=403), Refused),
        (lambda _: web.Response(status=429), Away),
        (lambda _: web.Response(status=503), Away),
        (lambda _: web.Response(status=302, headers={"Location": "/login"}), Away),
        (lambda _: web.Response(text="<html>"), Away),
        (slow, Away),
    ],
)
async def test_what_mlflow_says_instead(world: World, fault: Any, outcome: type) -> None:
    found = Version("fraud", "7", "s", "", Pinned("models:/fraud/7", "sha256:x"), {})
    calls = [
        ("GET model-versions/search", lambda: find_version(world.mlflow, run="r1")),
        ("POST registered-models/alias", lambda: move_alias(world.mlflow, "fraud", "champion", "7")),
        ("POST model-versions/set-tag", lambda: set_tags(world.mlflow, found, {"k": "v"})),
    ]
    if fault is slow:
        calls = calls[:1]
        world.mlflow = MLflow(Transport(timeout=0.5), world.mlflow.address)
    for place, call in calls:
        world.faults = {place: fault}
        said: Any = await call()
        assert type(said) is outcome, (place, said)


async def test_credentials_are_read_from_their_file_each_time(world: World, tmp_path: Path) -> None:
    file = tmp_path / "mlflow"
    guarded = MLflow(world.mlflow.transport, world.mlflow.address, file)
    missing = await read_alias(guarded, "fraud", "champion")
    assert isinstance(missing, Refused)
    assert "SERINUS_MLFLOW_CREDENTIALS" in missing.message
    assert world.asked == []
    for text, header in (("me:s3cret\n", "Basic bWU6czNjcmV0"), ("t0ken", "Bearer t0ken")):
        file.write_text(text)
        world.authorizations.clear()
        assert await read_alias(guarded, "fraud", "champion") == AliasAt(None)
        assert world.authorizations == {header}
    reference = parse_reference("models:/fraud/7")
    assert isinstance(reference, Reference)
    await resolve(guarded.transport, Registries(mlflow=guarded.address, mlflow_credentials=file), reference)
    assert world.authorizations == {"Bearer t0ken"}
    file.write_text("a\nHost: x")
    assert isinstance(await read_alias(guarded, "fraud", "champion"), Refused)
