"""What a whole loop costs the API server, and what becomes of it where the operator is killed after every write.

On a real API server; nodes, gateway and Prometheus are simulated, as in tests/apiserver. One loop is a command, a
training with results in a ConfigMap, two gates, one of them a Job, a canary of one step, and the observation."""

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.apiserver.conftest import open_surroundings
from tests.bench.audit import Write, Writes, read_log
from tests.bench.figures import Figure
from tests.cluster import Cluster
from tests.cluster.serinus import install_serinus
from tests.support.loop import GATE_JOB, Loop, build_results
from tests.support.model import Model, wait_for
from tests.support.mortal import mortal_operator

SETTLE_SECONDS = 3.0
PATIENCE = 400.0
AGENT = "serinus/"
NAMESPACES = ("alone", "killed")
ALONE, KILLED = "one loop: ", "killed at each write: "
CREATED = 201
METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}


@dataclass(frozen=True)
class Told:
    """What one loop came to."""

    phase: str
    runs: int
    children: int
    gate_jobs: int
    seconds: float
    writes: Writes


def measure_restarts() -> list[Figure]:
    """One loop left alone, and one whose operator dies again and again."""
    with TemporaryDirectory() as folder, Cluster.start("control-plane", "bench-retrain") as cluster:
        install_serinus(cluster)
        with open_surroundings(cluster, Path(folder)):
            alone = _run_loop(cluster, NAMESPACES[0], Path(folder))
            killed, deaths = _run_killed(cluster, Path(folder), alone.writes)
    return [*_count_writes(alone), *_count_restarts(killed, deaths)]


def _run_killed(cluster: Cluster, folder: Path, writes: Writes) -> tuple[Told, int]:
    """A loop whose operator dies of each write as often as one that is left alone makes it. Not oftener: while it reads
    metrics for the first time it tells so, and one that died of that each time would never measure anything."""
    points = [_point_of(one) for one in (*writes.objects, *writes.events)]
    with mortal_operator(cluster, folder, []) as mortal:
        told = _run_loop(cluster, NAMESPACES[1], folder, lambda: mortal.orders.give(points))
        return told, len(mortal.orders.deaths())


def _point_of(write: Write) -> str:
    resource, _, subresource = write.resource.partition("/")
    named = f"/[^/ ]+/{subresource}" if subresource else "(/[^/ ]+)?( .*)?"
    return f"^{METHODS[write.verb]} .*/namespaces/{NAMESPACES[1]}/{resource}{named}$"


def _run_loop(cluster: Cluster, namespace: str, folder: Path, begin: Callable[[], None] = lambda: None) -> Told:
    """One loop, once the first model serves; `begin` is called when nothing happens any more before it."""
    cluster.apply(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}))
    loop = Loop(Model(cluster, namespace, folder))
    loop.spec["gates"].append({"name": "attack", "kind": "Robustness", "job": GATE_JOB})
    first = loop.serve_first()
    time.sleep(SETTLE_SECONDS)
    began = time.time()
    begin()
    run = loop.train(1, build_results("a"))
    loop.await_policy("the end", lambda s: (s.get("lastRun") or {}).get("name") == run, PATIENCE)
    ended = time.time()
    wait_for("the release", lambda: loop.model.stable() != first and loop.model.reason() == "Serving", loop.explain, 60)
    time.sleep(SETTLE_SECONDS)
    writes = read_log(cluster.audit_log, AGENT, began, time.time())
    mine = Writes(
        *(tuple(one for one in part if one.namespace == namespace) for part in (writes.objects, writes.events))
    )
    children = [one for one in mine.objects if (one.resource, one.name, one.code) == ("jobs", run, CREATED)]
    jobs = [one for one in mine.objects if (one.resource, one.code) == ("jobs", CREATED)]
    return Told(loop.phase(run), len(loop.runs()), len(children), len(jobs) - len(children), ended - began, mine)


def _count_writes(told: Told) -> list[Figure]:
    resources = Counter(one.resource for one in told.writes.objects)
    return [
        Figure(f"{ALONE}seconds, canary and observation of 2 s each", told.seconds, "s"),
        Figure(f"{ALONE}writes of objects", len(told.writes.objects), "writes"),
        *(Figure(f"{ALONE}{resource}", count, "writes") for resource, count in resources.most_common()),
        Figure(f"{ALONE}Events", len(told.writes.events), "writes"),
    ]


def _count_restarts(told: Told, deaths: int) -> list[Figure]:
    return [
        Figure(f"{KILLED}kill points", deaths, "writes"),
        Figure(f"{KILLED}writes in all", len(told.writes.objects) + len(told.writes.events), "writes"),
        Figure(f"{KILLED}RetrainRuns made for one decision", told.runs, "runs", 1),
        Figure(f"{KILLED}children per run", told.children, "Jobs", 1),
        Figure(f"{KILLED}Jobs per gate", told.gate_jobs, "Jobs", 1),
        Figure(f"{KILLED}runs that did not succeed", int(told.phase != "Succeeded"), "runs", 0),
        Figure(f"{KILLED}seconds", told.seconds, "s"),
    ]
