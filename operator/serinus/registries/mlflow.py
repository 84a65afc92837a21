"""What MLflow knows of a run and of the versions of a model, and the aliases and tags that a promotion moves.

MLflow keeps no history of aliases: whoever moves one is told what it pointed to before, and must keep that.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from serinus.net.outcome import Away, Refused
from serinus.registries.mlflow_api import Invalid, MLflow, ask, expected
from serinus.registries.outcome import NotFound, Pinned
from serinus.registries.pins import pin_mlflow

RUN_TAG: Final = "serinus.run"
GATES_TAG: Final = "serinus.gates"
OUTCOME_TAG: Final = "serinus.outcome"

LARGEST_TAG: Final = 5000
"""Bytes of a tag's value that MLflow keeps."""
MANY: Final = 100

_NAME: Final = re.compile(r"[^'\"`\x00-\x1f/:]{1,256}")
_WORD: Final = re.compile(r"[\w.:@/-]{1,250}")


@dataclass(frozen=True)
class Version:
    """A model's version. `pinned`: the reference and the digest that revisions are made with. `run`: MLflow's id of
    the run that made it, empty where none did."""

    name: str
    number: str
    source: str
    run: str
    pinned: Pinned
    tags: Mapping[str, str]


@dataclass(frozen=True)
class AliasAt:
    """What an alias points to; None: it is not set."""

    version: str | None


@dataclass(frozen=True)
class AliasMoved:
    """`previous`: what it pointed to before this call, None for nothing. `moved`: False where it was there already."""

    previous: str | None
    version: str
    moved: bool


@dataclass(frozen=True)
class Tagged:
    """The tags are as they should be."""


def is_name(text: str) -> bool:
    """Whether a model can be called so, and looked for without changing the question."""
    return _NAME.fullmatch(text) is not None


async def find_version(
    mlflow: MLflow, *, run: str | None = None, tag: str | None = None, name: str | None = None
) -> Version | NotFound | Away | Refused:
    """The version that MLflow's run `run` has made, or that carries the tag serinus.run with the value `tag`; of the
    model `name` where that is given. Refused where there are several: which one is meant nobody can know."""
    parts = []
    for template, value, fits in (
        ("run_id='{}'", run, _WORD),
        (f"tags.`{RUN_TAG}`='{{}}'", tag, _WORD),
        ("name='{}'", name, _NAME),
    ):
        if value is not None:
            if not fits.fullmatch(value):
                return Refused(f"{value[:80]!r} cannot be looked for in MLflow")
            parts.append(template.format(value))
    if run is None and tag is None:
        return Refused("neither a run of MLflow nor a tag is known")
    asked = {"filter": " and ".join(parts), "max_results": MANY}
    said = await ask(mlflow, "GET", f"model-versions/search?{urlencode(asked)}")
    if not isinstance(said, dict):
        return expected(said)
    listed = said.get("model_versions") or []
    found = [read_version(item) for item in listed] if isinstance(listed, list) else [None]
    if not found:
        return NotFound(f"MLflow knows no version with {' and '.join(parts)}")
    if len(found) > 1:
        names = ", ".join(f"{one.name}/{one.number}" for one in found[:5] if one is not None)
        return Refused(f"MLflow knows {len(found)} versions with {' and '.join(parts)}: {names}")
    return found[0] or Away("MLflow's answer names no version and source")


async def read_version_of(mlflow: MLflow, name: str, number: str) -> Version | NotFound | Away | Refused:
    """Version `number` of model `name`."""
    said = await ask(mlflow, "GET", f"model-versions/get?{urlencode({'name': name, 'version': number})}")
    if not isinstance(said, dict):
        return expected(said)
    return read_version(said.get("model_version")) or Away("MLflow's answer names no version and source")


async def read_alias(mlflow: MLflow, name: str, alias: str) -> AliasAt | NotFound | Away | Refused:
    """What `alias` of the registered model `name` points to."""
    said = await ask(mlflow, "GET", f"registered-models/alias?{urlencode({'name': name, 'alias': alias})}")
    # Of a known model it is a bad request to MLflow.
    if isinstance(said, Invalid):
        return AliasAt(None)
    if not isinstance(said, dict):
        return said
    found = read_version(said.get("model_version"))
    return AliasAt(found.number) if found is not None else Away("MLflow's answer names no version and source")


async def move_alias(
    mlflow: MLflow, name: str, alias: str, version: str | None
) -> AliasMoved | AliasAt | NotFound | Away | Refused:
    """Let `alias` point to `version`; None takes it away, for a move that has to be undone where nothing was before.

    MLflow cannot compare before it writes. Where somebody moves it in the same moment the last one wins, and Away is
    told where that was not us. `AliasAt(None)` says that it is gone.
    """
    before = await read_alias(mlflow, name, alias)
    if not isinstance(before, AliasAt):
        return before
    if before.version == version:
        return before if version is None else AliasMoved(version, version, moved=False)
    if version is None:
        said = await ask(mlflow, "DELETE", "registered-models/alias", {"name": name, "alias": alias})
    else:
        said = await ask(mlflow, "POST", "registered-models/alias", {"name": name, "alias": alias, "version": version})
    if not isinstance(said, dict):
        return expected(said)
    after = await read_alias(mlflow, name, alias)
    if not isinstance(after, AliasAt):
        return after
    if after.version != version:
        return Away(f"somebody else has moved alias {alias} of {name} in the same moment")
    return after if version is None else AliasMoved(before.version, version, moved=True)


async def set_tags(mlflow: MLflow, version: Version, tags: Mapping[str, str]) -> Tagged | NotFound | Away | Refused:
    """See to it that a version has these tags; those that it has already are not written again."""
    for key, value in tags.items():
        if len(value.encode()) > LARGEST_TAG or len(key) > 250:
            return Refused(f"tag {key[:80]}: more than {LARGEST_TAG} bytes")
    for key, value in tags.items():
        if version.tags.get(key) == value:
            continue
        body = {"name": version.name, "version": version.number, "key": key, "value": value}
        said = await ask(mlflow, "POST", "model-versions/set-tag", body)
        if not isinstance(said, dict):
            return expected(said)
    return Tagged()


def read_version(item: Any) -> Version | None:
    """A version as MLflow tells it; None for what is none."""
    if not isinstance(item, dict):
        return None
    name, number, source = (str(item.get(key) or "") for key in ("name", "version", "source"))
    pinned = pin_mlflow(name, number, source)
    if pinned is None or not name:
        return None
    listed = item.get("tags") or []
    tags = {str(tag.get("key")): str(tag.get("value", "")) for tag in listed if isinstance(tag, dict)}
    return Version(name, number, source, str(item.get("run_id") or ""), pinned, tags)
