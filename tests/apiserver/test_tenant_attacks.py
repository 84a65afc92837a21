"""Whatever a tenant tries against his neighbours, the platform and the operator: refused, or of no effect.

One table; what was tried, and what stopped it, stands in build/attacks.json."""

import json
import re
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.apiserver.conftest import Surroundings
from tests.cluster.release import NAMESPACE
from tests.support import attacks_at_the_door, attacks_on_the_operator
from tests.support.admission import await_policies
from tests.support.attack import OWN, TENANT, VICTIM, Attack, Raw, Stage, set_up_tenants
from tests.support.authors import SERVICE, build_model, build_policy
from tests.support.model import Model, wait_for

pytestmark = pytest.mark.apiserver
TRAP_PORT = 9777
REFUSED = re.compile(r"refused|Invalid\w+: |RegistryRefused: |\w+Conflict: |ProviderNotFound: ")
"""What the operator says of an object that it does nothing for."""
WRITING = {"create", "update", "patch", "delete", "deletecollection"}
ATTACKS = {one.id: one for one in (*attacks_at_the_door.list_attacks(), *attacks_on_the_operator.list_attacks())}


@pytest.fixture(scope="module")
def stage(surroundings: Surroundings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The victim's model serves through the gateway; the tenant has one too, and a policy."""
    cluster, folder = surroundings.cluster, tmp_path_factory.mktemp("attacks")
    surroundings.answer("well")
    set_up_tenants(cluster)
    await_policies(cluster)
    victim = Model(cluster, VICTIM, folder)
    trap = folder / "trap"
    program = Path(__file__).parent / "trap.py"
    process = cluster.popen([sys.executable, str(program), str(TRAP_PORT), str(trap)])
    spaces = (one["metadata"] for one in cluster.get("namespaces")["items"])
    leaving = frozenset(one["name"] for one in spaces if "deletionTimestamp" in one)
    asks = (surroundings.list_queries, surroundings.set_quality)
    told = Stage(cluster, victim, *asks, trap, TRAP_PORT, leaving=leaving)
    try:
        for body in (build_model("standing", route=SERVICE), build_policy("standing")):
            wait_for("the roles", partial(_is_made, told, body), partial(told.create, TENANT, body))
        victim.apply("v1")
        victim.await_reason("Serving")
        wait_for("a record", lambda: cluster.get("modelrevisions", "-n", OWN)["items"], str)
        yield told
    finally:
        print(f"\nattacks: {told.write()}", flush=True)
        process.terminate()
        process.wait(timeout=10)
        cluster.kubectl("delete", "namespace", OWN, VICTIM, "--wait=false")


def _is_made(stage: Stage, body: Raw) -> bool:
    return stage.create(TENANT, body) == ""


@pytest.mark.parametrize("name", ATTACKS)
def test_a_tenant_gets_nothing_that_is_not_his(stage: Stage, name: str) -> None:
    attack = ATTACKS[name]
    outcome, why = "succeeded", ""
    try:
        why = attack.attempt(stage)
        outcome = "refused" if REFUSED.match(why) else attack.outcome
    except AssertionError as error:
        why = str(error)
        raise
    finally:
        stage.tried.append(
            {"id": name, "actor": attack.actor, "tried": attack.tried, "outcome": outcome, "why": why[:300]}
        )


def test_no_call_of_the_operator_has_left_the_namespace_it_was_about(stage: Stage) -> None:
    """Writes: in the tenant's namespace, to the victim's own objects, the Lease, Events. Reads: by name there too, or
    lists and watches of everything."""
    time.sleep(1)  # the audit log is written in batches
    strays: set[tuple[str, str, str, str]] = set()
    seen: set[str] = set()
    for event in stage.requests():
        what = event.get("objectRef") or {}
        verb, resource, namespace = event["verb"], what.get("resource", ""), what.get("namespace", "")
        name = what.get("name", "")
        seen.add(namespace)
        elsewhere = namespace.startswith("tier-") or namespace in stage.leaving
        if namespace in (OWN, NAMESPACE) or elsewhere or resource == "events":
            continue
        if namespace == VICTIM and (name.startswith(stage.model.name) or not name):
            continue
        if namespace == "" and (verb in ("list", "watch") or resource in ("metricsproviders", "")):
            continue
        if verb == "list" and resource == "gateways":
            continue
        strays.add((verb, resource, namespace, name))
    assert seen >= {OWN, VICTIM}
    assert strays == set()
    secrets = [one for one in stage.requests() if (one.get("objectRef") or {}).get("resource") == "secrets"]
    assert {one["objectRef"]["namespace"] for one in secrets} <= {NAMESPACE}, json.dumps(secrets)[:500]
    assert stage.trapped() == []


def test_no_pod_that_was_refused_was_made(stage: Stage) -> None:
    pods = stage.cluster.get("deployments,jobs", "-n", OWN)["items"]
    for one in pods:
        text = json.dumps(one["spec"])
        for field in ("hostPath", '"hostNetwork": true', '"privileged": true', '"serviceAccountName": "admin"'):
            assert field not in text, one["metadata"]["name"]


def test_the_table_has_attacks_of_every_kind() -> None:
    kinds = {one.id.split("/")[0] for one in ATTACKS.values()}
    assert kinds == {
        "pod",
        "author",
        "elsewhere",
        "forge",
        "command",
        "shape",
        "ssrf",
        "promql",
        "hijack",
        "inject",
        "burden",
        "operator",
    }
    assert all(isinstance(one, Attack) for one in ATTACKS.values())
