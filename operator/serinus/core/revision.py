"""What makes two releases the same: the content of a revision and its hash.

A revision is everything that decides what the pods answer: pod template, data of the ConfigMaps that it refers to,
resolved model reference, accelerator and serving settings. Replicas, rollout policy, analysis and route are not
content: changing them never starts a rollout. The hash is over canonical JSON (sorted keys, no spaces), never over a
library's printed form, so that an upgrade of the operator does not turn every model into a new revision.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serinus.api.modeldeployment import ModelDeploymentSpec
from serinus.api.status import ResolvedModel

ID_LENGTH = 8


@dataclass(frozen=True)
class Revision:
    """A revision as the spec asks for it: its short id, its full digest and its content (JSON-able)."""

    deployment: str
    id: str
    digest: str
    content: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.deployment}-{self.id}"


def build_revision(
    deployment: str,
    spec: ModelDeploymentSpec,
    config_maps: Mapping[str, str] | None = None,
    model: ResolvedModel | None = None,
) -> Revision:
    """The revision that `spec` describes; `deployment` is the ModelDeployment's name and only a prefix of the name,
    `config_maps` the digest of each ConfigMap that the template refers to, `model` what its model reference means."""
    content = build_content(spec, config_maps, model)
    digest = hash_content(content)
    return Revision(deployment=deployment, id=digest[:ID_LENGTH], digest=digest, content=content)


def build_content(
    spec: ModelDeploymentSpec, config_maps: Mapping[str, str] | None = None, model: ResolvedModel | None = None
) -> dict[str, Any]:
    """The part of the spec that is content, with absent fields left out so that new optional fields change no hash."""
    content: dict[str, Any] = {
        "template": spec.template,
        "runtime": str(spec.runtime),
        "port": spec.port,
        "accelerator": _dump(spec.accelerator),
        "model": _model(spec, model),
        "configMaps": dict(config_maps) if config_maps else None,
    }
    return {name: value for name, value in content.items() if value is not None}


def _model(spec: ModelDeploymentSpec, model: ResolvedModel | None) -> dict[str, Any] | None:
    """The model as it is served: two tags of one digest are the same."""
    if spec.model is None or model is None:
        return None
    named = {"uri": model.resolved, "digest": model.digest, "delivery": str(spec.model.delivery)}
    return {name: value for name, value in named.items() if value is not None}


def hash_content(content: dict[str, Any]) -> str:
    """SHA-256 (hex) over canonical JSON."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _dump(model: Any) -> Any:
    return None if model is None else model.model_dump(by_alias=True, exclude_none=True, mode="json")
