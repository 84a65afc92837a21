"""The kinds that may train, as the admin lists them: `GROUP/VERSION/Kind`, with `=plural` where that is not the kind in
small letters with an s."""

import re
from collections.abc import Iterable
from typing import Final

from serinus.kube.resources import JOBS, Resource

_ENTRY: Final = re.compile(
    r"(?P<group>[a-z0-9.-]+)/(?P<version>v[a-z0-9]+)/(?P<kind>[A-Z][A-Za-z0-9]*)(=(?P<plural>[a-z0-9]+))?"
)


def read_training_kinds(entries: Iterable[str]) -> tuple[Resource, ...]:
    """Resources of entries such as `batch/v1/Job`; ValueError names the entry that is none."""
    found = []
    for entry in entries:
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise ValueError(f"{entry!r} is not GROUP/VERSION/Kind, such as batch/v1/Job or kubeflow.org/v1/PyTorchJob")
        plural = match["plural"] or f"{match['kind'].lower()}s"
        found.append(Resource(match["group"], match["version"], plural, match["kind"]))
    return tuple(found)


def find_training_kind(resources: Iterable[Resource], api_version: str, kind: str) -> Resource | None:
    """The resource of a template; None where the admin does not list it."""
    return next((one for one in resources if (one.api_version, one.kind) == (api_version, kind)), None)


DEFAULT_TRAINING_KINDS: Final = (f"{JOBS.api_version}/{JOBS.kind}",)
