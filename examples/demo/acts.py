"""The acts of the demo, each of which applies something, waits for what follows, and records it."""

import time
from dataclasses import replace

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
END_SECONDS = 60.0
QUIET_SECONDS = 10.0
ANSWERS_UNDER_WAY_SECONDS = 0.5


def install(world: World, screen: Screen, version: str) -> None:
    """The first version ever: it gets all traffic as soon as its pods are ready."""
    world.apply(version)
    screen.note(f"{version} applied, the first version")
    world.wait(f"the first install of {version}", lambda: _is_settled(world), FIRST_INSTALL_SECONDS, screen.tick)
    screen.note(f"{version} serves all traffic", "green")


def promote(world: World, screen: Screen, version: str) -> Outcome:
    """A good version: it must climb, bake and replace the old one."""
    release = _follow_release(world, screen, version)
    if world.status["stable"]["revision"] != release.revision:
        raise DemoError(f"{version}, which is good, was not promoted: {_say(world)}")
    screen.note(f"{version} is promoted, with the pods it began with", "green")
    _wait_for_end(world, screen, release.stable_before)
    screen.note("the pods of the version before it leave")
    release = replace(release, pods_after=world.pods_of(release.revision))
    replicas = int(world.manifest["spec"]["replicas"])
    _demand(version, checks.check_promoted(release, WEIGHTS, replicas), release.tally)
    return _sum_up(release, "promoted")


def roll_back(world: World, screen: Screen, version: str) -> tuple[Outcome, Release]:
    """A bad version: it must be off traffic and remembered as rejected, with the numbers."""
    release = _follow_release(world, screen, version)
    if world.status["stable"]["revision"] == release.revision:
        raise DemoError(f"{version}, which is bad, was promoted")
    screen.note(f"{version} is rejected: {_say(world)}", "red")
    _wait_for_end(world, screen, release.revision)
    release = replace(release, stable_pods_after=world.pods_of(release.stable_before))
    _demand(version, checks.check_rolled_back(release), release.tally)
    zero = find_zero(release.changes, release.revision)
    first_bad = release.tally.of(version).first_bad_at
    to_zero = None if zero is None or first_bad is None else zero - first_bad
    return replace(_sum_up(release, "rolled back"), to_zero=to_zero), release


def apply_again(world: World, screen: Screen, rejected: Release) -> Outcome:
    """A rejected version, applied once more without a change, as a GitOps tool does all day: nothing may start."""
    began, known = time.time(), {pod["metadata"]["name"] for pod in world.pods}
    changes = len(world.route.changes)
    screen.note(f"{rejected.version} applied again: {world.apply(rejected.version)}")
    quiet_until = time.monotonic() + QUIET_SECONDS
    world.wait("ten quiet seconds", lambda: time.monotonic() > quiet_until, QUIET_SECONDS + 5, screen.tick)
    ended = time.time()
    release = replace(
        rejected,
        version=f"{rejected.version} again",
        began=began,
        ended=ended,
        changes=tuple(world.route.changes[changes:]),
        deployment=world.deployment,
        tally=world.tally_between(began, ended),
    )
    new = sorted({pod["metadata"]["name"] for pod in world.pods} - known)
    _demand(release.version, checks.check_nothing_started(release, new), release.tally)
    screen.note("nothing starts: a rejected version waits until somebody says retry", "green")
    return _sum_up(release, "nothing started")


def _follow_release(world: World, screen: Screen, version: str) -> Release:
    """Apply a version and record it until it is promoted or rejected."""
    stable, changes = world.status["stable"]["revision"], len(world.route.changes)
    pods = world.pods_of(stable)
    release = Release(version, "", stable, pods, fewest_old=len(pods), began=time.time())
    screen.note(f"{version} applied")
    world.apply(version)
    shown = 0

    def follow() -> None:
        nonlocal release, shown
        screen.tick()
        release = _observe(world, release)
        weight = world.route.weights.get(release.revision, 0)
        if weight not in (shown, 0):
            shown = weight
            screen.note(f"{version} gets {weight} % of the requests")

    world.wait(f"the release of {version}", lambda: release.revision and _is_settled(world), RELEASE_SECONDS, follow)
    ended = time.time()
    time.sleep(ANSWERS_UNDER_WAY_SECONDS)
    world.look()
    return replace(
        release,
        ended=ended,
        changes=tuple(world.route.changes[changes:]),
        deployment=world.deployment,
        record=world.record(release.revision),
        tally=world.tally_between(release.began, ended),
    )


def _observe(world: World, release: Release) -> Release:
    """What can only be seen while the candidate is on its way."""
    revision = (world.status.get("candidate") or {}).get("revision", "")
    if not revision or revision == release.stable_before:
        return release
    first_pods = release.first_pods
    if not first_pods and world.route.weights.get(revision):
        first_pods = world.pods_of(revision)
    fewest_old = min(release.fewest_old, len(world.pods_of(release.stable_before)))
    return replace(release, revision=revision, first_pods=first_pods, fewest_old=fewest_old)


def _wait_for_end(world: World, screen: Screen, revision: str) -> None:
    world.wait(f"the end of {revision}", lambda: not world.pods_of(revision, ready=False), END_SECONDS, screen.tick)


def _is_settled(world: World) -> bool:
    """The operator has seen the newest spec and has nothing more to do: it serves, or the new revision is rejected."""
    deployment, status = world.deployment, world.status
    generation = deployment.get("metadata", {}).get("generation")
    if status.get("observedGeneration") != generation or status.get("candidate") or not status.get("stable"):
        return False
    ready = observe_condition(deployment, "Ready")
    return ready.get("status") == "True" or ready.get("reason") == "RolledBack"


def _sum_up(release: Release, outcome: str) -> Outcome:
    tally, seconds = release.tally, release.ended - release.began
    return Outcome(release.version, outcome, seconds, tally.requests, tally.own_failures, len(tally.lost))


def _demand(version: str, problems: list[str], tally: Tally) -> None:
    problems = [*problems, *checks.check_nothing_lost(tally)]
    if problems:
        raise DemoError(f"{version}: " + "; ".join(problems))


def _say(world: World) -> str:
    return str(observe_condition(world.deployment, "Ready").get("message", "no message"))
