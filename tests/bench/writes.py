"""What the operator costs the API server and Prometheus: `python -m tests.bench.writes`.

One rollout of five steps, then many settled objects left alone; counted from the API server's audit log and from
Prometheus' own counter.
"""

import os
import time

from rich.console import Console

from tests.bench.audit import Writes
from tests.bench.figures import Figure
from tests.bench.fleet import NAMESPACE, apply_fleet
from tests.bench.stand import Stand, run_bench, set_env, wait_for_stable

NAME = "writes"
RATE = 100.0
STEPS = [{"weight": weight, "hold": "3s"} for weight in (5, 25, 50, 75)]
ROLLOUT_SECONDS = 180.0
SETTLE_SECONDS = 5.0
"""How long after the last visible change a late write may still come."""
TARGET_WRITES = 20


def measure(stand: Stand, idle_seconds: float, objects: int, console: Console) -> list[Figure]:
    return [*_measure_rollout(stand, console), *_measure_idleness(stand, idle_seconds, objects, console)]


def _measure_rollout(stand: Stand, console: Console) -> list[Figure]:
    with stand.open_world(rate=RATE, seconds=2 * ROLLOUT_SECONDS) as world:
        world.manifest["spec"]["rollout"]["steps"] = STEPS
        set_env(world.manifest, MODEL_VERSION="before")
        world.apply("v1")
        wait_for_stable(world)
        world.start_traffic()
        world.wait("the first answer", lambda: world.tally.requests, 30, lambda: None)
        time.sleep(SETTLE_SECONDS)
        old, began = world.status["stable"]["revision"], time.time()
        set_env(world.manifest, MODEL_VERSION="after")
        world.apply("v1")
        world.wait("the promotion", lambda: world.status["stable"]["revision"] != old, ROLLOUT_SECONDS, lambda: None)
        world.wait(f"the end of {old}", lambda: not world.pods_of(old, ready=False), ROLLOUT_SECONDS, lambda: None)
        time.sleep(SETTLE_SECONDS)
        writes = stand.read_writes(began, time.time())
        world.stop_traffic()
        lost = len(world.tally.lost)
        world.cluster.kubectl("delete", "modeldeployment", world.name, f"--namespace={world.namespace}")
    _show(console, writes)
    together = len(writes.objects) + len(writes.events)
    return [
        Figure("5 steps: writes of objects", len(writes.objects), "writes", TARGET_WRITES),
        Figure("5 steps: Events", len(writes.events), "writes"),
        Figure("5 steps: both together", together, "writes", TARGET_WRITES),
        Figure("5 steps: requests lost on the way", lost, "requests", 0),
    ]


def _measure_idleness(stand: Stand, seconds: float, objects: int, console: Console) -> list[Figure]:
    apply_fleet(stand.house, objects, stand.idle_image, console)
    time.sleep(SETTLE_SECONDS)
    began, asked = time.time(), stand.count_queries()
    console.print(f"{objects} objects are settled; nothing is touched for {seconds:g} s", highlight=False)
    time.sleep(seconds)
    writes, queries = stand.read_writes(began, time.time()), stand.count_queries() - asked
    _show(console, writes)
    stand.house.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    return [
        Figure("idle: writes of objects and Events", len(writes.objects) + len(writes.events), "writes", 0),
        Figure("idle: renewals of the Lease", len(writes.lease), "writes"),
        Figure("idle: Prometheus queries", queries, "queries", 0),
    ]


def _show(console: Console, writes: Writes) -> None:
    for what, number in writes.count_objects().items():
        console.print(f"  {number:3} x {what}", highlight=False)


def main() -> int:
    idle, objects = float(os.environ.get("IDLE_SECONDS", "300")), int(os.environ.get("IDLE_OBJECTS", "50"))
    title = (
        f"What the operator writes and asks: a rollout of 5 steps, {objects} settled objects left alone for {idle:g} s"
    )
    return run_bench(NAME, title, lambda stand, console: measure(stand, idle, objects, console))


if __name__ == "__main__":
    raise SystemExit(main())
