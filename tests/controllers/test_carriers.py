"""Candidates are handed over to git, to a forge and to MLflow, once each, and taken back."""

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from serinus.api import retrainreasons as words
from serinus.api.runplan import ResultsSpec
from serinus.api.runstatus import GateResult, PromotionState, RetrainRunStatus, RunModel
from serinus.controllers.inquiry import Later
from serinus.controllers.retrain.desk import Order
from serinus.controllers.retrain.pullrequest import PullRequestCarrier
from serinus.controllers.retrain.registry import AliasCarrier, fetch_results
from serinus.core.retrain.runview import Handed
from serinus.net.outcome import Refused
from serinus.net.transport import Transport
from serinus.registries.mlflow_api import MLflow
from tests.core.retrain.runworld import DIGEST, RunWorld, plan
from tests.forge.github_stub import TOKEN, GitHub
from tests.forge.gitserver import GitServer, serve
from tests.registries.mlflow_stub import World

FILE = b"spec:\n  model:\n    from: {uri: models:/fraud/7, digest: old}   # the champion\n"
EDITS = [
    {"file": "fraud.yaml", "path": "spec.model.from.uri"},
    {"file": "fraud.yaml", "path": "spec.model.from.digest", "value": "Digest"},
]


class Branches:
    def __init__(self, git: GitServer) -> None:
        self.git = git

    def __contains__(self, name: object) -> bool:
        return name in self.git.branches()


@dataclass
class Stage:
    """A repository, its forge, and the Secret for both."""

    git: GitServer
    github: GitHub
    secret: dict[str, str]
    present: bool = True

    async def fetch(self, namespace: str, name: str) -> Any:
        if not self.present:
            return Refused(f"there is no Secret {namespace}/{name}", access=True)
        data = {key: base64.b64encode(value.encode()).decode() for key, value in self.secret.items()}
        metadata = {"namespace": namespace, "name": name, "labels": {"serinus.dev/credentials": "git"}}
        return {"metadata": metadata, "data": data}

    @property
    def carrier(self) -> PullRequestCarrier:
        hosts = {self.git.host: "http", self.github.host: "http"}
        return PullRequestCarrier(self.github.transport, hosts, self.fetch)

    def states(self) -> dict[int, str]:
        return {number: one["state"] for number, one in self.github.requests.items()}

    def end(self, number: int, *, merged: bool) -> None:
        """A person decides; merging moves the base to the branch."""
        one = self.github.requests[number]
        one |= {"state": "closed", "merged_at": "2026-01-01T00:00:00Z" if merged else None}
        if merged:
            branch = one["head"]["ref"]
            self.git.commit({"fraud.yaml": self.git.read(self.git.branches()[branch], "fraud.yaml")})


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    with serve(tmp_path, "dulwich") as git:
        git.create({"fraud.yaml": FILE})
        github = GitHub()
        github.branches = Branches(git)
        github.tip = lambda branch: git.branches()[branch]
        async with TestServer(github.app, host="127.0.0.1") as server:
            github.host = f"127.0.0.1:{server.port}"
            secret = {"url": git.address, "token": TOKEN, "api": f"http://{github.host}/api/v3"}
            yield Stage(git, github, secret)
            await github.transport.close()


def order(uri: str = "models:/fraud/8", digest: str | None = DIGEST, edits: Any = EDITS, **status: Any) -> Order:
    promotion = {"target": "PullRequest", "pullRequest": {"secret": "deploy", "edits": edits}}
    world = RunWorld(plan=plan(promotion=promotion))
    gate = GateResult(name="f1", kind="Metric", verdict="Passed", value="0.93", champion="0.91", bound=">= 0.90 | x")
    model = RunModel(uri=uri, digest=digest, snapshot="2026-03-01", source="4f2c")
    return Order("fraud-1", "ml", world.spec, RetrainRunStatus(model=model, gates=(gate,), **status))


async def test_a_candidate_becomes_one_pull_request_with_its_evidence(stage: Stage) -> None:
    handed = await stage.carrier.hand_over(order())
    assert handed == Handed("https://github.example/payments/deploy/pull/1")
    assert await stage.carrier.hand_over(order()) == handed
    [request] = stage.github.requests.values()
    changed = stage.git.read(stage.git.branches()[request["head"]["ref"]], "fraud.yaml").decode()
    assert changed == FILE.decode().replace("models:/fraud/7", "models:/fraud/8").replace("old", DIGEST)
    assert request["title"] == "fraud: promote models:/fraud/8"
    for said in ("`ml/fraud-1`", "`2026-03-01`", "`4f2c`", "| `f1` | `Passed` | `0.93` | `0.91` | `>= 0.90 ¦ x` |"):
        assert said in request["body"]


async def test_a_newer_candidate_replaces_the_one_before(stage: Stage) -> None:
    await stage.carrier.hand_over(order())
    await stage.carrier.hand_over(order("models:/fraud/9"))
    assert stage.states() == {1: "closed", 2: "open"}
    assert [number for number, _ in stage.github.comments] == [1]
    assert sorted(stage.git.branches()) == sorted(["main", stage.github.requests[2]["head"]["ref"]])


