"""Puts the retraining loop together: its controllers, whom they ask, and what they tell."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from serinus.api import reasons
from serinus.api.podtemplate import child
from serinus.api.retrainstatus import TriggerState
from serinus.api.runstatus import TERMINAL
from serinus.controllers.access import find_provider
from serinus.controllers.analyst import Provider
from serinus.controllers.modeldeployment import Ended
from serinus.controllers.recorder import Recorder
from serinus.controllers.retrain.desk import Places, RunDesk
from serinus.controllers.retrain.looks import SignalLooks
from serinus.controllers.retrain.policies import RetrainPolicyController
from serinus.controllers.retrain.policygather import PolicyGathered
from serinus.controllers.retrain.rungather import RunGathered
from serinus.controllers.retrain.runs import RetrainRunController
from serinus.controllers.retrain.snapshots import SnapshotReader
from serinus.controllers.retrain.switchedoff import SwitchedOffPolicies
from serinus.controllers.retrain.wakeup import POLICY, RetrainWakeup
from serinus.controllers.signals import Signals
from serinus.controllers.wants import build_scope, read_answer
from serinus.core.retrain.policyview import PolicyPlan, PolicySnapshot
from serinus.core.retrain.reading import Unknown, Value
from serinus.core.retrain.runview import RunPlan
from serinus.core.snapshot import Problem
from serinus.engine.clock import Clock
from serinus.engine.store import Key, Store
from serinus.engine.worker import Result
from serinus.kube.errors import KubeError
from serinus.kube.gateway import Kube
from serinus.kube.resources import CONFIGMAPS, Resource
from serinus.metrics.promql import QueryProblem, build_number_query, parse_number_query
from serinus.metrics.source import MetricSource
from serinus.shell.lifecycle import LifecycleTelemetry

Raw = dict[str, Any]
Notify = Callable[[Key, bool], None]


@dataclass(frozen=True)
class Loop:
    """Everything of the retraining loop that lives as long as the process."""

    policies: RetrainPolicyController | SwitchedOffPolicies
    runs: RetrainRunController
    wakeup: RetrainWakeup
    signals: Signals
    desk: RunDesk
    snapshots: SnapshotReader

    async def reconcile(self, key: Key) -> Result:
        """One turn of a policy or a run."""
        return await (self.policies if key.kind == POLICY else self.runs).reconcile(key)

    async def close(self) -> None:
        """Stop whatever is being asked."""
        await asyncio.gather(self.signals.close(), self.desk.close(), self.snapshots.close())


@dataclass(frozen=True)
class Surroundings:
    """What the loop shares with the rest of the process."""

    kube: Kube
    store: Store
    notify: Notify
    recorder: Recorder
    clock: Clock
    make_source: Callable[[Provider], MetricSource]
    telemetry: LifecycleTelemetry
    kinds: tuple[Resource, ...]
    enabled: bool = True


def build_loop(around: Surroundings, places: Places) -> Loop:
    """Build every part once."""
    signals = Signals(around.make_source, around.notify, around.clock)
    snapshots = SnapshotReader(places.fetch_config_map, around.notify)
    desk = RunDesk(places, around.notify)
    policies: RetrainPolicyController | SwitchedOffPolicies = RetrainPolicyController(
        around.kube,
        around.store,
        around.recorder,
        around.clock,
        SignalLooks(signals, around.clock),
        snapshots,
        around.kinds,
        on_pass=partial(tell_policy, around.telemetry),
    )
    if not around.enabled:
        policies = SwitchedOffPolicies(around.kube, around.store, around.clock)
    runs = RetrainRunController(
        around.kube,
        around.store,
        around.recorder,
        around.clock,
        desk,
        around.kinds,
        on_change=partial(tell_run, around.telemetry),
    )
    wakeup = RetrainWakeup(around.store, lambda key: around.notify(key, False))
    return Loop(policies, runs, wakeup, signals, desk, snapshots)


async def fetch_config_map(kube: Kube, namespace: str, name: str) -> Raw | None:
    """A ConfigMap; None where it cannot be had now."""
    try:
        return await kube.find(CONFIGMAPS, namespace, name)
    except KubeError:
        return None


def build_gate_asker(
    store: Store, make_source: Callable[[Provider], MetricSource]
) -> Callable[[str, str, str], Awaitable[Value]]:
    """Ask the provider of a policy for the number that a gate's query gives."""

    async def ask(namespace: str, policy: str, text: str) -> Value:
        raw = store.get(POLICY, namespace, policy) or {}
        spec = raw.get("spec") or {}
        name = str(spec.get("provider") or "default")
        provider = find_provider(store, name, "spec.provider")
        if isinstance(provider, Problem):
            return Unknown(reasons.PROVIDER_NOT_FOUND, f"there is no MetricsProvider {name} that can be asked")
        query = parse_number_query(text)
        if isinstance(query, QueryProblem):
            return Unknown(reasons.INVALID_QUERY, query.message)
        deployment = str((spec.get("modelDeploymentRef") or {}).get("name") or "")
        served = store.get("ModelDeployment", namespace, deployment) or {}
        revision = child(served, "status", "stable").get("revision")
        source = make_source(provider)
        try:
            written = build_number_query(query, build_scope(namespace, deployment, revision))
            found = read_answer(written, await source.fetch_instant(written), text)
        finally:
            source.close()
        return found if isinstance(found, Unknown) else found.value

    return ask


