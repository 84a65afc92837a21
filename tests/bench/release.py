"""What releases cost: `python -m tests.bench.release`.

Releases one good revision after another, and a bad one after each, on a real node under traffic. Counts every request
that failed on the way, the stages until a new version gives its first answer, model loads, and accelerators at once;
then releases once by each other strategy for its accelerators.
"""

import argparse
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Console

from examples.demo.world import DemoError, World
from tests.bench.figures import Figure, summarise
from tests.bench.stand import Stand, run_bench, set_env, wait_for_stable

NAME = "release"
RATE = 200.0
REPLICAS = 4
STEPS = [{"weight": 25, "hold": "2s"}, {"weight": 50, "hold": "2s"}]
ROUND_SECONDS = 120.0
ACCELERATOR = "nvidia.com/gpu"
AT_ONCE = {"BlueGreen": 2.0, "Direct": 2.0, "InPlace": 1.0}
"""The most accelerators that a release by this strategy may hold, in replicas."""


@dataclass(frozen=True)
class Good:
    """One good release. Seconds since `kubectl apply`: candidate made, its pods ready and traffic given to it, its
    first answer at the client, promoted. `loads` are the pods that it started, `peak` the most accelerators of all
    the model's pods, those that were ending included."""

    began: float
    given: float
    first: float
    promoted: float
    loads: int
    peak: int


@dataclass(frozen=True)
class Other:
    """One release by another strategy: accelerators at once, and for how long nobody served, if so."""

    strategy: str
    peak: int
    downtime: str | None


def measure(stand: Stand, rounds: int, console: Console) -> list[Figure]:
    limit = 180 + (2 * rounds + len(AT_ONCE)) * ROUND_SECONDS
    # Enough for two revisions and for what they would take beyond.
    stand.house.cluster.set_capacity(nvidia_com__gpu=str(4 * REPLICAS))
    with stand.open_world(rate=RATE, seconds=limit) as world:
        world.manifest["spec"]["replicas"] = REPLICAS
        world.manifest["spec"]["accelerator"] = {"resource": ACCELERATOR, "count": 1}
        world.manifest["spec"]["rollout"].update(steps=STEPS, bake="3s", drain="2s")
        set_env(world.manifest, MODEL_VERSION="good-0")
        world.apply("v1")
        wait_for_stable(world)
        world.start_traffic()
        world.wait("the first answer", lambda: world.tally.requests, 30, lambda: None)
        good = []
        for number in range(1, rounds + 1):
            good.append(_release(world, f"good-{number}", console))
            _roll_back(world, f"bad-{number}")
        world.look()
        lost, requests = len(world.tally.lost), world.tally.requests
        others = [_release_by(world, strategy, console) for strategy in AT_ONCE]
        world.stop_traffic()
        return build_figures(good, others, rounds, lost, requests)


def _release(world: World, version: str, console: Console) -> Good:
    old, answers_before = world.status["stable"]["revision"], len(world.traffic.answers)
    seen: set[str] = set()
    peaks = [0]
    set_env(world.manifest, MODEL_VERSION=version)
    _wait_for_room(world)
    applied = time.time()
    world.apply("v1")
    moments: dict[str, Any] = {}

    def look() -> None:
        candidate = world.status.get("candidate") or {}
        if candidate.get("revision") not in (None, old):
            moments.setdefault("revision", candidate["revision"])
            moments.setdefault("began", _seconds(candidate["startedAt"]))
            if candidate.get("trafficSince"):
                moments.setdefault("given", _seconds(candidate["trafficSince"]))
        alive = [pod for pod in world.pods if not pod["metadata"].get("deletionTimestamp")]
        seen.update(pod["metadata"]["uid"] for pod in alive if _revision(pod) == moments.get("revision"))
        peaks.append(count_accelerators(world.pods))

    def promoted() -> bool:
        look()
        stable = world.status["stable"]
        return bool(stable["revision"] != old and world.status.get("candidate") is None)

    world.wait(f"the promotion of {version}", promoted, ROUND_SECONDS, look)
    world.look()
    first = min(
        (one.answered for one in world.traffic.answers[answers_before:] if one.version == version), default=None
    )
    if first is None or "given" not in moments:
        raise DemoError(f"{version} was promoted without an answer that could be seen")
    since = _seconds(world.status["stable"]["since"])
    world.wait(f"the end of {old}", lambda: not world.pods_of(old, ready=False), ROUND_SECONDS, look)
    found = Good(
        moments["began"] - applied,
        moments["given"] - applied,
        first - applied,
        since - applied,
        len(seen),
        max(peaks),
    )
    console.print(f"{version}: first answer after {found.first:.1f} s, promoted after {found.promoted:.1f} s")
    return found


