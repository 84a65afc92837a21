"""Whose an object is: told by uid, for a name proves nothing."""

from typing import Any

from serinus.api.meta import LABEL_DEPLOYMENT, LABEL_MANAGED_BY, MANAGED_BY
from serinus.core.children import Owner

Raw = dict[str, Any]


def is_owned(raw: Raw, owner: Owner) -> bool:
    """Whether the object belongs to this very ModelDeployment."""
    return has_owner(raw, owner.uid)


def has_owner(raw: Raw, uid: str) -> bool:
    """Whether the object belongs to the one of this uid."""
    return any(ref.get("uid") == uid for ref in raw["metadata"].get("ownerReferences") or ())


def is_orphan(raw: Raw, owner: Owner) -> bool:
    """Whether the object was a child of a ModelDeployment of this name and nobody's since: deleted with
    `--cascade=orphan`, or brought back from a backup."""
    metadata = raw["metadata"]
    labels = metadata.get("labels") or {}
    made_here = labels.get(LABEL_DEPLOYMENT) == owner.name and labels.get(LABEL_MANAGED_BY) == MANAGED_BY
    return made_here and not any(ref.get("controller") for ref in metadata.get("ownerReferences") or ())
