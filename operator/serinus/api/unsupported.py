"""Fields that the contract has and the operator does not act on yet: found, so that they are reported, never ignored.

A row is deleted here by whoever makes its field work.
"""

from collections.abc import Callable
from typing import Final

from serinus.api.modeldeployment import ModelDeploymentSpec
from serinus.api.modelspec import ModelSpec

_MODEL: Final[tuple[tuple[str, Callable[[ModelSpec], bool]], ...]] = (
    ("from.retrainPolicy", lambda model: model.from_.retrain_policy is not None),
)


def find_unsupported(spec: ModelDeploymentSpec) -> tuple[str, ...]:
    """Return the paths of fields in use that do nothing yet, such as `spec.rollout.warmup`."""
    found = [f"spec.model.{name}" for name, is_used in _MODEL if is_used(spec.model)] if spec.model else []
    return tuple(found)
