"""What a valid spec refers to, put together: digests of ConfigMaps, what its model reference means, its feature schema.

Each may be known, be looked up right now, or be a problem; only where all is known is it known what is wanted."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from serinus.api import reasons
from serinus.api.modeldeployment import ModelDeploymentSpec
from serinus.api.modelspec import ModelSpec, SchemaSpec
from serinus.api.rollout import ConfigMapKey
from serinus.api.status import ModelDeploymentStatus, ResolvedModel
from serinus.controllers.models import ModelDesk, SchemaSource
from serinus.core.configmaps import ABSENT, digest_of, keys_of, list_references
from serinus.core.features import Features
from serinus.core.retrain.following import alias_of, follow, observe_policy_status
from serinus.core.revision import Revision
from serinus.core.snapshot import Problem
from serinus.engine.store import Key

Raw = dict[str, Any]


@dataclass(frozen=True)
class Known:
    """What a spec is read with. `contents`: content of each revision that is recorded; `look_up` finds a ConfigMap of
    the namespace by name."""

    key: Key
    contents: Mapping[str, Raw]
    look_up: Callable[[str], Raw | None]
    desk: ModelDesk
    find_policy: Callable[[str], Raw | None] = lambda name: None
    list_policies: Callable[[], tuple[Raw, ...]] = tuple
    """The RetrainPolicies of the namespace."""


@dataclass(frozen=True)
class Content:
    """What has been found out so far. `pending` says what is being looked up."""

    digests: Mapping[str, str] = field(default_factory=dict)
    model: ResolvedModel | None = None
    features: Features | None = None
    problems: list[Problem] = field(default_factory=list)
    pending: str = ""

    @property
    def is_complete(self) -> bool:
        return not self.problems and not self.pending


def read_content(spec: ModelDeploymentSpec, status: ModelDeploymentStatus, known: Known) -> Content:
    """Look everything up. Never waits."""
    digests, problems = _read_config_maps(spec, known)
    found = _with_model(Content(digests=digests, problems=problems), spec, status, known)
    schema = spec.model.schema_ if spec.model is not None else None
    return found if schema is None else _with_schema(found, schema, known)


def _with_model(found: Content, spec: ModelDeploymentSpec, status: ModelDeploymentStatus, known: Known) -> Content:
    followed = _follow(spec, known)
    match followed:
        case Problem():
            return replace(found, problems=[*found.problems, followed])
        case str():
            return replace(found, pending=followed)
        case ResolvedModel():
            return replace(found, model=followed)
    reference = spec.model.from_.reference if spec.model is not None else None
    meant = status.model
    if reference is not None and (meant is None or meant.uri != reference):
        meant = _recall(reference, status, known.contents) or meant
    model = known.desk.resolve(known.key, reference, meant)
    if isinstance(model, Problem):
        return replace(found, problems=[*found.problems, model])
    if reference is not None and model is None:
        return replace(found, pending=f"asking what {reference} means")
    return replace(found, model=model)


def _follow(spec: ModelDeploymentSpec, known: Known) -> ResolvedModel | Problem | str | None:
    """What a RetrainPolicy says that is to be served, as `follow` does; None where the spec follows none."""
    if spec.model is None:
        return None
    source = spec.model.from_
    if source.retrain_policy is not None:
        return follow(known.find_policy(source.retrain_policy), source.retrain_policy, known.key.name)
    if source.reference is None or "@" not in source.reference:
        return None
    # An alias that a policy moves is not asked for again: the policy knows when it was moved, and where to.
    for policy in known.list_policies():
        if alias_of(policy) != source.reference:
            continue
        status = observe_policy_status(policy)
        if status.candidate or status.champion:
            followed = follow(policy, policy["metadata"]["name"], known.key.name)
            return followed if isinstance(followed, ResolvedModel) else None
    return None


def _recall(reference: str, status: ModelDeploymentStatus, contents: Mapping[str, Raw]) -> ResolvedModel | None:
    """What a reference meant when the revision was made that serves or is being released: putting its text back asks
    for that very revision, whatever became of the tag or of the registry since."""
    for state in (status.stable, status.candidate):
        content = contents.get(state.revision, {}) if state is not None else {}
        model = content.get("model") or {}
        if content.get("reference") == reference and model.get("digest"):
            return ResolvedModel(uri=reference, resolved=model["uri"], digest=model["digest"])
    return None


def look_at_delivery(model: ModelSpec, found: Content, wanted: Revision, known: Known) -> tuple[Content, Revision]:
    """What a revision that is not recorded yet needs of the cluster and its admin."""
    if model.delivery == "ImageVolume":
        had = known.desk.has_image_volumes(known.key)
        if isinstance(had, Problem):
            return replace(found, problems=[had]), wanted
        if not had:
            return replace(found, pending="asking whether the API server has image volumes"), wanted
    if not model.needs_loader or found.model is None:
        return found, wanted
    loader = known.desk.loader.describe(found.model.resolved)
    if loader is None:
        field_ = "spec.model.verify" if model.delivery != "InitContainer" else "spec.model.delivery: InitContainer"
        message = f"{field_}: the admin has configured no loader image (SERINUS_LOADER_IMAGE)"
        return replace(found, problems=[Problem(reasons.LOADER_NOT_CONFIGURED, message)]), wanted
    return found, replace(wanted, loader=loader)


def _with_schema(found: Content, schema: SchemaSpec, known: Known) -> Content:
    digest = found.digests.get(schema.config_map)
    if digest is None:
        return found
    features = _find_features(schema, digest, known) or known.desk.read_schema(
        known.key, SchemaSource(schema.config_map, schema.key, digest)
    )
    if isinstance(features, Problem):
        return replace(found, problems=[*found.problems, features])
    if features is None:
        return replace(found, pending=found.pending or f"reading the schema in ConfigMap {schema.config_map}")
    return replace(found, features=features)


def _find_features(schema: SchemaSpec, digest: str, known: Known) -> Features | None:
    """The features as a revision with the same data has them recorded."""
    for content in known.contents.values():
        recorded = content.get("schema") or {}
        same_place = (recorded.get("configMap"), recorded.get("key")) == (schema.config_map, schema.key)
        if same_place and (content.get("configMaps") or {}).get(schema.config_map) == digest:
            features: Features | None = recorded.get("features")
            return features
    return None


def _read_config_maps(spec: ModelDeploymentSpec, known: Known) -> tuple[dict[str, str], list[Problem]]:
    """Digest by name of the ConfigMaps that are content, and which of them are missing."""
    digests: dict[str, str] = {}
    problems = []
    for reference in list_references(spec.template):
        found = known.look_up(reference.name)
        if found is not None:
            digests[reference.name] = digest_of(found)
        elif reference.optional:
            digests.setdefault(reference.name, ABSENT)
        else:
            problems.append(_missing(f"spec.template.spec.{reference.path}", reference.name))
    for path, source in _keys_of_model(spec.model):
        found = known.look_up(source.config_map)
        if found is None:
            problems.append(_missing(f"{path}.configMap", source.config_map))
        elif source.key not in keys_of(found):
            has = ", ".join(keys_of(found)[:8]) or "none"
            message = f"{path}.key: ConfigMap {source.config_map!r} has no key {source.key!r}: it has {has}"
            problems.append(Problem(reasons.CONFIG_MAP_NOT_FOUND, message))
        else:
            digests[source.config_map] = digest_of(found)
    return digests, problems


def _keys_of_model(model: ModelSpec | None) -> Iterator[tuple[str, ConfigMapKey]]:
    if model is not None and model.schema_ is not None:
        yield "spec.model.schema", model.schema_
    if model is not None and model.verify is not None:
        yield "spec.model.verify.publicKey", model.verify.public_key


def _missing(path: str, name: str) -> Problem:
    message = f"{path}: there is no ConfigMap {name!r} here: create it or change the name"
    return Problem(reasons.CONFIG_MAP_NOT_FOUND, message)
