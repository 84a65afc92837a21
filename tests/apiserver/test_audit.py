"""The audit record as a real operator writes it: who released, approved, aborted and retried, on what evidence, and
nothing in the whole log that is secret."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from serinus.api.audit import ACTIONS, AUDIT_LOGGER, AUDIT_VERSION, KEYS
from tests.apiserver.conftest import Surroundings
from tests.apiserver.test_provider import SECRET, Guard, open_guard
from tests.support.admission import await_policies
from tests.support.auditlog import Line, OperatorLog
from tests.support.model import Model, wait_for

pytestmark = pytest.mark.apiserver

NAME = "audited"
TOKEN, WRONG = "bearer-kestrel-0", "bearer-kestrel-1"
PASSWORD, NOTED = "plover-2-password", "ghp_" + "Heron3" * 6
PLANTED = (TOKEN, WRONG, PASSWORD, NOTED)
BETWEEN = {"release.advanced", "release.state"}
"""What is told as often as it happens, which is for the weather to say."""


@pytest.fixture
def log(model: Model) -> OperatorLog:
    return OperatorLog(model.cluster)


@pytest.fixture
def guard(surroundings: Surroundings, tmp_path: Path) -> Iterator[Guard]:
    with open_guard(surroundings, tmp_path, TOKEN, NAME) as guard:
        guard.apply(credentials={"secretRef": {"name": SECRET, "key": "token"}})
        guard.put_secret(WRONG)
        yield guard


@pytest.fixture
def people(model: Model) -> None:
    """ada may approve, bob may abort and retry."""
    cluster, namespace = model.cluster, model.namespace
    await_policies(cluster)
    kind = "--resource=modeldeployments.serinus.dev"
    for user, verbs in (("ada", "approve"), ("bob", "abort,retry")):
        cluster.kubectl("create", "role", user, f"--verb=get,patch,{verbs}", kind, "-n", namespace)
        cluster.kubectl("create", "rolebinding", user, f"--role={user}", f"--user={user}", "-n", namespace)


def order(model: Model, user: str, command: str) -> None:
    """Give a command as somebody, in his name; again until his role is known."""
    annotations = {"serinus.dev/command": command, "serinus.dev/command-by": user}
    patch = json.dumps({"metadata": {"annotations": annotations}})
    place = ("patch", "modeldeployment", model.name, "-n", model.namespace, "--type=merge", f"--as={user}")

    def give() -> bool:
        return model.cluster.kubectl(*place, "-p", patch, check=False).returncode == 0

    wait_for(f"{user} may {command}", give, model.explain)


def test_the_log_says_who_did_what_on_what_evidence_and_nothing_secret(
    model: Model, guard: Guard, people: None, log: OperatorLog
) -> None:
    model.spec["rollout"] |= {"steps": [{"weight": 50, "hold": "1s"}], "bake": "1s", "drain": "1s"}
    model.spec["rollout"]["analysis"]["provider"] = NAME
    guard.await_reason("Unauthorized")
    guard.put_secret(TOKEN)
    model.apply("v1")
    model.await_reason("Serving")
    first = model.stable()

    model.spec["rollout"]["approval"] = {"required": "BeforeTraffic"}
    model.apply("v2")
    model.await_reason("AwaitingApproval")
    second = wait_for("a candidate", model.candidate, model.explain)
    order(model, "ada", f"approve {second} looked at, {NOTED}")
    model.await_reason("Serving")
    guard.await_reason("Configured")

    model.apply("v3")
    model.await_reason("AwaitingApproval")
    third = wait_for("a candidate", model.candidate, model.explain)
    order(model, "bob", f"abort {third} see https://bob:{PASSWORD}@ci.example/7")
    log.await_action(model.namespace, "release.aborted")
    order(model, "bob", f"retry {third}")
    lines = log.await_action(model.namespace, "release.started", 4)

    assert_form(lines)
    assert [line for line in told(lines) if line[0] not in BETWEEN] == [
        ("release.started", first, None, "spec"),
        ("release.promoted", first, None, "operator"),
        ("release.started", second, None, "spec"),
        ("command.accepted", second, "ada", "command-by"),
        ("release.approved", second, "ada", "command-by"),
        ("release.promoted", second, None, "operator"),
        ("release.started", third, None, "spec"),
        ("command.accepted", third, "bob", "command-by"),
        ("release.aborted", third, "bob", "command-by"),
        ("command.accepted", third, "bob", "command-by"),
        ("release.started", third, "bob", "command-by"),
    ]
    approved, aborted = (find(lines, f"release.{word}") for word in ("approved", "aborted"))
    assert approved["command"] == f"approve {second} looked at, ***"
    assert aborted["command"] == f"abort {third} see https://***@ci.example/7"
    promoted = find(lines[::-1], "release.promoted")
    verdicts = {one["metric"]: one["verdict"] for one in promoted["evidence"]}
    # A rollout of seconds may be too short for more.
    assert promoted["verdict"] == verdicts["errors"] in ("Good", "NotEnoughEvidence")
    assert re.search(r"of \d+", promoted["evidence"][0]["candidate"])
    assert_record(model, lines)
    assert [word for word in PLANTED if word in log.read()] == []
    shown = [json.dumps(model.get()["status"]), json.dumps(guard.raw()), *model.events()]
    assert [word for word in PLANTED for text in shown if word in text] == []


def told(lines: list[Line]) -> list[tuple[str, str | None, str | None, str]]:
    return [(one["action"], one["revision"], one["by"], one["by_source"]) for one in lines]


def find(lines: list[Line], action: str) -> Line:
    return next(line for line in lines if line["action"] == action)


def assert_form(lines: list[Line]) -> None:
    """As docs/audit.md has it: every key in each line, known actions, in the order of time."""
    for line in lines:
        assert set(line) == {*KEYS, "event", "logger", "level", "timestamp"}
        assert (line["audit"], line["logger"], line["level"]) == (AUDIT_VERSION, AUDIT_LOGGER, "info")
        assert line["action"] in ACTIONS
        assert line["uid"]
        assert line["generation"] >= 1
    times = [line["timestamp"] for line in lines]
    assert times == sorted(times)
    assert len({(line["timestamp"], line["action"], line["revision"]) for line in lines}) == len(lines)


def assert_record(model: Model, lines: list[Line]) -> None:
    """What the line points to says the same, and so does the history of the revision."""
    for line in lines:
        if line["record"] is None:
            continue
        kind, name = line["record"].split("/")
        assert (kind, name) == ("ModelRevision", line["revision"])
        history = model.get(kind.lower(), name)["status"].get("history", [])
        if line["action"] in ("release.approved", "release.promoted", "release.aborted"):
            assert [one.get("by") for one in history if one["action"] == line["action"]] == [line["by"]]
