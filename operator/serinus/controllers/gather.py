"""Gather: the only place that reads the store for a decision about a ModelDeployment.

Whatever is wrong with the object or its surroundings becomes a `Problem` in the snapshot; a decision is made all the
same, because a rollback must be possible however broken the spec is by now."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from serinus.api import reasons
from serinus.api.meta import ANNOTATION_COMMAND, ANNOTATION_COMMAND_BY, LABEL_DEPLOYMENT, LABEL_MANAGED_BY, MANAGED_BY
from serinus.api.modeldeployment import ModelDeploymentSpec
from serinus.api.presets import ResolvedRollout, resolve_rollout
from serinus.api.route import RouteSpec
from serinus.api.status import LastCommand
from serinus.api.validate import check_metrics_provider
from serinus.controllers.access import build_provider
from serinus.controllers.analyst import Provider
from serinus.controllers.claims import ClaimIndex
from serinus.controllers.content import Known
from serinus.controllers.intent import read_intent
from serinus.controllers.models import ModelDesk
from serinus.controllers.reach import Reach
from serinus.controllers.trials import Plan as MetricPlan
from serinus.controllers.trials import plan_metrics
from serinus.controllers.warmer import Warmer
from serinus.core.checkjobs import observe_job, reports_in
from serinus.core.children import Owner, build_deployment, observe_target
from serinus.core.configmaps import ABSENT, digest_of, name_copy
from serinus.core.observe import (
    find_reachable,
    observe_revision,
    observe_status,
    observe_workload,
    pods_of,
)
from serinus.core.snapshot import CheckRun, Problem, RouteView, SideKind, SideView, Snapshot, Warmth, Workload
from serinus.engine.store import Key, Store
from serinus.metrics.profiles import choose_gateway_profile
from serinus.routing.gateway_api import find_missing_features, observe_route
from serinus.routing.mirror import find_missing_mirror
from serinus.routing.side_routes import SUFFIXES, name_side, observe_side

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
    raw_route: Raw | None


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
    raw_route = store.get("HTTPRoute", key.namespace, key.name)
    owned_route = raw_route if raw_route is not None and is_owned(raw_route, owner) else None
    contents = {name: _content_of(r["spec"]) for name, r in revisions.items() if "content" in r["spec"]}
    config_maps = store.by_owner("ConfigMap", key.namespace, key.name)
    known = Known(key, contents, partial(store.get, "ConfigMap", key.namespace), desk or ModelDesk())
    intent = read_intent(owner, raw, status, owned_route, known)
    spec, wanted, spec_problems = intent.spec, intent.wanted, intent.problems
    rollout = resolve_rollout(spec.rollout)
    contents.setdefault(wanted.name, _content_of({"content": wanted.content, "loader": wanted.loader}))
    controller, features, gateway_problems = _gateways(store, key.namespace, spec, rollout)
    pods = store.by_owner("Pod", key.namespace, key.name)
    settled_at = reach.observe(key, find_reachable(pods, store.by_owner("EndpointSlice", key.namespace, key.name)), now)
    warm = {} if warmer is None else warmer.observe(key, spec, status.candidate, contents, pods)
    unasked = status.stable is None or rollout.strategy == "Direct"
    provider, provider_problems = _provider(store, rollout, explicit=_names_provider(spec), unasked=unasked)
    profile = choose_gateway_profile(controller)
    plan = plan_metrics(rollout, profile, spec.runtime)
    by_place = profile is not None and profile.needs_filter
    route_problems = spec_problems or [*gateway_problems, *_features(spec, features), *_conflicts(claims, key)]
    problems = route_problems if spec_problems else [*route_problems, *provider_problems, *plan.problems]
    usable = not route_problems
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
        service_targets={
            s["metadata"]["name"]: observe_target(s)
            for s in store.by_owner("Service", key.namespace, key.name)
            if is_owned(s, owner)
        },
        route=_observe_route(owner, spec, owned_route, reach, key, by_place=by_place, usable=usable, now=now),
        sides=_observe_sides(store, owner, spec),
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
    return Gathered(snapshot, owner, contents, provider, plan, pods, raw, owned_route)


def _observe_route(
    owner: Owner,
    spec: ModelDeploymentSpec,
    raw: Raw | None,
    reach: Reach,
    key: Key,
    *,
    by_place: bool,
    usable: bool,
    now: datetime,
) -> RouteView:
    if spec.route.mode == "Replicas":
        return RouteView(exists=raw is not None)
    view = observe_route(owner, spec.route, raw, by_place=by_place)
    if by_place:
        view = replace(view, settles_at=reach.observe_backends(key, (*view.weights, *view.traces), now))
    # With a spec that must not be put into force there is nothing to compare the route with.
    return view if usable else replace(view, in_shape=True)


def _observe_sides(store: Store, owner: Owner, spec: ModelDeploymentSpec) -> dict[SideKind, SideView]:
    testers = spec.rollout.testers if spec.rollout else None
    found: dict[SideKind, SideView] = {}
    for kind in SUFFIXES:
        raw = store.get("HTTPRoute", owner.namespace, name_side(owner, kind))
        view = observe_side(owner, spec.route, testers, kind, raw if raw is None or is_owned(raw, owner) else None)
        if view is not None:
            found[kind] = view
    return found


def _observe_checks(
    store: Store, owner: Owner, pods: tuple[Raw, ...], config_maps: tuple[Raw, ...]
) -> dict[str, CheckRun]:
    reports = reports_in(config_maps)
    jobs = [job for job in store.by_owner("Job", owner.namespace, owner.name) if is_owned(job, owner)]
    return {job["metadata"]["name"]: observe_job(job, pods, reports) for job in jobs}


def _content_of(record: Raw) -> Raw:
    """What a revision serves, with the loader that it keeps."""
    return {**record["content"], **({"loader": record["loader"]} if record.get("loader") else {})}


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


def is_owned(raw: Raw, owner: Owner) -> bool:
    """Whether the object belongs to this very ModelDeployment, by uid: a name proves nothing."""
    return any(ref.get("uid") == owner.uid for ref in raw["metadata"].get("ownerReferences") or ())


def is_orphan(raw: Raw, owner: Owner) -> bool:
    """Whether the object was a child of a ModelDeployment of this name and nobody's since: deleted with
    `--cascade=orphan`, or brought back from a backup."""
    metadata = raw["metadata"]
    labels = metadata.get("labels") or {}
    made_here = labels.get(LABEL_DEPLOYMENT) == owner.name and labels.get(LABEL_MANAGED_BY) == MANAGED_BY
    return made_here and not any(ref.get("controller") for ref in metadata.get("ownerReferences") or ())


def parents_of(namespace: str, spec: RouteSpec) -> list[tuple[str, str]]:
    """Namespace and name of every Gateway the route is attached to."""
    return [(ref.namespace or namespace, ref.name) for ref in spec.parent_refs if ref.kind in (None, "Gateway")]


def _gateways(
    store: Store, namespace: str, spec: ModelDeploymentSpec, rollout: ResolvedRollout
) -> tuple[str | None, list[str], list[Problem]]:
    """Controller name and supported features of the gateways, and which of them are missing."""
    problems: list[Problem] = []
    controller: str | None = None
    features: list[str] = []
    for number, (gateway_namespace, name) in enumerate(parents_of(namespace, spec.route)):
        gateway = store.get("Gateway", gateway_namespace, name)
        if gateway is None:
            field = f"spec.route.parentRefs[{number}]"
            problems.append(
                Problem(reasons.GATEWAY_NOT_FOUND, f"{field}: there is no Gateway {gateway_namespace}/{name}")
            )
            continue
        gateway_class = store.get("GatewayClass", "", gateway.get("spec", {}).get("gatewayClassName", ""))
        by = (gateway_class or {}).get("spec", {}).get("controllerName")
        declared = ((gateway_class or {}).get("status") or {}).get("supportedFeatures") or []
        named = [f["name"] if isinstance(f, dict) else str(f) for f in declared]
        controller = controller or by
        features += named
        problems += _mirroring(rollout, by, named)
    if len(parents_of(namespace, spec.route)) < len(spec.route.parent_refs):
        problems += _mirroring(rollout, None, [])
    return controller, features, problems


def _mirroring(rollout: ResolvedRollout, controller: str | None, features: list[str]) -> list[Problem]:
    """Why one of the gateways cannot do what strategy Shadow needs."""
    if rollout.shadow is None:
        return []
    profile = choose_gateway_profile(controller)
    known = profile is not None and profile.mirrors
    missing = find_missing_mirror(rollout.shadow.percent, frozenset(features), known=known)
    return [] if missing is None else [Problem(reasons.GATEWAY_UNSUPPORTED, missing)]


def _features(spec: ModelDeploymentSpec, features: list[str]) -> list[Problem]:
    return [
        Problem(reasons.GATEWAY_UNSUPPORTED, f"{field} needs {feature}, which the gateway does not support: remove it")
        for field, feature in find_missing_features(
            spec.route, features, spec.rollout.testers if spec.rollout else None
        )
    ]


def _conflicts(claims: ClaimIndex, key: Key) -> list[Problem]:
    found = claims.find_conflict(key)
    if found is None:
        return []
    other, (gateway, host, match, _) = found
    message = f"ModelDeployment {other.namespace}/{other.name} is older and serves {host} {match} on {gateway} already"
    return [Problem(reasons.ROUTE_CONFLICT, f"spec.route: {message}; use another host or path")]


def _names_provider(spec: ModelDeploymentSpec) -> bool:
    return spec.rollout is not None and spec.rollout.analysis is not None and spec.rollout.analysis.provider is not None


def _provider(
    store: Store, rollout: ResolvedRollout, *, explicit: bool, unasked: bool
) -> tuple[Provider | None, list[Problem]]:
    """The provider to ask. Where nobody is judged (a first revision, Direct) the default one may be missing."""
    raw = store.get("MetricsProvider", "", rollout.provider)
    field = "spec.rollout.analysis.provider"
    if raw is None:
        problem = Problem(reasons.PROVIDER_NOT_FOUND, f"{field}: there is no MetricsProvider {rollout.provider}")
        return None, [problem] if explicit or not unasked else []
    spec = check_metrics_provider(raw.get("spec") or {})
    if isinstance(spec, tuple):
        said = "; ".join(map(str, spec))
        return None, [Problem(reasons.INVALID_SPEC, f"{field}: MetricsProvider {rollout.provider}: {said}")]
    return build_provider(rollout.provider, spec), []


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