async def test_people_decide_and_that_is_seen(stage: Stage) -> None:
    handed = await stage.carrier.hand_over(order())
    assert isinstance(handed, Handed)
    waiting = await stage.carrier.watch(order(), handed.reference)
    assert isinstance(waiting, Later)
    assert waiting.problem.message == f"{handed.reference} is open"
    stage.end(1, merged=False)
    assert await stage.carrier.watch(order(), handed.reference) == Handed(handed.reference, closed=True)
    assert await stage.carrier.hand_over(order()) == Handed(handed.reference, closed=True)
    stage.end(1, merged=True)
    assert await stage.carrier.watch(order(), handed.reference) == handed
    done = await stage.carrier.hand_over(order())
    assert isinstance(done, Handed)
    assert done.reference.startswith("main@")


async def test_what_was_merged_is_asked_back_and_what_is_open_is_closed(stage: Stage) -> None:
    await stage.carrier.hand_over(order())
    assert await stage.carrier.restore(order()) is True
    assert stage.states() == {1: "closed"}
    await stage.carrier.hand_over(order("models:/fraud/9"))
    stage.end(2, merged=True)
    back = order("models:/fraud/9", message="AnalysisFailed: f1 too low")
    assert await stage.carrier.restore(back) is True
    assert await stage.carrier.restore(back) is True
    assert stage.states() == {1: "closed", 2: "closed", 3: "open"}
    request = stage.github.requests[3]
    assert request["title"] == "fraud: back to models:/fraud/7"
    assert "`AnalysisFailed: f1 too low`" in request["body"]
    assert b"models:/fraud/7" in stage.git.read(stage.git.branches()[request["head"]["ref"]], "fraud.yaml")
    # The same again, later: what was merged once does not stand for it.
    stage.end(3, merged=True)
    await stage.carrier.hand_over(order("models:/fraud/10"))
    stage.end(4, merged=True)
    assert await stage.carrier.restore(order("models:/fraud/10")) is True
    assert stage.states()[5] == "open"
    assert stage.github.requests[5]["head"]["ref"] == request["head"]["ref"]


async def test_without_an_api_a_branch_is_all(stage: Stage) -> None:
    del stage.secret["api"]
    handed = await stage.carrier.hand_over(order())
    [branch] = [name for name in stage.git.branches() if name != "main"]
    assert handed == Handed(f"branch {branch} of payments/deploy at {stage.git.host}")
    assert await stage.carrier.watch(order(), handed.reference) == handed
    assert stage.github.asked == []


@pytest.mark.parametrize(
    ("what", "reason", "said"),
    [
        ("no secret", words.WAITING, "there is no Secret ml/deploy"),
        ("token", words.WAITING, "does not accept the token"),
        ("host", words.WAITING, "SERINUS_GIT_HOSTS"),
        ("forge", words.WAITING, "HTTP 500"),
        ("path", words.PROMOTION_REFUSED, "fraud.yaml: has no spec.nothing"),
        ("digest", words.PROMOTION_REFUSED, "wants the digest of models:/fraud/8, which has none"),
    ],
)
async def test_what_better_credentials_cure_is_waited_for(stage: Stage, what: str, reason: str, said: str) -> None:
    asked = order()
    if what == "no secret":
        stage.present = False
    elif what == "token":
        stage.secret["token"] = "another"
    elif what == "host":
        stage.secret["url"] = "https://elsewhere.example/a/b"
    elif what == "forge":
        stage.github.faults = [lambda _: __import__("aiohttp").web.Response(status=500)]
    elif what == "path":
        asked = order(edits=[{"file": "fraud.yaml", "path": "spec.nothing"}])
    else:
        asked = order(digest=None)
    later = await stage.carrier.hand_over(asked)
    assert isinstance(later, Later)
    assert later.problem.reason == reason
    assert said in later.problem.message
    assert TOKEN not in later.problem.message


@pytest.fixture
async def mlflow() -> AsyncIterator[World]:
    world = World()
    async with TestServer(world.app, host="127.0.0.1") as server:
        world.mlflow = MLflow(Transport(timeout=20.0), f"http://127.0.0.1:{server.port}")
        yield world
        await world.mlflow.transport.close()


WRITABLE = ("ml/fraud", "ml/churn")


def alias(uri: str = "models:/fraud/8", name: str | None = None, **status: Any) -> Order:
    spec = {"alias": "champion"} | ({"name": name} if name else {})
    world = RunWorld(plan=plan(promotion={"target": "Alias", "alias": spec}))
    return Order("fraud-1", "ml", world.spec, RetrainRunStatus(model=RunModel(uri=uri), **status))


