"""Fields that the contract has and the operator does not act on yet: found, so that they are reported, never ignored.

A row is deleted here by whoever makes its field work.
"""

from collections.abc import Callable
from typing import Final

from serinus.api.modeldeployment import ModelDeploymentSpec
from serinus.api.rollout import RolloutSpec

_ROLLOUT: Final[tuple[tuple[str, Callable[[RolloutSpec], bool]], ...]] = (
    ("strategy", lambda rollout: rollout.strategy != "Canary"),
    ("testers", lambda rollout: rollout.testers is not None),
    ("validation", lambda rollout: bool(rollout.validation)),
    ("warmup", lambda rollout: rollout.warmup is not None),
)


def find_unsupported(spec: ModelDeploymentSpec) -> tuple[str, ...]:
    """Return the paths of fields in use that do nothing yet, such as `spec.rollout.warmup`."""
    found = (
        [f"spec.model.{name}" for name in spec.model.model_dump(by_alias=True, exclude_defaults=True)]
        if spec.model
        else []
    )
    if spec.route.kind != "HTTPRoute":
        found.append("spec.route.kind")
    if spec.rollout:
        found += [f"spec.rollout.{name}" for name, is_used in _ROLLOUT if is_used(spec.rollout)]
    return tuple(found)
