"""What makes two releases the same: the content of a revision and its hash.

A revision is everything that decides what the pods answer: pod template, data of the ConfigMaps that it refers to,
resolved model reference, feature schema, key of its signature, accelerator and serving settings. Replicas, rollout
policy, analysis and route are not content: changing them never starts a rollout. Nor is the loader's image: the admin
may change it, and a revision keeps the one that it began with. The hash is over canonical JSON (sorted keys, no
spaces), never over a library's printed form, so that an upgrade of the operator does not turn every model into a new
revision.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serinus.api.modeldeployment import ModelDeploymentSpec
from serinus.api.status import ResolvedModel
from serinus.core.features import Features

ID_LENGTH = 8


@dataclass(frozen=True)
class Revision:
    """A revision as the spec asks for it: its short id, its full digest and its content (JSON-able)."""

    deployment: str
    id: str
    digest: str
    content: dict[str, Any]
    loader: dict[str, Any] | None = None
    """Image and environment of the loader, where the revision needs one; not part of the digest."""
    reference: str | None = None
    """The model reference as it was written; what it means is in `content`. Not part of the digest either."""

    @property
    def name(self) -> str:
        return f"{self.deployment}-{self.id}"


def build_revision(
    deployment: str,
    spec: ModelDeploymentSpec,
    config_maps: Mapping[str, str] | None = None,
    model: ResolvedModel | None = None,
    features: Features | None = None,
) -> Revision:
    """The revision that `spec` describes; `deployment` is the ModelDeployment's name and only a prefix of the name,
    `config_maps` the digest of each ConfigMap that it refers to, `model` what its model reference means, `features`
    what its feature schema says."""
    content = build_content(spec, config_maps, model, features)
    digest = hash_content(content)
    reference = model.uri if model is not None else None
    return Revision(deployment, digest[:ID_LENGTH], digest, content, reference=reference)


def build_content(
    spec: ModelDeploymentSpec,
    config_maps: Mapping[str, str] | None = None,
    model: ResolvedModel | None = None,
    features: Features | None = None,
) -> dict[str, Any]:
    """The part of the spec that is content, with absent fields left out so that new optional fields change no hash."""
    content: dict[str, Any] = {
        "template": spec.template,
        "runtime": str(spec.runtime),
        "port": spec.port,
        "accelerator": _dump(spec.accelerator),
        "model": _model(spec, model),
        "schema": _schema(spec, features),
        "configMaps": dict(config_maps) if config_maps else None,
    }
    return {name: value for name, value in content.items() if value is not None}


def _model(spec: ModelDeploymentSpec, model: ResolvedModel | None) -> dict[str, Any] | None:
    """The model as it is served: two tags of one digest are the same."""
    if spec.model is None or model is None:
        return None
    named = {
        "uri": model.resolved,
        "digest": model.digest,
        "delivery": str(spec.model.delivery),
        "loader": _dump(spec.model.loader),
        "verify": _dump(spec.model.verify),
    }
    return {name: value for name, value in named.items() if value is not None}


def _schema(spec: ModelDeploymentSpec, features: Features | None) -> dict[str, Any] | None:
    schema = spec.model.schema_ if spec.model is not None else None
    if schema is None or features is None:
        return None
    return {"configMap": schema.config_map, "key": schema.key, "features": features}


def hash_content(content: Any) -> str:
    """SHA-256 (hex) over canonical JSON."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _dump(model: Any) -> Any:
    return None if model is None else model.model_dump(by_alias=True, exclude_none=True, mode="json")
