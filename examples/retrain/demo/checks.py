"""What must be true after each act. Pure: from what was recorded to the sentences that say what is wrong; none means
all is well."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.traffic.route import RouteChange, list_weights

Raw = Mapping[str, Any]

GOOD: Final = 0.85
BAD: Final = 0.7
"""F1 of a model that is at home in its season is above the one, of one that is not below the other."""
TRIGGERS: Final = ("drift", "quality")
PROTECTED: Final = "region=south"
NUMBERS: Final = re.compile(r"latency \d+(\.\d+)?% slower than \S+ on \S+ \([\d,]+ of [\d,]+\)")
"""A share of slow answers, and the counts it comes from."""


@dataclass(frozen=True)
class Quality:
    """F1 by the client's own book: before the shift, at its worst, and after what was done about it. None where nothing
    could be measured."""

    before: float | None = None
    shifted: float | None = None
    after: float | None = None


@dataclass(frozen=True)
class Attempt:
    """What was recorded of one run. `champion`, `stable`: digest and revision before it. `changes`: of the route, since
    the run began. `revisions`: names of the ModelRevisions that came since, `record` the last of them. `clear`: the
    states of the triggers in the end."""

    run: Raw
    policy: Raw
    deployment: Raw
    champion: str
    stable: str
    changes: Sequence[RouteChange] = ()
    revisions: Sequence[str] = ()
    record: Raw = field(default_factory=dict)
    quality: Quality = field(default_factory=Quality)
    clear: Mapping[str, str] = field(default_factory=dict)


def check_promoted(attempt: Attempt, weights: Sequence[int]) -> list[str]:
    """It was asked for by drift and quality, passed its gates against the champion, was canaried and promoted, and
    quality and triggers are well again."""
    problems = _check_phase(attempt, "Succeeded") + check_evidence(attempt.run)
    fired = {reason["trigger"]: reason for reason in attempt.run["spec"]["reasons"]}
    for name in TRIGGERS:
        if not fired.get(name, {}).get("value") or not fired.get(name, {}).get("samples"):
            problems.append(f"the record does not say which {name} asked for it, with value and samples")
    problems += _check_gates(attempt, failed=())
    stable, digest = _stable(attempt.deployment), _digest(attempt.run)
    if stable == attempt.stable:
        problems.append(f"{stable} still serves")
    seen = list_weights(attempt.changes, stable)
    if seen != list(weights):
        problems.append(f"the route gave {stable} the weights {_list(seen)}, not {_list(weights)}")
    if _champion(attempt.policy) != digest:
        problems.append(f"the champion is {_champion(attempt.policy)}, not the run's {digest}")
    if not (attempt.run["status"] or {}).get("recoverySeconds"):
        problems.append("the record does not say how long it took from the first bad window until all was well")
    problems += _check_quality(attempt.quality)
    problems += [
        f"trigger {name} is {attempt.clear.get(name, 'gone')}, not Clear"
        for name in TRIGGERS
        if attempt.clear.get(name) != "Clear"
    ]
    return problems


def check_rejected(attempt: Attempt) -> list[str]:
    """It was better in all and worse for the protected slice, and never came near the traffic."""
    problems = _check_phase(attempt, "Rejected") + check_evidence(attempt.run)
    problems += _check_gates(attempt, failed=("slices",))
    if PROTECTED not in _gate(attempt.run, "slices").get("message", ""):
        problems.append(f"the gate does not name {PROTECTED}: {_gate(attempt.run, 'slices').get('message')!r}")
    return problems + _check_unmoved(attempt) + [f"{name} was made of it" for name in attempt.revisions]


def check_rolled_back(attempt: Attempt) -> list[str]:
    """It passed its gates, had traffic, was too slow, is off traffic, and is not served again."""
    problems = _check_phase(attempt, "RolledBack") + check_evidence(attempt.run)
    problems += _check_gates(attempt, failed=())
    digest = _digest(attempt.run)
    if len(attempt.revisions) != 1:
        problems.append(f"{len(attempt.revisions)} revisions were made of it, not 1")
    if not any(change.weights.get(name) for change in attempt.changes for name in attempt.revisions):
        problems.append("it never had any traffic, so nothing was shown")
    last = {name: weight for name, weight in attempt.changes[-1].weights.items() if weight} if attempt.changes else {}
    if last != {attempt.stable: 100}:
        problems.append(f"the route ends at {last}, not at 100 % for {attempt.stable}")
    problems += _check_champion(attempt)
    if _stable(attempt.deployment) != attempt.stable:
        problems.append(f"{_stable(attempt.deployment)} serves, not {attempt.stable}")
    verdict = attempt.record.get("status") or {}
    if verdict.get("phase") != "Rejected":
        problems.append(f"the record of its revision says {verdict.get('phase', 'nothing')}, not Rejected")
    if not NUMBERS.search(str(verdict.get("message"))):
        problems.append(f"the record has no latency with numbers: {verdict.get('message')!r}")
    held = {one["digest"]: one for one in (attempt.policy.get("status") or {}).get("quarantined") or []}
    if digest not in held:
        problems.append(f"{digest} is not in quarantine: {_list(list(held))}")
    elif not held[digest].get("evidence"):
        problems.append(f"{digest} is in quarantine without evidence")
    return problems


def check_evidence(run: Raw) -> list[str]:
    """The record names model, data, code and experiment, all pinned."""
    model = (run.get("status") or {}).get("model") or {}
    wanted = ("uri", "digest", "snapshot", "snapshotDigest", "source", "registryRun")
    problems = [f"the record has no {name} of the model" for name in wanted if not model.get(name)]
    if not ((run.get("status") or {}).get("child") or {}).get("uid"):
        problems.append("the record does not name what trained")
    return problems


def check_tracked(run: Raw, tracked: Raw, version: Raw) -> list[str]:
    """MLflow tells the same story: `tracked` is its run and `version` its model version."""
    model, name = run["status"]["model"], run["metadata"]["name"]
    tags = {tag["key"]: tag["value"] for tag in tracked["run"]["data"].get("tags") or []}
    problems = []
    if tags.get("serinus.run") != name:
        problems.append(f"MLflow's run belongs to {tags.get('serinus.run')!r}, not to {name}")
    inputs = (tracked["run"].get("inputs") or {}).get("dataset_inputs") or []
    digests = [one["dataset"]["digest"] for one in inputs]
    hexes = str(model["snapshotDigest"]).removeprefix("sha256:")
    if len(digests) != 1 or len(digests[0]) < 32 or not hexes.startswith(digests[0]):
        problems.append(f"MLflow's data sets are {_list(digests)}, not {hexes}")
    metrics = {one["key"] for one in tracked["run"]["data"].get("metrics") or []}
    if not {"f1", "champion.f1"} <= metrics:
        problems.append(f"MLflow has no F1 of both models: {_list(sorted(metrics))}")
    told = version["model_version"]
    if told.get("run_id") != model["registryRun"]:
        problems.append(f"MLflow's version {told.get('version')} is of run {told.get('run_id')}")
    return problems


def check_reference(digests: Sequence[str], run: Raw) -> list[str]:
    """The monitor compares with what the new model was made from; `digests` are those that it names."""
    wanted = _digest(run)
    return (
        []
        if [_plain(digest) for digest in digests] == [_plain(wanted)]
        else [f"the monitor compares with {_list(list(digests))}, not with {wanted}"]
    )


def _plain(digest: str) -> str:
    return digest.replace(":", "-")


def _check_phase(attempt: Attempt, wanted: str) -> list[str]:
    status = attempt.run.get("status") or {}
    phase = status.get("phase") or "nothing"
    return [] if phase == wanted else [f"the run is {phase}, not {wanted}: {status.get('message', '')}"]


def _check_gates(attempt: Attempt, failed: Sequence[str]) -> list[str]:
    """All gates of the policy have a verdict: those named have failed, the others passed, and whatever is compared with
    the champion was."""
    problems = []
    for wanted in attempt.policy["spec"]["gates"]:
        name = wanted["name"]
        found = _gate(attempt.run, name)
        verdict = "Failed" if name in failed else "Passed"
        if found.get("verdict") != verdict:
            problems.append(
                f"gate {name} is {found.get('verdict', 'missing')}, not {verdict}: {found.get('message', '')}"
            )
        if wanted["kind"] == "Metric" and "versusChampion" in wanted and not found.get("champion"):
            problems.append(f"gate {name} was not compared with the champion")
    return problems


def _check_quality(quality: Quality) -> list[str]:
    problems = []
    if quality.before is None or quality.before < GOOD:
        problems.append(f"F1 was {_tell(quality.before)} before the shift, which is not good")
    if quality.shifted is None or quality.shifted > BAD:
        problems.append(f"F1 was {_tell(quality.shifted)} after the shift, which is not bad")
    if quality.after is None or quality.after < GOOD:
        problems.append(f"F1 is {_tell(quality.after)} in the end, which is not good")
    return problems


def _check_unmoved(attempt: Attempt) -> list[str]:
    problems = [f"the route changed to {dict(attempt.changes[-1].weights)}"] if attempt.changes else []
    if _stable(attempt.deployment) != attempt.stable:
        problems.append(f"{_stable(attempt.deployment)} serves, not {attempt.stable}")
    return problems + _check_champion(attempt)


def _check_champion(attempt: Attempt) -> list[str]:
    champion = _champion(attempt.policy)
    return [] if champion == attempt.champion else [f"the champion is {champion}, not {attempt.champion}"]


def _gate(run: Raw, name: str) -> Raw:
    gates = (run.get("status") or {}).get("gates") or []
    return next((gate for gate in gates if gate["name"] == name), {})


def _digest(run: Raw) -> str:
    return str(((run.get("status") or {}).get("model") or {}).get("digest", ""))


def _champion(policy: Raw) -> str:
    return str(((policy.get("status") or {}).get("champion") or {}).get("digest", ""))


def _stable(deployment: Raw) -> str:
    return str(((deployment.get("status") or {}).get("stable") or {}).get("revision", ""))


def _tell(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _list(things: Sequence[object]) -> str:
    return ", ".join(str(thing) for thing in things) or "none"
