"""What the audit log says, against what is granted."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.rights.__main__ import main
from tests.rights.audit import read_asked
from tests.rights.release import ACCOUNT
from tests.rights.rules import Right
from tests.rights.verdict import TIERS, assess

Raw = dict[str, Any]

JOBS = Right("batch", "jobs", "create")


def line(verb: str, resource: str, *, code: int = 200, decision: str = "allow", **more: Any) -> str:
    plural, _, subresource = resource.partition("/")
    event = {
        "stage": "ResponseComplete",
        "user": {"username": ACCOUNT},
        "verb": verb,
        "objectRef": {"resource": plural, "apiGroup": "batch", **({"subresource": subresource} if subresource else {})},
        "responseStatus": {"code": code},
        "annotations": {"authorization.k8s.io/decision": decision},
    }
    return json.dumps({**event, **more})


def read(*lines: str) -> tuple[set[Right], set[Right]]:
    asked = read_asked(lines, ACCOUNT)
    return set(asked.used), set(asked.denied)


def test_what_was_allowed_is_used_also_where_it_came_to_nothing() -> None:
    log = [line("create", "jobs"), line("update", "jobs/status", code=409), line("delete", "jobs", code=404)]
    used, denied = read(*log, '{"half of a line')
    assert used == {JOBS, Right("batch", "jobs/status", "update"), Right("batch", "jobs", "delete")}
    assert denied == set()


def binding(verb: str, name: str = "serinus") -> str:
    what = {"resource": "rolebindings", "apiGroup": "rbac.authorization.k8s.io", "namespace": "serinus-system"}
    return line(verb, "rolebindings", user={"username": "admin"}, objectRef={**what, "name": name})


def test_a_release_that_is_being_uninstalled_is_denied_things_and_that_does_not_count() -> None:
    refused = line("update", "jobs", decision="forbid")
    assert read(binding("delete"), refused) == (set(), set())
    assert read(binding("delete", "another"), refused)[1], "the bindings of others are not ours"
    assert read(binding("delete"), binding("patch"), refused)[1], "it is there again"
    assert read(refused, binding("delete"))[1], "it was there still"


def test_a_refusal_is_denied_and_not_used_and_one_by_admission_is_no_refusal() -> None:
    quota = {"code": 403, "message": 'jobs "a" is forbidden: exceeded quota'}
    used, denied = read(
        line("create", "jobs", code=403, decision="forbid"), line("patch", "jobs", responseStatus=quota)
    )
    assert denied == {JOBS}
    assert used == {Right("batch", "jobs", "patch")}


def test_an_apply_that_makes_something_used_two_rights() -> None:
    used, _ = read(line("patch", "jobs", code=201))
    assert used == {JOBS, JOBS._replace(verb="patch")}
    message = (
        'jobs.batch "a" is forbidden: User "x" cannot create resource "jobs" in API group "batch" in the namespace "y"'
    )
    used, denied = read(line("patch", "jobs", responseStatus={"code": 403, "message": message}))
    assert denied == {JOBS}
    assert used == {JOBS._replace(verb="patch")}


def test_others_and_paths_say_nothing() -> None:
    other = line("create", "jobs", user={"username": f"{ACCOUNT}-of-another"})
    path = line("get", "jobs", objectRef=None)
    begun = line("watch", "jobs", stage="RequestReceived")
    assert read(other, path, begun) == (set(), set())


def test_a_watch_that_has_not_ended_is_used() -> None:
    assert read(line("watch", "jobs", stage="ResponseStarted"))[0] == {JOBS._replace(verb="watch")}


def test_granted_in_vain_and_missing_are_told_apart_and_other_accounts_left_out() -> None:
    delete = JOBS._replace(verb="delete")
    mine = read_asked([line("create", "jobs"), line("list", "jobs", decision="forbid")], ACCOUNT).dump(ACCOUNT)
    theirs = read_asked([line("delete", "jobs")], ACCOUNT).dump("another")
    verdict = assess({JOBS, delete}, [mine, theirs], ACCOUNT)
    assert verdict.unused == (delete,)
    assert verdict.denied == Counter({JOBS._replace(verb="list"): 1})
    assert not verdict.is_tight
    assert assess({JOBS}, [mine | {"denied": []}], ACCOUNT).is_tight


def test_half_a_run_says_nothing(tmp_path: Path) -> None:
    assert main(["check", str(tmp_path)]) == 2
    for number, tier in enumerate(TIERS):
        summary = {"tier": tier, "account": ACCOUNT, "used": [], "denied": []}
        (tmp_path / f"{number}.json").write_text(json.dumps(summary))
    assert main(["check", str(tmp_path)]) == 1
