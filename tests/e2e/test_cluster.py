"""The clusters themselves: what every other test on them takes for granted is true, and stopping one leaves nothing.

Never tests the operator: a failure here says that the ground is soft, not that the product is.
"""

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.cluster.__main__ import describe
from tests.cluster.images import python_image

NAMESPACE = "ground"
HOST = "ground.example.com"
SERVER = Path(__file__).parent / "echo_server.py"


def wait_until(check: Callable[[], Any], patience: float = 60.0) -> Any:
    """The first true answer of `check`; fails with the last one when there is none in `patience` seconds."""
    deadline = time.monotonic() + patience
    while not (answer := check()):
        assert time.monotonic() < deadline, f"still {answer!r} after {patience:.0f} s"
        time.sleep(0.2)
    return answer


def apply(cluster: Cluster, *objects: dict[str, Any]) -> None:
    cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


def build_namespace() -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def build_deployment(name: str, container: dict[str, Any], *, replicas: int = 1, **pod: Any) -> dict[str, Any]:
    """A Deployment whose pods carry the label app=`name`, and whatever metadata `pod` holds."""
    labels = {"app": name, **pod.get("labels", {})}
    template = {
        "metadata": {"labels": labels, "annotations": pod.get("annotations", {})},
        "spec": {"containers": [{"name": "main", **container}], "terminationGracePeriodSeconds": 1},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


def gpus(count: int) -> dict[str, Any]:
    return {"limits": {"nvidia.com/gpu": str(count)}}


@pytest.fixture(scope="module")
def simulated(control_plane: Cluster) -> Iterator[Cluster]:
    apply(control_plane, build_namespace())
    yield control_plane
    control_plane.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.mark.apiserver
def test_the_api_server_tells_its_real_version(simulated: Cluster) -> None:
    version = json.loads(simulated.kubectl("get", "--raw", "/version").stdout)
    assert (version["gitVersion"], version["major"], version["minor"]) == ("v1.34.4", "1", "34")


@pytest.mark.apiserver
def test_a_fleet_without_a_free_gpu_leaves_the_pod_pending_with_the_schedulers_words(simulated: Cluster) -> None:
    nodes = simulated.get("nodes")["items"]
    assert {node["status"]["allocatable"]["nvidia.com/gpu"] for node in nodes} == {"8"}
    workload = build_deployment("gpu", {"image": "none", "resources": gpus(8)}, replicas=len(nodes) + 1)
    apply(simulated, workload)

    def count_phases() -> Counter[str] | None:
        pods = simulated.get("pods", "-n", NAMESPACE, "-l", "app=gpu")["items"]
        counts = Counter(pod["status"]["phase"] for pod in pods)
        return counts if counts == {"Running": len(nodes), "Pending": 1} else None

    wait_until(count_phases)
    pods = simulated.get("pods", "-n", NAMESPACE, "--field-selector=status.phase=Pending")["items"]
    (scheduled,) = [c for c in pods[0]["status"]["conditions"] if c["type"] == "PodScheduled"]
    assert scheduled["reason"] == "Unschedulable"
    assert "Insufficient nvidia.com/gpu" in scheduled["message"]


@pytest.mark.apiserver
def test_a_labelled_pod_crashes_again_and_again(simulated: Cluster) -> None:
    apply(simulated, build_deployment("crash", {"image": "none"}, labels={"fake-crash": "true"}))

    def find_restarts() -> bool:
        pods = simulated.get("pods", "-n", NAMESPACE, "-l", "app=crash")["items"]
        states = [state for pod in pods for state in pod["status"].get("containerStatuses", [])]
        return any(state["restartCount"] >= 2 and not state["ready"] for state in states)

    wait_until(find_restarts)


@pytest.mark.apiserver
def test_the_audit_log_tells_who_wrote_what(simulated: Cluster) -> None:
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "by-hand", "namespace": NAMESPACE}}
    apply(simulated, settings)

    def find_write() -> dict[str, Any] | None:
        # The last line may be half written.
        lines = simulated.audit_log.read_text().splitlines(keepends=True)
        events = [json.loads(line) for line in lines if '"by-hand"' in line and line.endswith("\n")]
        return next((event for event in events if event["verb"] in ("create", "patch")), None)

    event = wait_until(find_write)
    assert event["user"]["username"] == "admin"
    assert event["objectRef"]["resource"] == "configmaps"
    assert event["level"] == "Metadata"


