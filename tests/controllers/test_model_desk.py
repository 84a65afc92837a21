"""What a spec says of its model without saying it all: schemas, image volumes, the loader."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from serinus.api import reasons
from serinus.api.status import ModelDeploymentStatus, ResolvedModel
from serinus.controllers.claims import ClaimIndex
from serinus.controllers.content import Known
from serinus.controllers.intent import Intent, read_intent
from serinus.controllers.models import (
    ImageVolumes,
    LoaderSettings,
    ModelDesk,
    ModelResolver,
    SchemaReader,
    SchemaSource,
)
from serinus.controllers.wakeup import Wakeup
from serinus.core.children import Owner
from serinus.core.configmaps import digest_of, slim
from serinus.core.snapshot import Problem
from serinus.engine.store import Key, Store
from serinus.kube.errors import Forbidden, Unavailable
from serinus.kube.resources import MODELREVISIONS
from tests.controllers.stage import KEY, Stage, model_deployment

Raw = dict[str, Any]

TEXT = '{"type": "object", "properties": {"amount": {"type": "number"}}}'
FEATURES = {"amount": ["number"]}
OWNER = Owner(KEY.name, KEY.namespace, "uid")


def config_map(name: str = "features", **data: str) -> Raw:
    return {"metadata": {"name": name, "namespace": "ml"}, "data": data}


async def until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not check():  # noqa: ASYNC110  the state is another task's
            await asyncio.sleep(0.001)


class Shelf:
    """ConfigMaps that can be read, and how often they were."""

    def __init__(self, *config_maps: Raw) -> None:
        self.config_maps = {one["metadata"]["name"]: one for one in config_maps}
        self.read = 0
        self.reader = SchemaReader(self.fetch, lambda key, urgent: None, pauses=(0.001,), slowly=0.001)

    async def fetch(self, namespace: str, name: str) -> Raw | None:
        assert namespace == KEY.namespace
        self.read += 1
        return self.config_maps.get(name)

    def source(self, key: str = "schema.json") -> SchemaSource:
        return SchemaSource("features", key, digest_of(self.config_maps["features"]))


async def test_an_error_of_our_own_is_said_and_logged_and_it_is_tried_again() -> None:
    shelf = Shelf(config_map(**{"schema.json": TEXT}))
    source, held = shelf.source(), shelf.config_maps
    shelf.config_maps = cast("Any", None)
    with capture_logs() as logged:
        await until(lambda: isinstance(shelf.reader.observe(KEY, source), Problem))
    problem = shelf.reader.observe(KEY, source)
    assert isinstance(problem, Problem)
    assert problem.reason == reasons.LOOKUP_FAILED
    assert "AttributeError" in problem.message
    assert logged[0]["log_level"] == "error"
    shelf.config_maps = held
    await until(lambda: shelf.reader.observe(KEY, source) == FEATURES)


async def test_a_schema_is_read_once() -> None:
    shelf = Shelf(config_map(**{"schema.json": TEXT}))
    assert shelf.reader.observe(KEY, shelf.source()) is None
    await until(lambda: shelf.reader.observe(KEY, shelf.source()) == FEATURES)
    await asyncio.sleep(0.01)
    assert shelf.read == 1
    await shelf.reader.close()


@pytest.mark.parametrize(
    ("raw", "reason", "said"),
    [
        (
            config_map(**{"schema.json": "{"}),
            reasons.INVALID_SCHEMA,
            "key 'schema.json' of ConfigMap 'features' is not",
        ),
        ({**config_map(), "binaryData": {"schema.json": "AAAA"}}, reasons.INVALID_SCHEMA, "is binary"),
    ],
)
async def test_what_is_no_schema_is_said(raw: Raw, reason: str, said: str) -> None:
    shelf = Shelf(raw)
    source = shelf.source()
    await until(lambda: isinstance(shelf.reader.observe(KEY, source), Problem))
    problem = shelf.reader.observe(KEY, source)
    assert isinstance(problem, Problem)
    assert problem.reason == reason
    assert said in problem.message
    await shelf.reader.close()


async def test_data_that_are_not_those_that_were_meant_are_read_again() -> None:
    shelf = Shelf(config_map(**{"schema.json": "{}"}))
    meant = config_map(**{"schema.json": TEXT})
    source = SchemaSource("features", "schema.json", digest_of(meant))
    await until(lambda: isinstance(shelf.reader.observe(KEY, source), Problem))
    shelf.config_maps["features"] = meant
    await until(lambda: shelf.reader.observe(KEY, source) == FEATURES)
    await shelf.reader.close()


class Rehearsal:
    """Answers in their order; the last one goes on for ever."""

    def __init__(self, *answers: bool | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.volumes = ImageVolumes(self.rehearse, lambda key, urgent: None, pauses=(0.001,), slowly=0.001)

    async def rehearse(self, namespace: str) -> bool:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_an_api_server_that_has_image_volumes_is_asked_once_for_all() -> None:
    rehearsal = Rehearsal(True)
    assert rehearsal.volumes.observe(KEY) is None
    await until(lambda: rehearsal.volumes.observe(KEY) is True)
    assert rehearsal.volumes.observe(Key("ModelDeployment", "ml", "other")) is True
    assert rehearsal.asked == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (False, "the API server drops image volumes"),
        (Forbidden("no"), "could not be found out: no"),
        (Unavailable("away"), "could not be found out: away"),
    ],
)
async def test_whoever_drops_them_or_does_not_say_is_asked_again(answer: bool | Exception, said: str) -> None:
    rehearsal = Rehearsal(answer)
    await until(lambda: isinstance(rehearsal.volumes.observe(KEY), Problem))
    problem = rehearsal.volumes.observe(KEY)
    assert isinstance(problem, Problem)
    assert problem.reason == reasons.IMAGE_VOLUME_UNSUPPORTED
    assert said in problem.message
    rehearsal.answers = [True]
    await until(lambda: rehearsal.volumes.observe(KEY) is True)


@pytest.mark.parametrize(
    ("uri", "environment"),
    [
        ("oci://plain.example/x@sha256:" + "a" * 64, {"SERINUS_PLAIN_HTTP": "true"}),
        ("oci://tls.example/x@sha256:" + "a" * 64, {}),
        ("models:/fraud/1", {"MLFLOW_TRACKING_URI": "http://mlflow"}),
        ("hf://org/name@main", {"HF_ENDPOINT": "http://hub"}),
        ("s3://bucket/x", {}),
    ],
)
def test_the_loader_is_told_where_the_admin_lets_it_ask(uri: str, environment: dict[str, str]) -> None:
    settings = LoaderSettings(
        "loader:1", {"plain.example": "http", "tls.example": "https"}, "http://mlflow", "http://hub"
    )
    assert settings.describe(uri) == {"image": "loader:1", "env": environment}
    assert LoaderSettings().describe(uri) is None


def read(model: Raw, desk: ModelDesk, *config_maps: Raw, contents: dict[str, Raw] | None = None) -> Intent:
    held = {one["metadata"]["name"]: slim(one) for one in config_maps}
    uri = str(model["from"].get("uri") or "models:/fraud@champion")
    status = ModelDeploymentStatus(model=ResolvedModel(uri=uri, resolved=uri))
    return read_intent(OWNER, model_deployment(model=model), status, None, Known(KEY, contents or {}, held.get, desk))


SCHEMA = {"from": {"uri": "s3://models/fraud"}, "schema": {"configMap": "features", "key": "schema.json"}}
VERIFY = {
    "from": {"uri": "pvc://models/fraud"},
    "delivery": "Claim",
    "verify": {"publicKey": {"configMap": "keys", "key": "release.pem"}},
}


async def test_a_schema_that_is_recorded_is_not_read_again() -> None:
    features = config_map(**{"schema.json": TEXT})
    shelf = Shelf(features)
    desk = ModelDesk(schemas=shelf.reader)
    intent = read(SCHEMA, desk, features)
    assert (intent.readable, intent.problems, intent.resolving) == (
        False,
        [],
        "reading the schema in ConfigMap features",
    )
    await until(lambda: read(SCHEMA, desk, features).readable)
    wanted = read(SCHEMA, desk, features).wanted
    assert wanted.content["schema"]["features"] == FEATURES
    again = Shelf(features)
    known = read(SCHEMA, ModelDesk(schemas=again.reader), features, contents={wanted.name: wanted.content})
    assert known.wanted.name == wanted.name
    assert again.read == 0


@pytest.mark.parametrize(
    ("model", "config_maps", "said"),
    [
        (SCHEMA, (), "spec.model.schema.configMap: there is no ConfigMap 'features' here"),
        (
            SCHEMA,
            (config_map(a="1"),),
            "spec.model.schema.key: ConfigMap 'features' has no key",
        ),
        (VERIFY, (), "spec.model.verify.publicKey.configMap: there is no ConfigMap 'keys' here"),
        (VERIFY, (config_map("keys"),), "has no key 'release.pem': it has none"),
    ],
)
def test_a_config_map_or_key_that_is_missing_is_named(model: Raw, config_maps: tuple[Raw, ...], said: str) -> None:
    intent = read(model, ModelDesk(loader=LoaderSettings("loader:1")), *config_maps)
    assert not intent.readable
    assert [problem.reason for problem in intent.problems] == [reasons.CONFIG_MAP_NOT_FOUND]
    assert said in intent.problems[0].message


def test_a_revision_keeps_its_loader_and_a_new_one_needs_one() -> None:
    keys = config_map("keys", **{"release.pem": "PEM"})
    missing = read(VERIFY, ModelDesk(), keys)
    assert [problem.reason for problem in missing.problems] == [reasons.LOADER_NOT_CONFIGURED]
    wanted = read(VERIFY, ModelDesk(loader=LoaderSettings("loader:1")), keys).wanted
    assert wanted.loader == {"image": "loader:1", "env": {}}
    recorded = {wanted.name: {**wanted.content, "loader": wanted.loader}}
    known = read(VERIFY, ModelDesk(), keys, contents=recorded)
    assert known.readable
    assert known.wanted.name == wanted.name


def test_a_registry_is_asked_by_one_text() -> None:
    source = {"from": {"registry": {"provider": "mlflow", "name": "fraud", "alias": "champion"}}}
    assert read(source, ModelDesk()).wanted.content["model"]["uri"] == "models:/fraud@champion"


def test_a_change_of_schema_or_key_wakes_the_model() -> None:
    woken: list[Key] = []
    store = Store()
    wakeup = Wakeup(store, ClaimIndex(), woken.append)
    raw = model_deployment(model={**VERIFY, "schema": SCHEMA["schema"]})
    raw["metadata"] |= {"creationTimestamp": "2026-11-23T10:00:00Z", "resourceVersion": "1"}
    store.put("ModelDeployment", raw)
    wakeup.notify("ModelDeployment", raw)
    for name in ("features", "keys", "others"):
        woken.clear()
        wakeup.notify("ConfigMap", config_map(name))
        assert woken == ([KEY] if name != "others" else [])


async def test_a_check_is_told_which_model_it_checks() -> None:
    stage = Stage()
    check = {"name": "cases", "job": {"template": {"spec": {"containers": [{"name": "c", "image": "c:1"}]}}}}
    model = {"from": {"uri": "https://host.example/fraud"}}
    raw = stage.apply(model_deployment(model=model, rollout={"validation": [check]}))
    known = {"uri": model["from"]["uri"], "resolved": "https://host.example/fraud#7", "digest": "sha256:7"}
    stage.kube.put({**raw, "status": {"model": known}})
    await stage.settle()
    await stage.run(3)
    (job,) = [one for (kind, _, _), one in stage.kube.objects.items() if kind == "Job"]
    environment = {one["name"]: one.get("value") for one in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert environment["SERINUS_MODEL_URI"] == "https://host.example/fraud#7"
    assert environment["SERINUS_MODEL_DIGEST"] == "sha256:7"


async def test_a_text_that_is_put_back_means_what_it_meant_though_the_registry_is_away() -> None:
    async def never(reference: Any) -> Any:
        await asyncio.Event().wait()

    resolver = ModelResolver(never, lambda key, urgent: None)
    old, digest = "oci://host.example/fraud:old", "sha256:" + "1" * 64
    meant = ResolvedModel(uri=old, resolved=f"oci://host.example/fraud@{digest}", digest=digest)
    serving = read_intent(
        OWNER,
        model_deployment(model={"from": {"uri": old}}),
        ModelDeploymentStatus(model=meant),
        None,
        Known(KEY, {}, {}.get, ModelDesk()),
    ).wanted
    assert serving.reference == old
    status = ModelDeploymentStatus.model_validate(
        {
            "stable": {"revision": serving.name, "since": "2026-11-23T10:00:00Z"},
            "model": {"uri": "oci://host.example/fraud:new", "resolved": "x", "digest": "sha256:2"},
        }
    )
    recorded = {serving.name: {**serving.content, "reference": old}}
    known = Known(KEY, recorded, {}.get, ModelDesk(resolver=resolver))
    back = read_intent(OWNER, model_deployment(model={"from": {"uri": old}}), status, None, known)
    assert back.readable
    assert back.wanted.name == serving.name
    other = {"from": {"uri": "oci://host.example/fraud:third"}}
    assert not read_intent(OWNER, model_deployment(model=other), status, None, known).readable
    await resolver.close()


async def test_what_cannot_be_read_is_put_onto_nobody() -> None:
    """Stable's record is lost and the new spec refers to a ConfigMap that is not there."""
    stage = Stage()
    stage.apply(model_deployment())
    await stage.settle()
    stable = str(stage.object()["status"]["stable"]["revision"])
    record = stage.object("ModelRevision", stable)
    await stage.kube.delete(MODELREVISIONS, "ml", stable, uid=record["metadata"]["uid"])
    changed = model_deployment("m:untested")
    changed["spec"]["template"]["spec"]["volumes"] = [{"name": "c", "configMap": {"name": "missing"}}]
    stage.apply(changed)
    await stage.settle()
    assert stage.condition("Ready") == ("False", "ConfigMapNotFound")
    images = [c["image"] for c in stage.object("Deployment", stable)["spec"]["template"]["spec"]["containers"]]
    assert images == ["m:1"]
    await stage.analyst.close()