async def test_an_alias_is_moved_and_moved_back(mlflow: World) -> None:
    carrier = AliasCarrier(mlflow.mlflow, WRITABLE)
    mlflow.aliases["champion"] = "7"
    handed = await carrier.hand_over(alias())
    assert handed == Handed("models:/fraud@champion", "7")
    assert mlflow.tags["8"]["serinus.run"] == "fraud-1"
    assert mlflow.aliases == {"champion": "8"}
    # After a crash nobody has written down what was there before.
    assert await carrier.hand_over(alias()) == handed
    told = PromotionState(target="Alias", before="7")
    assert await carrier.restore(alias(promotion=told, phase="RolledBack")) is True
    assert mlflow.aliases == {"champion": "7"}
    assert mlflow.tags["8"]["serinus.outcome"] == "RolledBack"
    assert await carrier.restore(alias(promotion=told)) is True


async def test_an_alias_that_was_not_there_goes_again(mlflow: World) -> None:
    carrier = AliasCarrier(mlflow.mlflow, WRITABLE)
    assert await carrier.hand_over(alias()) == Handed("models:/fraud@champion", None)
    assert await carrier.restore(alias(promotion=PromotionState(target="Alias"))) is True
    assert mlflow.aliases == {}


@pytest.mark.parametrize("stands", ["9", "8"])
async def test_an_alias_is_left_where_others_moved_it_or_nobody_knows_where_it_was(mlflow: World, stands: str) -> None:
    mlflow.aliases["champion"] = stands
    assert await AliasCarrier(mlflow.mlflow, WRITABLE).restore(alias(promotion=PromotionState(target="Alias"))) is True
    assert mlflow.aliases == {"champion": stands}


async def test_a_model_that_is_in_no_registry_has_no_alias(mlflow: World) -> None:
    for asked, said in (
        (alias("s3://models/8"), "spec.promotion.alias.name is missing"),
        (alias(name="churn"), "the candidate is models:/fraud/8"),
    ):
        later = await AliasCarrier(mlflow.mlflow, WRITABLE).hand_over(asked)
        assert isinstance(later, Later)
        assert later.problem.reason == words.PROMOTION_REFUSED
        assert said in later.problem.message
    found = await AliasCarrier(mlflow.mlflow, WRITABLE).hand_over(alias("s3://models/8", name="fraud"))
    assert found == Handed("models:/fraud@champion", None)


@pytest.mark.parametrize("writable", [(), ("other/fraud",), ("ml/fraud-*", "ml/Fraud", "*/raud")])
@pytest.mark.parametrize(("uri", "name"), [("models:/fraud/8", None), ("s3://models/8", "fraud")])
async def test_a_model_that_is_not_the_namespaces_own_is_not_touched(
    mlflow: World, writable: tuple[str, ...], uri: str, name: str | None
) -> None:
    mlflow.aliases["champion"] = "7"
    carrier, told = AliasCarrier(mlflow.mlflow, writable), PromotionState(target="Alias", before="6")
    handed = await carrier.hand_over(alias(uri, name))
    back = await carrier.restore(alias(uri, name, promotion=told, phase="RolledBack"))
    for later in (handed, back):
        assert isinstance(later, Later)
        assert (later.problem.reason, later.soon) == (words.WAITING, False), "a setting cures it"
        assert "registered model fraud of MLflow may not be written for namespace ml" in later.problem.message
        assert "ml/fraud in models.mlflow.writable of the chart's values" in later.problem.message
    assert mlflow.asked == []
    assert (mlflow.aliases, mlflow.tags) == ({"champion": "7"}, {})


@pytest.mark.parametrize("entry", ["ml/fraud", "*/fraud", "ml/fr*", "ml/*", "*/*", "ml/fr[a]ud"])
async def test_what_the_admin_lets_a_namespace_write_is_written(mlflow: World, entry: str) -> None:
    carrier = AliasCarrier(mlflow.mlflow, ("other/*", entry))
    assert await carrier.hand_over(alias()) == Handed("models:/fraud@champion", None)


async def test_a_model_that_mlflow_takes_for_the_one_asked_for_is_not_touched(mlflow: World) -> None:
    """Some databases do not tell capitals from small letters."""
    later = await AliasCarrier(mlflow.mlflow, ("ml/FRAUD",)).hand_over(alias("models:/FRAUD/8"))
    assert isinstance(later, Later)
    assert "registered model fraud of MLflow may not be written" in later.problem.message
    assert {method for method, _ in mlflow.asked} == {"GET"}


async def test_results_come_from_the_registry(mlflow: World) -> None:
    source = ResultsSpec.model_validate({"from": "Registry", "registry": {"name": "fraud"}})
    mlflow.faults["GET runs/get"] = lambda _: __import__("aiohttp").web.json_response(
        {"run": {"info": {"status": "FINISHED"}, "data": {"metrics": [{"key": "f1", "value": 0.93}]}}}
    )
    text = await fetch_results(mlflow.mlflow, source, "fraud-1")
    assert isinstance(text, str)
    assert '"metrics": {"f1": 0.93}' in text
    mlflow.versions = []
    later = await fetch_results(mlflow.mlflow, source, "fraud-1")
    assert isinstance(later, Later)
    assert later.problem.reason == words.RESULTS_MISSING
