"""Which models of MLflow may be written, and for whom, as the admin says it: the operator has one account there for all
namespaces, so MLflow cannot tell them apart."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from glob import escape
from typing import Final

from serinus.net.outcome import Refused

_ENTRY: Final = re.compile(r"(\*|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)/[^/:,\s]([^/:,]{0,254}[^/:,\s])?")


def check_entries(entries: Iterable[str]) -> None:
    """ValueError names the entry that is not `NAMESPACE/PATTERN`."""
    for entry in entries:
        if _ENTRY.fullmatch(entry) is None:
            raise ValueError(
                f"{entry!r} is not NAMESPACE/PATTERN, such as ml/fraud-* or */shared: the name of a namespace, or * for"
                " all, and a pattern that a registered model's whole name must match"
            )


def check_writable(entries: Iterable[str], namespace: str, model: str) -> Refused | None:
    """Why aliases and tags of `model` must not be written for a policy of `namespace`; capitals count."""
    for entry in entries:
        where, _, pattern = entry.partition("/")
        if where in ("*", namespace) and fnmatchcase(model, pattern):
            return None
    # What stands between entries cannot stand in one; ? fits it.
    needed = f"{namespace}/{escape(model).replace(',', '?')}"
    return Refused(
        f"registered model {model} of MLflow may not be written for namespace {namespace}: an admin can allow it by"
        f" {needed} in models.mlflow.writable of the chart's values (SERINUS_MLFLOW_WRITABLE)",
        access=True,
    )
