"""Storages that store nothing: with them kopf cannot put an annotation on any object, and computes no differences."""

from typing import Any

import kopf


class NoDiffBase(kopf.DiffBaseStorage):
    """Remembers no last-handled configuration, and sees every object as empty when asked for its essence."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


class NoProgress(kopf.ProgressStorage):
    """Remembers no progress of handlers; event handlers have none."""

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: Any) -> Any:
        return essence
