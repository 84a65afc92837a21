"""The acts: the world changes, and what follows is waited for, told and checked."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from examples.demo.acts import QUIET_SECONDS
from examples.demo.checks import check_nothing_lost
from examples.demo.scene import observe_condition
from examples.demo.screen import Screen
from examples.demo.world import DemoError
from examples.retrain.demo import checks
from examples.retrain.demo.checks import Attempt, Quality
from examples.retrain.demo.loop import ENDED, LABEL_DELAY, Loop
from examples.retrain.demo.stage import Stage, call
from examples.retrain.demo.timeline import Line, build_line, read_time
from tests.cluster import mlflow

Raw = dict[str, Any]

WEIGHTS: Final = (10, 25, 100)
INSTALL_SECONDS: Final = 90.0
DETECT_SECONDS: Final = 120.0
RUN_SECONDS: Final = 180.0
CLEAR_SECONDS: Final = 120.0
LOOK_SECONDS: Final = 8.0
"""Over how long the client's book is looked at to tell how good the answers are."""
FIRST_LOOK_SECONDS: Final = 12.0
QUERY_SECONDS: Final = 20.0


def install(loop: Loop, screen: Screen, stage: Stage) -> None:
    """The policy with its first model, and the model that follows it."""
    model = stage.first["model"]
    screen.note(f"{model['uri']} is trained: F1 {stage.first['metrics']['f1']:.2f} on payments it has not seen")
    loop.apply_policy(lambda spec: spec.update(initialModel=dict(model)))
    loop.apply_deployment()
    loop.wait("the first install", lambda: _serves(loop), INSTALL_SECONDS, screen.tick)
    screen.note(f"{model['uri']} serves all traffic", "green")


def start_traffic(loop: Loop, screen: Screen) -> None:
    """Constant traffic, and the loop at rest: everything measured, nothing to do."""
    loop.start_traffic()
    loop.wait("the first good answer", lambda: loop.tally.requests, 20, screen.tick)
    screen.note(f"payments flow, {screen.story.rate:g} a second; the truth about each is known {LABEL_DELAY:g} s later")
    _await_clear(loop, screen)
    screen.note(f"drift and quality are measured and well: {describe_triggers(loop)}", "green")


def recover(loop: Loop, screen: Screen) -> Line:
    """A shift of the input and of what fraud is: the loop must notice it, retrain, canary, promote, and come to
    rest."""
    before = _look_back(loop)
    shifted = _shift(loop, screen, "holiday", "everybody buys more and further away, and fraud moves to old accounts")
    began = _remember(loop)
    run = _await_run(loop, screen, began.number, DETECT_SECONDS)
    worst = loop.f1(shifted + 1, time.time())
    screen.note(f"F1 has fallen from {_tell(before)} to {_tell(worst)}; {_name(run)} is started: {_tell_reasons(run)}")
    run = _await_end(loop, screen, began.number)
    screen.note(f"{_name(run)} is {run['status']['phase']}: {_say(run)}", "green")
    _await_clear(loop, screen)
    after, cleared = _look_back(loop), max(read_time(loop.trigger(name)["since"]) for name in checks.TRIGGERS)
    recovery = run["status"].get("recoverySeconds", "an unknown number of")
    screen.note(f"well again, {recovery} s after the first bad window: {describe_triggers(loop)}", "green")
    quality = Quality(before, worst, after)
    attempt = _record(loop, run, began, quality)
    problems = checks.check_promoted(attempt, WEIGHTS) + _check_tracked(loop, run)
    digests = _ask_references(loop)
    _demand(loop, "the first shift", [*problems, *checks.check_reference(digests, run)])
    return build_line(run, shifted, cleared, f"{_tell(before)} -> {_tell(worst)} -> {_tell(after)}")


