"""How what a registry knows becomes a reference that means the same for ever."""

import hashlib

from serinus.registries.outcome import Pinned


def pin_mlflow(name: str, number: str, source: str) -> Pinned | None:
    """A version's source never changes in MLflow, so version and source together name what is meant; MLflow keeps no
    digest of the files. None where either is missing."""
    if not number.isdecimal() or not source:
        return None
    named = f"{name}\n{number}\n{source}"
    return Pinned(f"models:/{name}/{number}", f"sha256:{hashlib.sha256(named.encode()).hexdigest()}")
