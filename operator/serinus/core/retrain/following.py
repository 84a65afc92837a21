"""Which model a ModelDeployment serves that follows a RetrainPolicy: told by the policy's status, never by its own
spec. A candidate that is held, or gone, is followed no more, and the champion is what is wanted again."""

from typing import Any, Final

from pydantic import ValidationError

from serinus.api import reasons
from serinus.api.podtemplate import child
from serinus.api.retrainstatus import ModelState, RetrainPolicyStatus
from serinus.api.status import ResolvedModel
from serinus.core.snapshot import Problem

Raw = dict[str, Any]

FIELD: Final = "spec.model.from.retrainPolicy"


def follow(policy: Raw | None, name: str, deployment: str) -> ResolvedModel | Problem | str:
    """What the policy `name` has for the ModelDeployment `deployment`; a text that says what is waited for."""
    if policy is None:
        return Problem(reasons.MODEL_NOT_FOUND, f"{FIELD}: there is no RetrainPolicy {name!r} here")
    meant = child(policy, "spec", "modelDeploymentRef").get("name")
    if meant != deployment:
        return Problem(
            reasons.INVALID_SPEC, f"{FIELD}: RetrainPolicy {name!r} is for ModelDeployment {meant!r}: name another"
        )
    if observe_policy_status(policy).observed_generation is None:
        # One that was made anew does not know yet what is stable; nobody is sent to its first model for that.
        return f"RetrainPolicy {name} is looked at for the first time"
    model = find_wanted_model(policy)
    if model is None:
        message = f"{FIELD}: RetrainPolicy {name!r} has no model yet: set its spec.initialModel, or start a run"
        return Problem(reasons.MODEL_NOT_FOUND, message)
    unpinned = None if model.digest is not None else "RetrainPolicy has no digest of it: what lies there may change"
    return ResolvedModel(uri=f"retrainPolicy:{name}", resolved=model.uri, digest=model.digest, message=unpinned)


def find_wanted_model(policy: Raw) -> ModelState | None:
    """The candidate while one is being released, else the champion, else the first model of the spec."""
    status = observe_policy_status(policy)
    for state in (status.candidate, status.champion):
        if state is not None:
            return state
    first = child(policy, "spec", "initialModel")
    if not isinstance(first.get("uri"), str):
        return None
    return ModelState(uri=first["uri"], digest=first.get("digest"))


def observe_policy_status(policy: Raw) -> RetrainPolicyStatus:
    """The status as it stands. What cannot be read, having been written by another version, is left out, and nothing
    else: a champion and digests that are held are not lost for it."""
    status = policy.get("status") or {}
    try:
        return RetrainPolicyStatus.model_validate(status)
    except ValidationError as error:
        return RetrainPolicyStatus.model_validate(_without_faults(status, error))


def _without_faults(status: Raw, error: ValidationError) -> Raw:
    """`status` without the fields, or the entries of its lists, that `error` names."""
    places = [one["loc"] for one in error.errors()]
    fields = {place[0] for place in places if len(place) < 2 or not isinstance(place[1], int)}
    entries = {place[:2] for place in places}
    return {
        name: [one for index, one in enumerate(value) if (name, index) not in entries]
        if isinstance(value, list)
        else value
        for name, value in status.items()
        if name not in fields
    }


def follows(deployment: Raw | None, policy: Raw) -> bool:
    """Whether a ModelDeployment takes its model from the policy: by name, or by the alias that the policy moves."""
    source = child(deployment, "spec", "model", "from") if deployment is not None else {}
    if source.get("retrainPolicy") == policy["metadata"]["name"]:
        return True
    return alias_of(policy) is not None and alias_of(policy) == _alias_in(source)


def alias_of(policy: Raw) -> str | None:
    """The address of the alias that a policy moves: models:/NAME@ALIAS."""
    promotion = child(policy, "spec", "promotion")
    if promotion.get("target") != "Alias":
        return None
    alias = child(promotion, "alias")
    name = alias.get("name")
    return f"models:/{name}@{alias.get('alias') or 'champion'}" if isinstance(name, str) else None


def _alias_in(source: Raw) -> str | None:
    registry = child(source, "registry")
    if isinstance(registry.get("name"), str) and isinstance(registry.get("alias"), str):
        return f"models:/{registry['name']}@{registry['alias']}"
    uri = source.get("uri")
    return uri if isinstance(uri, str) and uri.startswith("models:/") and "@" in uri else None