def reject(loop: Loop, screen: Screen) -> Line:
    """A shift that the trainer can only follow at the expense of the smaller region: the gate must stop it."""
    before = _look_back(loop)
    shifted = _shift(loop, screen, "split", "the north pays in another way, the south as before")
    began = _remember(loop)
    run = _await_run(loop, screen, began.number, DETECT_SECONDS)
    worst = loop.f1(shifted + 1, time.time())
    screen.note(f"F1 has fallen from {_tell(before)} to {_tell(worst)}; {_name(run)} is started: {_tell_reasons(run)}")
    run = _await_end(loop, screen, began.number)
    screen.note(f"{_name(run)} is {run['status']['phase']}: {_say(run)}", "red")
    _stay_quiet(loop, screen)
    attempt = _record(loop, run, began, Quality(before, worst))
    _demand(loop, "the second shift", checks.check_rejected(attempt) + _check_tracked(loop, run))
    return build_line(run, shifted, None, f"{_tell(before)} -> {_tell(worst)}")


def roll_back(loop: Loop, screen: Screen) -> Line:
    """Somebody lets the trainer try larger models. The one it finds is right about everybody, and tens of times
    slower, which only production shows."""
    began, asked = _remember(loop), time.time()
    loop.apply_policy(_allow_committee)
    loop.command("retrain demo let it try a committee")
    screen.note("somebody lets the trainer try larger models, and gives the command retrain")
    run = _await_run(loop, screen, began.number, 30)
    screen.note(f"{_name(run)} is started: {_tell_reasons(run)}")
    run = _await_end(loop, screen, began.number)
    screen.note(f"{_name(run)} is {run['status']['phase']}: {_say(run)}", "red")
    loop.wait("the hold on its digest", lambda: _is_held(loop, run), 30, screen.tick)
    digest = run["status"]["model"]["digest"]
    screen.note(f"{digest[:19]}… is held: it is not served again until somebody releases it", "green")
    _stay_quiet(loop, screen)
    attempt = _record(loop, run, began, Quality())
    _demand(loop, "the slow model", checks.check_rolled_back(attempt) + _check_tracked(loop, run))
    return build_line(run, asked)


def close(loop: Loop) -> None:
    """Stop the traffic. No request of the whole time may have been lost, also between the acts."""
    loop.stop_traffic()
    _demand(loop, "in all", [])


def describe_triggers(loop: Loop) -> str:
    """Both triggers with state, value and samples."""
    told = []
    for name in checks.TRIGGERS:
        state = loop.trigger(name)
        told.append(f"{name} {state.get('value', '?')} ({state.get('samples', '?')} rows) {state.get('state', '?')}")
    return ", ".join(told)


@dataclass(frozen=True)
class _Before:
    """What was there when an act began, and the number of the run that is to come."""

    number: int
    champion: str
    stable: str
    changes: int
    revisions: frozenset[str]


def _remember(loop: Loop) -> _Before:
    champion = (loop.policy.get("status") or {}).get("champion") or {}
    return _Before(
        len(loop.runs) + 1,
        str(champion.get("digest", "")),
        str((loop.status.get("stable") or {}).get("revision", "")),
        len(loop.route.changes),
        frozenset(loop.records),
    )


def _record(loop: Loop, run: Raw, before: _Before, quality: Quality) -> Attempt:
    revisions = sorted(set(loop.records) - before.revisions)
    return Attempt(
        run=run,
        policy=loop.policy,
        deployment=loop.deployment,
        champion=before.champion,
        stable=before.stable,
        changes=tuple(loop.route.changes[before.changes :]),
        revisions=revisions,
        record=loop.record(revisions[-1]) if revisions else {},
        quality=quality,
        clear={name: str(loop.trigger(name).get("state", "")) for name in checks.TRIGGERS},
    )


def _look_back(loop: Loop) -> float | None:
    now = time.time()
    return loop.f1(now - LOOK_SECONDS, now)


def _shift(loop: Loop, screen: Screen, season: str, story: str) -> float:
    loop.set_season(season)
    screen.note(f"the world changes: {story}")
    return time.time()


def _await_run(loop: Loop, screen: Screen, number: int, seconds: float) -> Raw:
    loop.wait(f"the start of run {number}", lambda: loop.run(number), seconds, screen.tick)
    return loop.run(number)


