"""The acts of the demo, each of which applies something, waits for what follows, and checks what was recorded."""

import time
from dataclasses import dataclass, replace

from examples.demo import checks
from examples.demo.checks import Release
from examples.demo.scene import observe_condition
from examples.demo.screen import Screen
from examples.demo.view import Outcome
from examples.demo.world import DemoError, World
from tests.traffic.answers import Tally
from tests.traffic.route import find_zero

WEIGHTS = (5, 25, 50, 100)
FIRST_INSTALL_SECONDS = 60.0
RELEASE_SECONDS = 120.0
LEAVE_SECONDS = 60.0
QUIET_SECONDS = 8.0
LATE_ANSWERS_SECONDS = 0.5
"""Answers under way when a release is decided are written down by then."""


def install(world: World, screen: Screen, version: str) -> None:
    """The first version ever: it gets all traffic as soon as its pods are ready."""
    world.apply(version)
    screen.note(f"{version} applied, the first version")
    world.wait(f"the first install of {version}", lambda: _is_settled(world), FIRST_INSTALL_SECONDS, screen.tick)
    screen.note(f"{version} serves all traffic", "green")


def start_traffic(world: World, screen: Screen) -> None:
    world.start_traffic()
    world.wait("the first good answer", lambda: world.tally.requests, 20, screen.tick)
    screen.note(f"traffic flows through the gateway, {screen.story.rate:g} requests a second, and will not stop")


def promote(world: World, screen: Screen, version: str) -> Outcome:
    """A good version: it must climb, bake and replace the old one."""
    run = _release(world, screen, version)
    old, replicas = run.release.stable_before, int(world.manifest["spec"]["replicas"])
    if (world.status.get("stable") or {}).get("revision") != run.release.revision:
        raise DemoError(f"{version} was not promoted: {_say(world)}")
    screen.note(f"{version} is promoted on evidence, with the pods it began with", "green")
    world.wait(f"the end of the pods of {old}", lambda: not world.pods_of(old, ready=False), LEAVE_SECONDS, screen.tick)
    screen.note("the pods of the version before have left")
    release = _record(world, run)
    _demand(version, checks.check_promoted(release, WEIGHTS, replicas), release.tally)
    return _build_outcome(version, "promoted", run.began, release.tally)


def roll_back(world: World, screen: Screen, version: str) -> tuple[Outcome, Release]:
    """A bad version: it must be off traffic and remembered as rejected, with the numbers."""
    run = _release(world, screen, version)
    bad = run.release.revision
    if (world.status.get("stable") or {}).get("revision") == bad:
        raise DemoError(f"{version}, which is bad, was promoted")
    screen.note(f"{version} is rejected: {_say(world)}", "red")
    world.wait(f"the end of the pods of {bad}", lambda: not world.pods_of(bad, ready=False), LEAVE_SECONDS, screen.tick)
    release = _record(world, run)
    _demand(version, checks.check_rolled_back(release), release.tally)
    zero, first_bad = find_zero(release.changes, bad), release.tally.of(version).first_bad_at
    to_zero = None if zero is None or first_bad is None else zero - first_bad
    return replace(_build_outcome(version, "rolled back", run.began, release.tally), to_zero=to_zero), release


def apply_again(world: World, screen: Screen, version: str, before: Release) -> Outcome:
    """A rejected version, applied once more without a change, as a GitOps tool does all day: nothing may start."""
    began, changes = time.time(), len(world.route.changes)
    pods = {pod["metadata"]["name"] for pod in world.pods}
    world.apply(version)
    screen.note(f"{version} applied again, unchanged")
    quiet_until = time.monotonic() + QUIET_SECONDS
    world.wait("a quiet time", lambda: time.monotonic() > quiet_until, QUIET_SECONDS + 5, screen.tick)
    new = sorted({pod["metadata"]["name"] for pod in world.pods} - pods)
    release = replace(
        before,
        changes=tuple(world.route.changes[changes:]),
        deployment=world.deployment,
        tally=world.tally_between(began, time.time()),
    )
    _demand(f"{version} again", checks.check_nothing_started(release, new), release.tally)
    screen.note("nothing starts: a rejected version is not tried again until somebody says so", "green")
    return _build_outcome(f"{version} again", "nothing started", began, release.tally)


def close(world: World) -> None:
    """Stop the traffic. No request of the whole time may have been lost, also between the acts."""
    world.stop_traffic()
    _demand("in all", [], world.tally)


@dataclass(frozen=True)
class _Run:
    """A release that is decided: what is known of it, when it began (seconds since the epoch), and how many changes the
    route had had by then."""

    release: Release
    began: float
    changes_before: int


def _release(world: World, screen: Screen, version: str) -> _Run:
    """Apply a version and follow it until it is promoted or rejected."""
    stable = str(world.status["stable"]["revision"])
    pods = world.pods_of(stable)
    release = Release(version, "", stable, pods, fewest_old=len(pods))
    began, changes_before = time.time(), len(world.route.changes)
    told, old_now = 0, len(pods)
    screen.note(f"{version} applied")
    world.apply(version)

    def follow() -> None:
        nonlocal release, told, old_now
        screen.tick()
        revision = (world.status.get("candidate") or {}).get("revision")
        if not revision or revision == stable:
            return
        # The count of the look before: pods and status arrive apart, and the old pods may be seen leaving a moment
        # before the status says that the bake is over.
        release = replace(
            release,
            revision=revision,
            pods_seen=release.pods_seen | world.pods_of(revision),
            fewest_old=min(release.fewest_old, old_now),
        )
        old_now = len(world.pods_of(stable))
        weight = world.route.weights.get(revision, 0)
        if weight not in (told, 0):
            told = weight
            screen.note(f"{version} gets {weight} % of the requests")

    def decided() -> bool:
        return bool(release.revision) and _is_settled(world)

    world.wait(f"the release of {version}", decided, RELEASE_SECONDS, follow)
    return _Run(release, began, changes_before)


def _record(world: World, run: _Run) -> Release:
    """The release with everything that is known once its last pod has left."""
    time.sleep(LATE_ANSWERS_SECONDS)
    world.look()
    return replace(
        run.release,
        pods_after=world.pods_of(run.release.revision),
        stable_pods_after=world.pods_of(run.release.stable_before),
        changes=tuple(world.route.changes[run.changes_before :]),
        deployment=world.deployment,
        record=world.record(run.release.revision),
        tally=world.tally_between(run.began, time.time()),
    )


def _is_settled(world: World) -> bool:
    """The operator has seen the newest spec and has nothing more to do: it serves, or the new revision is rejected."""
    deployment = world.deployment
    status = deployment.get("status") or {}
    generation = deployment.get("metadata", {}).get("generation")
    if status.get("observedGeneration") != generation or status.get("candidate") or not status.get("stable"):
        return False
    ready = observe_condition(deployment, "Ready")
    return ready.get("status") == "True" or ready.get("reason") == "RolledBack"


def _build_outcome(release: str, outcome: str, began: float, tally: Tally) -> Outcome:
    seconds = time.time() - began
    return Outcome(release, outcome, seconds, tally.requests, tally.own_failures, len(tally.lost))


def _demand(what: str, problems: list[str], tally: Tally) -> None:
    problems = [*problems, *checks.check_nothing_lost(tally)]
    if problems:
        raise DemoError(f"{what}: " + "; ".join(problems))


def _say(world: World) -> str:
    return str(observe_condition(world.deployment, "Ready").get("message", "no message"))
