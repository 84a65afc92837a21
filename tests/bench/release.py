"""What releases cost: `python -m tests.bench.release`.

Releases one good revision after another, and a bad one after each, on a real node under traffic. Counts every request
that failed on the way, the stages until a new version gives its first answer, model loads, and pods at once.
"""

import argparse
import time
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


@dataclass(frozen=True)
class Good:
    """One good release. Seconds since `kubectl apply`: candidate made, its pods ready and traffic given to it, its
    first answer at the client, promoted. `loads` are the pods that it started, `peak` the model's pods at once."""

    began: float
    given: float
    first: float
    promoted: float
    loads: int
    peak: int


def measure(stand: Stand, rounds: int, console: Console) -> list[Figure]:
    limit = 180 + 2 * rounds * ROUND_SECONDS
    with stand.open_world(rate=RATE, seconds=limit) as world:
        world.manifest["spec"]["replicas"] = REPLICAS
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
        world.stop_traffic()
        return build_figures(good, rounds, len(world.tally.lost), world.tally.requests)


def _release(world: World, version: str, console: Console) -> Good:
    old, answers_before = world.status["stable"]["revision"], len(world.traffic.answers)
    seen: set[str] = set()
    peaks = [0]
    set_env(world.manifest, MODEL_VERSION=version)
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
        peaks.append(len([pod for pod in alive if _revision(pod)]))

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


def build_figures(good: list[Good], rollbacks: int, lost: int, requests: int) -> list[Figure]:
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
        *summarise("pods at once, per replica", [one.peak / REPLICAS for one in good], "N", 2),
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
