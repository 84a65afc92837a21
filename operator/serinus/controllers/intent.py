"""What the spec asks for, as far as it can be read: an invalid one must not keep a rollback from being possible."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from serinus.api import reasons
from serinus.api.modeldeployment import ModelDeploymentSpec
from serinus.api.rollout import RolloutSpec
from serinus.api.route import RouteSpec
from serinus.api.status import ModelDeploymentStatus, ResolvedModel
from serinus.api.validate import check_model_deployment
from serinus.controllers.content import Known, look_at_delivery, read_content
from serinus.core.children import Owner
from serinus.core.revision import Revision, build_content, build_revision
from serinus.core.snapshot import Problem

Raw = dict[str, Any]
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Intent:
    """What people ask for. Where `readable` is False nobody knows what is wanted; then it is what serves. `resolving`
    says what is being looked up, if anything is."""

    spec: ModelDeploymentSpec
    wanted: Revision
    problems: list[Problem]
    readable: bool
    model: ResolvedModel | None = None
    resolving: str = ""


def read_intent(owner: Owner, raw: Raw, status: ModelDeploymentStatus, raw_route: Raw | None, known: Known) -> Intent:
    """The spec and the revision that it describes."""
    checked = check_model_deployment(owner.name, raw.get("spec") or {})
    if isinstance(checked, tuple):
        problems = [Problem(reasons.INVALID_SPEC, str(problem)) for problem in checked]
        spec = _stand_in(raw, status, known.contents, raw_route)
        return Intent(spec, _what_serves(owner, status, spec), problems, readable=False, model=status.model)
    read = read_content(checked, status, known)
    wanted = build_revision(owner.name, checked, read.digests, read.model, read.features)
    if read.is_complete and checked.model is not None and wanted.name not in known.contents:
        read, wanted = look_at_delivery(checked.model, read, wanted, known)
    if not read.is_complete:
        serving = _what_serves(owner, status, checked)
        return Intent(checked, serving, read.problems, readable=False, model=status.model, resolving=read.pending)
    return Intent(checked, wanted, [], readable=True, model=read.model)


def _what_serves(owner: Owner, status: ModelDeploymentStatus, spec: ModelDeploymentSpec) -> Revision:
    serving = status.stable.revision if status.stable else owner.name + "-unknown"
    return Revision(owner.name, serving.removeprefix(f"{owner.name}-"), "", build_content(spec))


def _stand_in(
    raw: Raw, status: ModelDeploymentStatus, contents: Mapping[str, Raw], raw_route: Raw | None
) -> ModelDeploymentSpec:
    """A spec to go on with while the real one is invalid: what serves, at the size it has, on the route it has."""
    content = contents.get(status.stable.revision, {}) if status.stable else {}
    given = raw.get("spec") or {}
    replicas = given.get("replicas")
    route = _read_part(RouteSpec, given.get("route")) or _route_in_force(raw_route) or RouteSpec.model_construct()
    return ModelDeploymentSpec.model_construct(
        replicas=replicas if isinstance(replicas, int) and replicas >= 0 else (status.replicas or 0),
        template=content.get("template", {}),
        port=content.get("port"),
        route=route,
        rollout=_without_calendar(_read_part(RolloutSpec, given.get("rollout"))),
    )


def _read_part(model: type[M], part: Any) -> M | None:
    """A part of the spec that is in order by itself, though another is not."""
    try:
        return model.model_validate(part)
    except ValidationError:
        return None


def _without_calendar(rollout: RolloutSpec | None) -> RolloutSpec | None:
    """Nothing advances on an invalid spec, and what is wrong with it may be the calendar."""
    return None if rollout is None else rollout.model_copy(update={"freeze": ()})


def _route_in_force(raw: Raw | None) -> RouteSpec | None:
    """What the route in the cluster was built from, as far as judging needs it: its kind and its parents."""
    parents = (raw or {}).get("spec", {}).get("parentRefs")
    return _read_part(RouteSpec, {"kind": (raw or {}).get("kind"), "parentRefs": parents}) if parents else None