def _await_end(loop: Loop, screen: Screen, number: int) -> Raw:
    told: list[str] = []

    def follow() -> None:
        screen.tick()
        phase = (loop.run(number).get("status") or {}).get("phase")
        if phase and phase not in told and phase not in ENDED:
            told.append(phase)
            screen.note(f"  {_name(loop.run(number))}: {phase}{_describe_phase(loop.run(number), phase)}")

    def ended() -> bool:
        return (loop.run(number).get("status") or {}).get("phase") in ENDED

    loop.wait(f"the end of run {number}", ended, RUN_SECONDS, follow)
    return loop.run(number)


def _describe_phase(run: Raw, phase: str) -> str:
    if phase == "Training":
        child = run["status"].get("child") or {}
        return f", in {child.get('kind', '?')} {child.get('name', '?')}"
    if phase == "Promoting":
        gates = run["status"].get("gates") or []
        told = ", ".join(f"{one['name']} {one.get('value', '')}".strip() for one in gates)
        return f" {run['status']['model']['uri']}; gates passed: {told}"
    return ""


def _await_clear(loop: Loop, screen: Screen) -> None:
    def clear() -> bool:
        return all(loop.trigger(name).get("state") == "Clear" for name in checks.TRIGGERS)

    loop.wait("clear triggers", clear, CLEAR_SECONDS, screen.tick)


def _stay_quiet(loop: Loop, screen: Screen) -> None:
    until = time.monotonic() + QUIET_SECONDS
    loop.wait("a quiet time", lambda: time.monotonic() > until, QUIET_SECONDS + 5, screen.tick)


def _serves(loop: Loop) -> bool:
    ready = observe_condition(loop.deployment, "Ready")
    return bool(loop.status.get("stable")) and ready.get("status") == "True"


def _is_held(loop: Loop, run: Raw) -> bool:
    held = (loop.policy.get("status") or {}).get("quarantined") or []
    return any(one["digest"] == run["status"]["model"]["digest"] for one in held)


def _allow_committee(spec: Raw) -> None:
    container = spec["template"]["spec"]["template"]["spec"]["containers"][0]
    for one in container["env"]:
        if one["name"] == "FAMILIES":
            one["value"] = "linear,committee"


def _check_tracked(loop: Loop, run: Raw) -> list[str]:
    model = run["status"].get("model") or {}
    if not model.get("registryRun") or not str(model.get("uri", "")).startswith("models:/"):
        return ["the run does not name a run and a version in MLflow"]
    name, _, version = str(model["uri"]).removeprefix("models:/").rpartition("/")
    api = f"{mlflow.URL}/api/2.0/mlflow"
    tracked = json.loads(call(loop.house, "GET", f"{api}/runs/get?run_id={model['registryRun']}"))
    found = json.loads(call(loop.house, "GET", f"{api}/model-versions/get?name={name}&version={version}"))
    return checks.check_tracked(run, tracked, found)


def _ask_references(loop: Loop) -> Sequence[str]:
    """Digests of the references that the monitor says it compares with."""
    query = f"{loop.house.cluster.prometheus_url}/api/v1/query?query=model_drift_reference_info"
    answer = json.loads(call(loop.house, "GET", query))
    return sorted({str(one["metric"].get("reference_digest", "")) for one in answer["data"]["result"]})


def _demand(loop: Loop, what: str, problems: list[str]) -> None:
    problems = [*problems, *check_nothing_lost(loop.tally)]
    if problems:
        raise DemoError(f"{what}: " + "; ".join(problems))


def _name(run: Raw) -> str:
    return str(run["metadata"]["name"])


def _say(run: Raw) -> str:
    return str((run.get("status") or {}).get("message", "no message"))


def _tell_reasons(run: Raw) -> str:
    told = []
    for reason in run["spec"]["reasons"]:
        numbers = f" {reason['value']} (limit {reason.get('threshold', '?')})" if reason.get("value") else ""
        told.append(f"{reason['trigger']}{numbers}")
    return ", ".join(told)


def _tell(value: float | None) -> str:
    return "?" if value is None else f"{value:.2f}"


Act = Callable[[Loop, Screen], Line]