@pytest.fixture(scope="module")
def served(node_cluster: Cluster) -> Iterator[Cluster]:
    """Two versions behind the shared gateway, 90 to 10, both scraped."""
    apply(node_cluster, build_namespace())
    for tag in ("v1", "v2"):
        node_cluster.load_image(build_echo_image(tag))
        apply(node_cluster, *build_version(tag))
    apply(node_cluster, build_route(90, 10))
    for tag in ("v1", "v2"):
        node_cluster.kubectl("rollout", "status", f"deployment/{tag}", "-n", NAMESPACE, "--timeout=90s", timeout=100)
    wait_until(lambda: set(fetch(node_cluster, "/", times=20).splitlines()) == {"v1", "v2"})
    yield node_cluster
    node_cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def build_echo_image(tag: str) -> Path:
    """A thin image for one version; the Python below it is shared."""
    files = {"/app/echo_server.py": SERVER}
    command = ["/usr/bin/python3", "/app/echo_server.py"]
    return python_image(
        "ground",
        tag,
        requirements=["prometheus-client"],
        files=files,
        command=command,
        environment={"VERSION": tag},
    )


def build_version(tag: str) -> list[dict[str, Any]]:
    container = {
        "image": f"localhost/ground:{tag}",
        "imagePullPolicy": "Never",
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/metrics", "port": 8080}, "periodSeconds": 1},
        "securityContext": {
            "runAsNonRoot": True,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    scraped = {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": tag, "namespace": NAMESPACE},
        "spec": {"selector": {"app": tag}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    return [build_deployment(tag, container, annotations=scraped), service]


def build_route(first: int, second: int) -> dict[str, Any]:
    backends = [
        {"name": "v1", "port": 80, "weight": first},
        {"name": "v2", "port": 80, "weight": second},
    ]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "ground", "namespace": NAMESPACE},
        "spec": {
            "parentRefs": [{"name": "public", "namespace": "gateways"}],
            "hostnames": [HOST],
            "rules": [{"backendRefs": backends}],
        },
    }


FETCH = """
import sys, urllib.request
url, host, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
for _ in range(times):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Host": host}), timeout=5) as answer:
            print(answer.read().decode())
    except OSError as error:
        print("failed:", error)
"""


def fetch(cluster: Cluster, path: str, times: int = 1) -> str:
    """What the gateway answers, one line for each request."""
    command = ["python3", "-c", FETCH, f"{cluster.gateway_url}{path}", HOST, str(times)]
    return str(cluster.run(command, capture_output=True, text=True, check=True).stdout.strip())


def query(cluster: Cluster, expression: str) -> list[dict[str, Any]]:
    """The instant vector that Prometheus answers."""
    script = (
        "import sys, urllib.parse as p, urllib.request as u\n"
        "url = sys.argv[1] + '/api/v1/query?' + p.urlencode({'query': sys.argv[2]})\n"
        "print(u.urlopen(url, timeout=5).read().decode())"
    )
    command = ["python3", "-c", script, cluster.prometheus_url, expression]
    answer = json.loads(cluster.run(command, capture_output=True, text=True, check=True).stdout)
    result: list[dict[str, Any]] = answer["data"]["result"]
    return result


@pytest.mark.cluster
def test_the_gateway_splits_by_weight_and_follows_a_change_without_a_failure(served: Cluster) -> None:
    counts = Counter(fetch(served, "/", times=200).splitlines())
    assert set(counts) == {"v1", "v2"}
    # Traefik splits in turn, not by chance; a few requests of slack for what came before.
    assert abs(counts["v2"] - 20) <= 3, counts
    apply(served, build_route(0, 100))
    seen: Counter[str] = Counter()

    def is_moved() -> bool:
        answers = Counter(fetch(served, "/", times=50).splitlines())
        seen.update(answers)
        return answers == {"v2": 50}

    wait_until(is_moved)
    assert set(seen) <= {"v1", "v2"}
    apply(served, build_route(90, 10))


@pytest.mark.cluster
def test_prometheus_scrapes_annotated_pods_and_the_gateway(served: Cluster) -> None:
    pods = {pod["metadata"]["name"] for pod in served.get("pods", "-n", NAMESPACE)["items"]}
    wait_until(lambda: {s["metric"]["pod"] for s in query(served, f'up{{namespace="{NAMESPACE}"}} == 1')} == pods, 20)
    wait_until(lambda: query(served, f'echo_answers_total{{namespace="{NAMESPACE}"}} > 0'), 20)
    wait_until(lambda: query(served, 'traefik_service_requests_total{job="traefik",code="200"} > 0'), 20)
    bounds = query(served, 'count by (le) (traefik_service_request_duration_seconds_bucket{job="traefik"})')
    assert {"0.01", "0.05", "0.25"} <= {series["metric"]["le"] for series in bounds}


@pytest.mark.cluster
def test_what_make_cluster_prints_can_be_pasted(served: Cluster) -> None:
    typed = [line for line in describe(served).splitlines() if "curl" not in line and "less" not in line]
    shell = ["bash", "-O", "expand_aliases", "-e"]
    done = subprocess.run(shell, input="\n".join(typed), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.cluster
def test_pods_resolve_names_of_the_cluster_and_no_others(served: Cluster) -> None:
    address = served.get("service", "v1", "-n", NAMESPACE)["spec"]["clusterIP"]
    for name in ("v1", f"v1.{NAMESPACE}", f"v1.{NAMESPACE}.svc.cluster.local"):
        assert fetch(served, f"/resolve/{name}") == address
    assert fetch(served, "/resolve/example.org") == "Name or service not known"


@pytest.mark.cluster
def test_a_pod_runs_as_nobody_special_and_its_log_can_be_read(served: Cluster) -> None:
    assert set(fetch(served, "/whoami", times=20).splitlines()) == {"65532"}
    assert "version v1 listens" in served.kubectl("logs", "deployment/v1", "-n", NAMESPACE).stdout


@pytest.mark.cluster
def test_a_patched_capacity_is_what_the_scheduler_counts_with(served: Cluster) -> None:
    container = {"image": "localhost/ground:v1", "imagePullPolicy": "Never", "resources": gpus(1)}
    served.set_capacity(nvidia_com__gpu="1")
    apply(served, build_deployment("gpu", container, replicas=2))
    try:

        def find_phases() -> bool:
            pods = served.get("pods", "-n", NAMESPACE, "-l", "app=gpu")["items"]
            return sorted(pod["status"]["phase"] for pod in pods) == ["Pending", "Running"]

        wait_until(find_phases)
        served.set_capacity(nvidia_com__gpu="2")
        ready = "jsonpath={.status.readyReplicas}=2"
        served.kubectl("wait", "deployment/gpu", "-n", NAMESPACE, f"--for={ready}", "--timeout=60s", timeout=70)
    finally:
        served.kubectl("delete", "deployment", "gpu", "-n", NAMESPACE, "--ignore-not-found")


@pytest.mark.cluster
def test_a_second_cluster_leaves_the_first_alone_and_nothing_behind(served: Cluster) -> None:
    def find_pods() -> dict[str, int]:
        pods = served.get("pods", "-n", NAMESPACE, "-l", "app in (v1, v2)")["items"]
        return {p["metadata"]["uid"]: p["status"]["containerStatuses"][0]["restartCount"] for p in pods}

    before = find_pods()
    assert set(before.values()) == {0}
    with Cluster.start("node", f"test-second-{os.getpid()}") as second:
        second.load_image(build_echo_image("v1"))
        apply(second, build_namespace(), *build_version("v1"))
        second.kubectl("rollout", "status", "deployment/v1", "-n", NAMESPACE, "--timeout=90s", timeout=100)
        assert find_traces(second)
    assert find_traces(second) == []
    assert find_pods() == before
    assert fetch(served, "/") in ("v1", "v2")


def find_traces(cluster: Cluster) -> list[str]:
    """Processes, mounts, network namespaces, cgroups and folders that belong to a cluster."""
    folder, name = str(cluster.folder), cluster.netns
    traces = [f"mount {line}" for line in Path("/proc/mounts").read_text().splitlines() if folder in line]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if folder in command:
            traces.append(f"process {command}")
    traces += [f"cgroup {path}" for path in Path("/sys/fs/cgroup").glob(f"**/{name}")]
    return traces + [f"folder {path}" for path in (cluster.folder, Path("/run/netns") / name) if path.exists()]
