"""CRDs newer or older than the operator: it runs on, says what it cannot do, and loses nothing."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from serinus.api.crdcheck import find_outdated
from tests.cluster import Cluster
from tests.cluster.paths import REPOSITORY
from tests.cluster.serinus import restart_operator
from tests.support.model import Model, wait_for

pytestmark = pytest.mark.apiserver
CRD = "modeldeployments.serinus.dev"
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def change_crd(model: Model) -> Iterator[Callable[[Change], None]]:
    """Changes the properties of the CRD's schema; the CRD is what it was afterwards."""

    def change(work: Change) -> None:
        crd = model.cluster.get("crd", CRD)
        changed = copy.deepcopy(crd)
        work(changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"])
        model.cluster.kubectl("replace", "-f", "-", input=json.dumps(changed))

    yield change
    restore(model.cluster)


def restore(cluster: Cluster) -> None:
    file = REPOSITORY / "crds" / f"{CRD}.yaml"
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(file))


def test_a_field_and_a_word_of_a_newer_crd_are_named_and_wait(model: Model, change_crd: Callable[..., None]) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    stable = model.stable()

    def add(properties: dict[str, Any]) -> None:
        properties["spec"]["properties"]["tomorrow"] = {"type": "string"}
        properties["spec"]["properties"]["rollout"]["properties"]["preset"]["enum"].append("Tomorrow")

    change_crd(add)
    wait_until_known(model, {"tomorrow": "yes"})
    for spec, said in (
        ({"tomorrow": "yes"}, 'spec.tomorrow "yes" is not a field of the contract'),
        ({"rollout": {**model.spec["rollout"], "preset": "Tomorrow"}}, 'spec.rollout.preset "Tomorrow" must be one of'),
    ):

        def refused() -> bool:
            return model.reason() == "InvalidSpec"

        model.apply("v2", **spec)
        wait_for("it says so", refused, model.explain)
        assert said in model.condition("Ready")["message"]
        assert model.condition("Available")["status"] == "True"
        assert model.weights() == {stable: 100}
        assert includes(model.get()["spec"], spec), "nothing of it is lost"
    model.apply("v1")
    model.await_reason("Serving")
    model.apply("v2")
    model.await_reason("Serving")
    assert model.stable() != stable


def includes(kept: Any, given: Any) -> bool:
    """Whether everything given is kept; the API server adds defaults."""
    if isinstance(given, dict):
        return all(name in kept and includes(kept[name], value) for name, value in given.items())
    if isinstance(given, list):
        return len(kept) == len(given) and all(map(includes, kept, given))
    return bool(kept == given)


def wait_until_known(model: Model, spec: dict[str, Any]) -> None:
    """Wait until the API server goes by the new CRD: before that it may drop what it does not know.

    Watches that were open then go by the old one for a while longer. Who begins anew sees what was applied.
    """
    manifest = json.dumps(model.build("v2", **spec))

    def kept() -> bool:
        tried = ("apply", "--dry-run=server", "-o", "json", "-f", "-")
        said = model.cluster.kubectl(*tried, input=manifest, check=False)
        return said.returncode == 0 and includes(json.loads(said.stdout)["spec"], spec)

    wait_for("the API server keeps it", kept, lambda: "")
    restart_operator(model.cluster)


def test_an_older_crd_is_named_holds_the_release_and_loses_nothing(
    model: Model, change_crd: Callable[..., None]
) -> None:
    model.apply("v1")
    model.await_reason("Serving")
    stable = model.stable()

    def remove(properties: dict[str, Any]) -> None:
        del properties["status"]["properties"]["candidate"]["properties"]["startedAt"]

    change_crd(remove)

    def is_published() -> bool:
        document = model.cluster.kubectl("get", "--raw", "/openapi/v3/apis/serinus.dev/v1alpha1").stdout
        return bool(find_outdated(json.loads(document)))

    wait_for("the API server tells of the older CRD", is_published, lambda: "")
    # As after an upgrade of the operator alone. Left to itself it looks when it lists everything, in minutes.
    restart_operator(model.cluster)
    model.apply("v2")
    model.await_reason("CRDOutdated")
    said = model.condition("Ready")["message"]
    assert "the CRD modeldeployments.serinus.dev does not know status.candidate.startedAt" in said
    assert model.condition("Available")["status"] == "True"
    assert model.weights() == {stable: 100}
    restore(model.cluster)
    model.await_reason("Serving", patience=90)
    assert model.stable() != stable
