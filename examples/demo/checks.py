"""What must be true after each act. Pure: from what was recorded to the sentences that say what is wrong; none means
all is well."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from examples.demo.scene import observe_condition
from tests.traffic.answers import Tally
from tests.traffic.route import RouteChange, list_weights

Raw = Mapping[str, Any]

NUMBERS = re.compile(r"\d+(\.\d+)?% on \S+ \([\d,]+ of [\d,]+\)")
"""A share, and the counts it comes from."""


@dataclass(frozen=True)
class Release:
    """What was recorded while one version was applied, from `began` to `ended` (seconds since the epoch).

    Pods are given by UID and were ready. `stable_pods`: those that served before; `stable_pods_after`: the same
    revision's, in the end. `pods_seen`: the candidate's at any time before it was promoted; `pods_after`: its own in
    the end. `fewest_old`: the smallest number of pods the stable revision had before the release was decided.
    `changes`: the route's since the version was applied.
    """

    version: str
    revision: str
    stable_before: str
    stable_pods: frozenset[str]
    began: float = 0.0
    ended: float = 0.0
    pods_seen: frozenset[str] = frozenset()
    pods_after: frozenset[str] = frozenset()
    stable_pods_after: frozenset[str] = frozenset()
    fewest_old: int = 0
    changes: Sequence[RouteChange] = ()
    deployment: Raw = field(default_factory=dict)
    record: Raw = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)


def check_promoted(release: Release, weights: Sequence[int], replicas: int) -> list[str]:
    """It climbed step by step, nothing was loaded twice, and the old revision stood by until the bake was over."""
    problems = []
    seen = list_weights(release.changes, release.revision)
    if seen != list(weights):
        problems.append(f"the route gave {release.version} the weights {_list(seen)}, not {_list(weights)}")
    if not release.pods_seen:
        problems.append(f"no ready pod of {release.version} was seen before its promotion")
    if missing := release.pods_seen - release.pods_after:
        problems.append(f"{len(missing)} pod(s) of {release.version} were replaced on the way to promotion")
    if len(release.pods_after) != replicas:
        problems.append(f"{len(release.pods_after)} pods of {release.version} serve, not {replicas}")
    if release.fewest_old < replicas:
        problems.append(f"only {release.fewest_old} of {replicas} old pods stood by before the bake was over")
    if _phase(release) != "Stable":
        problems.append(f"the record of {release.version} says {_phase(release) or 'nothing'}, not Stable")
    if not release.tally.of(release.version).requests:
        problems.append(f"no answer of {release.version} was seen by the client")
    problems += _check_ready(release, "True", "")
    return problems


def check_rolled_back(release: Release) -> list[str]:
    """It is off traffic, the verdict has its numbers, and what served before serves on with the same pods."""
    problems = []
    last = _list_positive(release.changes[-1]) if release.changes else {}
    if last != {release.stable_before: 100}:
        problems.append(f"the route ends at {last}, not at 100 % for {release.stable_before}")
    if not any(change.weights.get(release.revision) for change in release.changes):
        problems.append(f"{release.version} never had any traffic, so nothing was shown")
    if release.stable_pods != release.stable_pods_after:
        problems.append("the pods of the stable revision are not the same as before")
    if _phase(release) != "Rejected":
        problems.append(f"the record of {release.version} says {_phase(release) or 'nothing'}, not Rejected")
    problems += _check_ready(release, "False", "RolledBack")
    message = observe_condition(release.deployment, "Ready").get("message", "")
    if not NUMBERS.search(message):
        problems.append(f"the message has no numbers: {message!r}")
    if not release.tally.of(release.version).failures:
        problems.append(f"no failed answer of {release.version} was seen by the client")
    return problems


def check_nothing_started(release: Release, new_pods: Sequence[str]) -> list[str]:
    """Applying a rejected revision again, unchanged, moves nothing; `new_pods` are the names of those that came
    since."""
    problems = [f"pod {name} was started" for name in new_pods]
    if release.changes:
        problems.append(f"the route changed to {dict(release.changes[-1].weights)}")
    if candidate := (release.deployment.get("status") or {}).get("candidate"):
        problems.append(f"{candidate.get('revision')} is a candidate again")
    return problems + _check_ready(release, "False", "RolledBack")


def check_nothing_lost(tally: Tally) -> list[str]:
    """No client noticed a release: every request was answered by a model."""
    if not tally.lost:
        return []
    return [f"{len(tally.lost)} of {tally.requests:,} requests were lost on the way: {tally.explain_lost()}"]


def _check_ready(release: Release, status: str, reason: str) -> list[str]:
    ready = observe_condition(release.deployment, "Ready")
    if ready.get("status") == status and (not reason or ready.get("reason") == reason):
        return []
    wanted = f"{status}/{reason}" if reason else status
    return [f"Ready is {ready.get('status')}/{ready.get('reason')}, not {wanted}"]


def _list_positive(change: RouteChange) -> dict[str, int]:
    return {backend: weight for backend, weight in change.weights.items() if weight}


def _phase(release: Release) -> str:
    return str((release.record.get("status") or {}).get("phase") or "")


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(str(number) for number in numbers) or "none"
