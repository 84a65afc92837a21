"""Gather: the only place that reads the store for a decision about a ModelDeployment.

Whatever is wrong with the object or its surroundings becomes a `Problem` in the snapshot; a decision is made all the
same, because a rollback must be possible however broken the spec is by now."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from serinus.api import reasons
from serinus.api.meta import ANNOTATION_COMMAND, ANNOTATION_COMMAND_BY
from serinus.api.modeldeployment import ModelDeploymentSpec
from serinus.api.podtemplate import child
from serinus.api.presets import ResolvedRollout, resolve_rollout
from serinus.api.status import LastCommand
from serinus.controllers.access import find_provider
from serinus.controllers.analyst import Provider
from serinus.controllers.claims import ClaimIndex
from serinus.controllers.content import Known
from serinus.controllers.denied import find_refused
from serinus.controllers.intent import read_intent
from serinus.controllers.models import ModelDesk
from serinus.controllers.ownership import is_owned
from serinus.controllers.reach import Reach
from serinus.controllers.routes import (
    RoutePair,
    find_obstacles,
    find_routes,
    look_at_gateways,
    parents_of,
    view_pools,
    view_route,
    view_sides,
)
from serinus.controllers.trials import Plan as MetricPlan
from serinus.controllers.trials import plan_metrics
from serinus.controllers.warmer import Warmer
from serinus.core.checkjobs import observe_job, reports_in
from serinus.core.children import Owner, build_deployment, observe_target, speaks_h2c
from serinus.core.configmaps import ABSENT, digest_of, name_copy
from serinus.core.observe import (
    find_reachable,
    observe_revision,
    observe_status,
    observe_workload,
    pods_of,
)
from serinus.core.snapshot import CheckRun, Problem, RouteView, Snapshot, Warmth, Workload
from serinus.engine.store import Key, Store
from serinus.metrics.profiles import choose_gateway_profile
from serinus.routing.gateway_api import wants_pools

Raw = dict[str, Any]


@dataclass(frozen=True)
class Gathered:
    """A snapshot without the judge's word, and what the effects need besides it."""

    snapshot: Snapshot
    owner: Owner
    contents: Mapping[str, Raw]
    provider: Provider | None
    plan: MetricPlan
    pods: tuple[Raw, ...]
    raw: Raw
    routes: RoutePair


def gather_snapshot(
    store: Store,
    claims: ClaimIndex,
    reach: Reach,
    key: Key,
    raw: Raw,
    *,
    now: datetime,
    written_at: datetime | None = None,
    warmer: Warmer | None = None,
    desk: ModelDesk | None = None,
) -> Gathered:
    """Everything known of one ModelDeployment at this moment."""
    metadata = raw["metadata"]
    owner = Owner(key.name, key.namespace, metadata["uid"])
    status = observe_status(raw)
    records = store.by_owner("ModelRevision", key.namespace, key.name)
    revisions = {r["metadata"]["name"]: r for r in records if is_owned(r, owner)}
    routes = find_routes(store, owner, str(child(raw, "spec", "route").get("kind") or "HTTPRoute"))
    contents = {name: _content_of(r["spec"]) for name, r in revisions.items() if "content" in r["spec"]}
    config_maps = store.by_owner("ConfigMap", key.namespace, key.name)
    known = Known(key, contents, partial(store.get, "ConfigMap", key.namespace), desk or ModelDesk())
    known = replace(
        known,
        find_policy=partial(store.get, "RetrainPolicy", key.namespace),
        list_policies=partial(store.list, "RetrainPolicy", key.namespace),
    )
    intent = read_intent(owner, raw, status, routes.present, known)
    spec, wanted, spec_problems = intent.spec, intent.wanted, intent.problems
    rollout = resolve_rollout(spec.rollout)
    if intent.readable:
        # What only stands in for an unreadable spec is not what any revision is made of.
        contents.setdefault(wanted.name, _content_of({"content": wanted.content, "loader": wanted.loader}))
    gateways = look_at_gateways(store, key.namespace, spec.route, rollout)
    pods = store.by_owner("Pod", key.namespace, key.name)
    settled_at = reach.observe(key, find_reachable(pods, store.by_owner("EndpointSlice", key.namespace, key.name)), now)
    warm = {} if warmer is None else warmer.observe(key, spec, status.candidate, contents, pods)
    unasked = status.stable is None or rollout.strategy == "Direct"
    provider, provider_problems = _provider(store, rollout, explicit=_names_provider(spec), unasked=unasked)
    route_problems = spec_problems or find_obstacles(store, claims, key, spec, gateways)
    usable = not route_problems
    route_kind = spec.route.kind if usable or routes.present is None else routes.present["kind"]
    # No gateway that is known counts by pool.
    profile = None if wants_pools(spec.route) else choose_gateway_profile(gateways.controller, route_kind)
    if profile is not None and provider is not None:
        profile = replace(profile, given=provider.gateway_labels)
    plan = plan_metrics(rollout, profile, spec.runtime, route_kind)
    by_place = profile is not None and profile.needs_filter
    problems = route_problems if spec_problems else [*route_problems, *provider_problems, *plan.problems]
    beside = {namespace for namespace, _ in parents_of(key.namespace, spec.route)}
    problems = [*problems, *find_refused(store, key.namespace, of_releases=True, gateways=beside)]
    services = [s for s in store.by_owner("Service", key.namespace, key.name) if is_owned(s, owner)]
    annotations = metadata.get("annotations") or {}
    command = annotations.get(ANNOTATION_COMMAND)
    snapshot = Snapshot(
        name=key.name,
        namespace=key.namespace,
        generation=int(metadata.get("generation") or 0),
        spec=spec,
        rollout=rollout,
        status=status,
        wanted=wanted,
        now=now,
        command=LastCommand(text=command).text if command else None,
        command_by=LastCommand(text="", by=annotations.get(ANNOTATION_COMMAND_BY)).by,
        revisions={name: observe_revision(r) for name, r in revisions.items()},
        workloads=_workloads(store, owner, contents, settled_at, pods=pods, now=now, warm=warm),
        service_targets={s["metadata"]["name"]: observe_target(s) for s in services},
        h2c_services=frozenset(s["metadata"]["name"] for s in services if speaks_h2c(s)),
        route=_with_settling(reach, key, view_route(owner, spec.route, routes, by_place=by_place, usable=usable), now),
        pools=view_pools(store, owner, spec.route, contents),
        sides=view_sides(store, owner, spec),
        checks=_observe_checks(store, owner, pods, config_maps),
        missing_copies=_missing_copies(contents, [one for one in config_maps if is_owned(one, owner)]),
        problems=tuple(problems),
        spec_readable=intent.readable,
        model=intent.model,
        resolving=intent.resolving,
        features={name: content["schema"]["features"] for name, content in contents.items() if "schema" in content},
        route_usable=usable,
        status_written_at=written_at,
    )
    return Gathered(snapshot, owner, contents, provider, plan, pods, raw, routes)


