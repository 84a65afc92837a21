"""What makes two releases the same: the content of a revision and its hash.

A revision is everything that decides what the pods answer: pod template, resolved model reference, accelerator and
serving settings. Replicas, rollout policy, analysis and route are not content: changing them never starts a rollout.
The hash is over canonical JSON (sorted keys, no spaces), never over a library's printed form, so that an upgrade of the
operator does not turn every model into a new revision.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from serinus.api.modeldeployment import ModelDeploymentSpec

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


def build_revision(deployment: str, spec: ModelDeploymentSpec) -> Revision:
    """The revision that `spec` describes; `deployment` is the ModelDeployment's name and only a prefix of the name."""
    content = build_content(spec)
    digest = hash_content(content)
    return Revision(deployment=deployment, id=digest[:ID_LENGTH], digest=digest, content=content)


def build_content(spec: ModelDeploymentSpec) -> dict[str, Any]:
    """The part of the spec that is content, with absent fields left out so that new optional fields change no hash."""
    content: dict[str, Any] = {
        "template": spec.template,
        "runtime": str(spec.runtime),
        "port": spec.port,
        "accelerator": _dump(spec.accelerator),
        "model": _dump(spec.model),
    }
    return {name: value for name, value in content.items() if value is not None}


def hash_content(content: dict[str, Any]) -> str:
    """SHA-256 (hex) over canonical JSON."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _dump(model: Any) -> Any:
    return None if model is None else model.model_dump(by_alias=True, exclude_none=True, mode="json")
