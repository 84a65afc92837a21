"""What people do with Helm while a model is being released: nothing of it is noticed by who asks the model."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Cluster, release
from tests.cluster.helm import CHART
from tests.cluster.release import NAMESPACE, RELEASE
from tests.cluster.serinus import start_operator
from tests.support.model import Model, wait_for
from tests.support.release import (
    PREVIOUS,
    Standing,
    build_previous_chart,
    list_leaving,
    list_writers,
    package,
    read_images,
    wait_for_roll,
)
from tests.traffic.answers import count
from tests.traffic.route import list_weights

pytestmark = pytest.mark.cluster
CRD = "modeldeployments.serinus.dev"
NOW, BEFORE = f"localhost/serinus:{release.TAG}", f"localhost/serinus:{PREVIOUS}"


@pytest.fixture
def cluster(stocked_cluster: Cluster) -> Iterator[Cluster]:
    """The node, with the release as other tests expect it afterwards."""
    yield stocked_cluster
    start_operator(stocked_cluster)


def values_of(cluster: Cluster, tag: str = release.TAG, replicas: int = 2) -> dict[str, Any]:
    values = release.load_values(cluster)
    return {**values, "replicas": replicas, "image": {**values["image"], "tag": tag}}


def count_columns(cluster: Cluster) -> int:
    return len(cluster.get("crd", CRD)["spec"]["versions"][0]["additionalPrinterColumns"])


def test_a_rollout_goes_on_over_upgrade_rollback_uninstall_and_install(
    model: Model, cluster: Cluster, tmp_path: Path
) -> None:
    release.load_operator_image(cluster, PREVIOUS, PREVIOUS)
    previous, chart = package(cluster, build_previous_chart(tmp_path), tmp_path), package(cluster, CHART, tmp_path)
    release.upgrade(cluster, values_of(cluster, PREVIOUS), chart=previous)
    wait_for_roll(cluster, BEFORE, 2)
    # However long Helm takes, the rollout stands at 20 % meanwhile, and is judged.
    steps = [{"weight": 20, "hold": "2s"}, {"pause": {}}, {"weight": 50, "hold": "2s"}]
    model.spec["rollout"] |= {"steps": steps, "bake": "3s"}
    model.apply("v1", change=be_steady)
    model.await_reason("Serving")
    began, columns = time.time(), count_columns(cluster)
    with model.traffic() as traffic, model.route_watch() as route:
        model.apply("v2", change=be_steady)
        new = model.await_weight(20)
        model.await_reason("Paused")
        standing = Standing(model)
        assert standing.seen["evidence"]

        release.helm(cluster, "upgrade", RELEASE, str(chart), "-n", NAMESPACE, "--values", "-", stdin=values(cluster))
        assert {NOW, BEFORE} in wait_for_roll(cluster, NOW, 2), "two versions were to run at the same time"
        assert count_columns(cluster) > columns
        standing.assert_goes_on()

        release.helm(cluster, "rollback", RELEASE, "-n", NAMESPACE)
        wait_for_roll(cluster, BEFORE, 2)
        standing.assert_goes_on()

        release.helm(cluster, "uninstall", RELEASE, "-n", NAMESPACE, "--wait", "--timeout", "60s")
        wait_for("no operator", lambda: not read_images(cluster), lambda: str(read_images(cluster)))
        assert list_leaving(cluster, model.namespace) == []
        assert cluster.get("crd", CRD)["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        standing.assert_goes_on()
        time.sleep(2)
        assert model.weights()[new] == 20

        release.helm(cluster, "install", RELEASE, str(chart), "-n", NAMESPACE, "--values", "-", stdin=values(cluster))
        wait_for_roll(cluster, NOW, 2)
        standing.assert_goes_on()
        model.command(f"resume {new}")
        model.await_reason("Serving")
        assert model.stable() == new
        assert list_weights(route.changes, new) == [20, 50, 100]
    tally = count(traffic.answers)
    assert tally.explain_lost() == "", sorted({round(answer.sent - began) for answer in tally.lost})
    leaders, writers = list_writers(cluster, began, lease=True), list_writers(cluster, began)
    assert len(leaders) == len(set(leaders)) >= 4, f"one after the other, and none comes back: {leaders}"
    assert writers == [pod for pod in leaders if pod in writers], "nobody else writes, nor in another order"
    told = model.events()
    assert len(told) == len(set(told)), told


def be_steady(template: dict[str, Any]) -> None:
    """A node that starts operators all the time is busy, and who asks for no CPU then gets next to none."""
    (container,) = template["spec"]["containers"]
    container["resources"] = {"requests": {"cpu": "200m"}}
    container["readinessProbe"] |= {"timeoutSeconds": 5, "failureThreshold": 6}


def values(cluster: Cluster) -> str:
    return json.dumps(values_of(cluster))


def test_an_upgrade_that_cannot_start_fails_and_is_taken_back(cluster: Cluster) -> None:
    release.upgrade(cluster, values_of(cluster, replicas=1), "--wait", "--timeout", "60s")
    wait_for_roll(cluster, NOW, 1)
    (pod,) = read_images(cluster)
    command = ["upgrade", RELEASE, str(CHART), "-n", NAMESPACE, "--values", "-", "--wait", "--timeout", "8s"]
    broken = json.dumps(values_of(cluster, "missing", 1))
    for more in ([], ["--rollback-on-failure"]):
        done = release.run_helm(cluster, [*command, *more], broken)
        assert done.returncode != 0
        assert "Deployment/serinus-system/serinus not ready" in done.stderr
        assert pod in read_images(cluster), "the one that worked works on"
    wait_for_roll(cluster, NOW, 1)
    told = json.loads(release.helm(cluster, "status", RELEASE, "-n", NAMESPACE, "-o", "json"))
    assert told["info"]["status"] == "deployed"


def test_helm_waits_for_a_model_as_long_as_it_is_released_and_no_longer(model: Model, tmp_path: Path) -> None:
    chart = tmp_path / "own"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: own\nversion: 1.0.0\n")
    (chart / "templates" / "model.yaml").write_text("{{ toYaml .Values.model }}\n")

    def upgrade(version: str, faults: float = 0.0) -> Any:
        command = ["upgrade", "--install", "own", str(chart), "-n", model.namespace, "--values", "-"]
        manifest = json.dumps({"model": model.build(version, faults=faults)})
        return release.run_helm(model.cluster, [*command, "--wait", "--timeout", "240s"], manifest, timeout=300)

    done = upgrade("v1")
    assert done.returncode == 0, done.stderr
    assert model.reason() == "Serving"
    with model.traffic() as traffic:
        done = upgrade("v2")
        assert done.returncode == 0, done.stderr
        assert model.reason() == "Serving"
        stable = model.stable()
        began = time.monotonic()
        done = upgrade("v3", faults=0.3)
        took = time.monotonic() - began
        assert done.returncode != 0
        assert f"ModelDeployment/{model.namespace}/fraud" in done.stderr
        assert model.reason() == "RolledBack"
        assert model.stable() == stable
        assert took < 180, "it was not to wait until its time is over"
    assert count(traffic.answers).of("v2").requests > 0