def _with_settling(reach: Reach, key: Key, view: RouteView, now: datetime) -> RouteView:
    """The route with the moments from which the gateway knows its backends, and the route itself, where that takes
    time."""
    takes_over_at = reach.observe_takeover(key, view.former is not None and view.accepted is True, now)
    if takes_over_at is not None and view.replaces_former:
        view = replace(view, replaces_former=takes_over_at <= now, takes_over_at=takes_over_at)
    if not view.by_place:
        return view
    return replace(view, settles_at=reach.observe_backends(key, (*view.weights, *view.traces), now))


def _observe_checks(
    store: Store, owner: Owner, pods: tuple[Raw, ...], config_maps: tuple[Raw, ...]
) -> dict[str, CheckRun]:
    reports = reports_in(config_maps)
    jobs = [job for job in store.by_owner("Job", owner.namespace, owner.name) if is_owned(job, owner)]
    return {job["metadata"]["name"]: observe_job(job, pods, reports) for job in jobs}


def _content_of(record: Raw) -> Raw:
    """What a revision serves, with the loader that it keeps and the text of its model reference."""
    return {**record["content"], **{name: record[name] for name in ("loader", "reference") if record.get(name)}}


def _missing_copies(contents: Mapping[str, Raw], copies: list[Raw]) -> dict[str, dict[str, str]]:
    held = {one["metadata"]["name"]: digest_of(one) for one in copies}
    return {
        revision: {
            source: digest
            for source, digest in (content.get("configMaps") or {}).items()
            if digest != ABSENT and held.get(name_copy(revision, source)) != digest
        }
        for revision, content in contents.items()
    }


def _names_provider(spec: ModelDeploymentSpec) -> bool:
    return spec.rollout is not None and spec.rollout.analysis is not None and spec.rollout.analysis.provider is not None


def _provider(
    store: Store, rollout: ResolvedRollout, *, explicit: bool, unasked: bool
) -> tuple[Provider | None, list[Problem]]:
    """The provider to ask. Where nobody is judged (a first revision, Direct) the default one may be missing."""
    found = find_provider(store, rollout.provider, "spec.rollout.analysis.provider")
    if not isinstance(found, Problem):
        return found, []
    excused = found.reason == reasons.PROVIDER_NOT_FOUND and unasked and not explicit
    return None, [] if excused else [found]


def _workloads(
    store: Store,
    owner: Owner,
    contents: Mapping[str, Raw],
    settled_at: Mapping[str, datetime],
    *,
    pods: tuple[Raw, ...],
    now: datetime,
    warm: Mapping[str, Mapping[str, Warmth]],
) -> dict[str, Workload]:
    found = {}
    for deployment in store.by_owner("Deployment", owner.namespace, owner.name):
        if not is_owned(deployment, owner):
            continue
        name = deployment["metadata"]["name"]
        content, warmths = contents.get(name), warm.get(name)
        wanted = build_deployment(owner, name, content, 0) if content and content.get("template") else None
        mine = pods_of(pods, name)
        found[name] = observe_workload(deployment, mine, settled_at, wanted=wanted, now=now, warmths=warmths)
    return found