def _roll_back(world: World, version: str) -> None:
    before = (world.status.get("rejected") or {}).get("revision")
    set_env(world.manifest, MODEL_VERSION=version, FAULT_RATIO="0.3")
    world.apply("v1")

    def rejected() -> bool:
        revision = (world.status.get("rejected") or {}).get("revision")
        return bool(revision and revision != before)

    world.wait(f"the rejection of {version}", rejected, ROUND_SECONDS, lambda: None)
    revision = world.status["rejected"]["revision"]
    world.wait(f"the end of {revision}", lambda: not world.pods_of(revision, ready=False), ROUND_SECONDS, lambda: None)


def _release_by(world: World, strategy: str, console: Console) -> Other:
    """One release without steps; the traffic goes on, and what InPlace loses of it is not counted."""
    old = world.status["stable"]["revision"]
    peaks = [0]
    rollout = {key: value for key, value in world.manifest["spec"]["rollout"].items() if key != "steps"}
    world.manifest["spec"]["rollout"] = {**rollout, "strategy": strategy}
    set_env(world.manifest, MODEL_VERSION=strategy)
    _wait_for_room(world)
    world.apply("v1")

    def look() -> None:
        peaks.append(count_accelerators(world.pods))

    def promoted() -> bool:
        return bool(world.status["stable"]["revision"] != old and world.status.get("candidate") is None)

    world.wait(f"the promotion by {strategy}", promoted, ROUND_SECONDS, look)
    world.wait(f"the end of {old}", lambda: not world.pods_of(old, ready=False), ROUND_SECONDS, look)
    found = Other(strategy, max(peaks), world.status["stable"].get("downtime"))
    console.print(f"{strategy}: {found.peak} accelerators at once for {REPLICAS} replicas")
    return found


def _wait_for_room(world: World) -> None:
    """Until the pods of the release before have given their accelerators back."""
    world.wait("the end of old pods", lambda: count_accelerators(world.pods) <= REPLICAS, ROUND_SECONDS, lambda: None)


def count_accelerators(pods: Iterable[Any]) -> int:
    """Accelerators that pods hold or wait for; those of an ending pod are its own until it is gone."""
    return sum(
        int(container.get("resources", {}).get("limits", {}).get(ACCELERATOR, 0))
        for pod in pods
        if pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
        for container in pod["spec"]["containers"]
    )


def build_figures(good: list[Good], others: list[Other], rollbacks: int, lost: int, requests: int) -> list[Figure]:
    return [
        Figure("full releases", len(good), "releases"),
        Figure("rollbacks", rollbacks, "rollbacks"),
        Figure("requests", requests, "requests"),
        Figure("requests lost on the way", lost, "requests", 0),
        *summarise("apply → candidate made", [one.began for one in good], "s"),
        *summarise("candidate made → traffic given to it", [one.given - one.began for one in good], "s"),
        *summarise("traffic given → first answer", [one.first - one.given for one in good], "s"),
        *summarise("apply → first answer", [one.first for one in good], "s"),
        *summarise("apply → promoted", [one.promoted for one in good], "s"),
        *summarise("model loads per replica", [one.loads / REPLICAS for one in good], "loads", 1),
        *summarise("Canary 25, 50 %: accelerators at once", [one.peak / REPLICAS for one in good], "N", 2),
        *(Figure(f"{o.strategy}: accelerators at once", o.peak / REPLICAS, "N", AT_ONCE[o.strategy]) for o in others),
        *(
            Figure(f"{o.strategy}: nobody served for", float(o.downtime.removesuffix("s")), "s")
            for o in others
            if o.downtime is not None
        ),
    ]


def _revision(pod: Any) -> str:
    return str((pod["metadata"].get("labels") or {}).get("serinus.dev/revision", ""))


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20, help="how many releases, and as many rollbacks")
    given = parser.parse_args()
    title = f"{given.rounds} releases of {REPLICAS} pods and as many rollbacks: {RATE:g} requests/s, Canary 25, 50 %"
    return run_bench(NAME, title, lambda stand, console: measure(stand, given.rounds, console))


if __name__ == "__main__":
    raise SystemExit(main())
