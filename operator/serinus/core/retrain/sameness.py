"""Whether what a ModelDeployment serves is what a run has made: each may know another digest of it."""

from typing import Any

from serinus.api.modeluri import Reference, parse_reference
from serinus.api.retrainstatus import ModelState
from serinus.api.runstatus import RunModel


def is_same_model(model: RunModel | ModelState, uri: Any, digest: Any) -> bool:
    """Whether an address and a digest (None: unknown) are those of `model`. The digest decides where both have one,
    unless the address pins itself: the version of a bucket or a registry is no digest of the files, and yet the same
    text always leads to the same model."""
    if model.digest is not None and digest is not None:
        return bool(digest == model.digest) or (uri == model.uri and _pins_itself(model.uri))
    return bool(uri == model.uri)


def _pins_itself(uri: str) -> bool:
    reference = parse_reference(uri)
    if not isinstance(reference, Reference):
        return False
    return reference.digest is not None or (reference.scheme == "models" and not reference.is_alias)