def tell_release(telemetry: LifecycleTelemetry, ended: Ended) -> None:
    """Count the end of a release. The lead time of a model that a run made is the run's to tell."""
    if ended.outcome == reasons.SUPERSEDED:
        return
    promoted = ended.outcome == reasons.PROMOTED
    telemetry.on_release(ended.namespace, ended.name, failed=not promoted and ended.outcome != reasons.ABORTED)
    if promoted and not ended.followed and ended.seconds is not None:
        telemetry.on_lead(ended.namespace, ended.name, ended.seconds)


def tell_run(telemetry: LifecycleTelemetry, gathered: RunGathered, plan: RunPlan) -> None:
    """Count what a run came to."""
    s, status = gathered.snapshot, plan.status
    namespace, policy = s.namespace, s.spec.policy.name
    if status.phase == "Observing" and status.promotion is not None and status.promotion.stable_at is not None:
        seconds = (status.promotion.stable_at - s.spec.decided_at).total_seconds()
        telemetry.on_lead(namespace, s.spec.model_deployment, seconds)
    if status.phase not in TERMINAL:
        return
    trigger = s.spec.reasons[0].trigger if s.spec.reasons else ""
    telemetry.on_run(namespace, policy, str(status.phase), trigger, status.accelerator_seconds or 0)
    for one in status.stages:
        telemetry.on_stage(namespace, policy, one.stage, one.seconds)


def _was_cured_by_return(s: PolicySnapshot, state: TriggerState) -> bool:
    """Whether the revision before has come back since the degradation began."""
    if s.status.rolled_back is None or s.served is None or state.first_bad_at is None:
        return False
    return s.served.returned and s.served.since > state.first_bad_at


def tell_policy(telemetry: LifecycleTelemetry, gathered: PolicyGathered, plan: PolicyPlan) -> None:
    """Count degradations that are over: from the first bad window to the first that is good for long enough."""
    s = gathered.snapshot
    if s.spec is None:
        return
    model = s.spec.model_deployment_ref.name
    after = {one.name: one for one in plan.status.triggers}
    for before in s.status.triggers:
        now = after.get(before.name)
        if before.first_bad_at is None or now is None or now.state != "Clear" or before.state == "Pending":
            continue
        cause = "Retrain" if before.state == "Latched" else "Rollback" if _was_cured_by_return(s, before) else "Other"
        seconds = ((now.since or s.now) - before.first_bad_at).total_seconds()
        telemetry.on_recovery(s.namespace, model, cause, max(seconds, 0.0))
