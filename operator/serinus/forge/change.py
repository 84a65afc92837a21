"""What is to be changed in a repository, and how much that may cost."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Final

from serinus.forge.outcome import Refused
from serinus.forge.yamlfile import Edit

PREFIX: Final = "serinus"
TRAILER: Final = "Serinus-Content"
"""Trailer of our commits; how a branch of ours is told from one that somebody has worked on."""

_BRANCH: Final = re.compile(r"(?!.*(\.\.|//|/\.|\.lock(/|$)|@\{))[A-Za-z0-9_][\w./+@=-]{0,198}[\w+=-]")


@dataclass(frozen=True)
class Limits:
    """`seconds` for one call; bytes of what a fetch may bring, packed and unpacked; files that a change may touch."""

    seconds: float = 40.0
    packed: int = 64 * 1024 * 1024
    unpacked: int = 192 * 1024 * 1024
    files: int = 20


@dataclass(frozen=True)
class Change:
    """The commit wanted on branch `head`, made from branch `base` (None: the repository's default).

    `author`: name and mail address. `at`: seconds since 1970 for the commit. `replaces`: values of the same files that
    the base must have for anything to be changed: what is taken back is taken back only where it stands.
    """

    head: str
    edits: tuple[Edit, ...]
    message: str
    author: tuple[str, str]
    at: int
    base: str | None = None
    replaces: tuple[Edit, ...] = ()

    @property
    def content(self) -> str:
        """Hash of what is wanted, whatever the words for it."""
        return hash_content(self.base, self.edits)


def hash_content(base: str | None, edits: tuple[Edit, ...]) -> str:
    """Hash of values wanted on top of `base`; the same for the same values in any order."""
    wanted = sorted([edit.file, edit.document or "", edit.path, json.dumps(edit.value)] for edit in edits)
    return hashlib.sha256(json.dumps([base, wanted]).encode()).hexdigest()


def name_branches(namespace: str, policy: str) -> str:
    """What the branches of a policy begin with."""
    return f"{PREFIX}/{namespace}/{policy}/"


def name_branch(namespace: str, policy: str, base: str | None, edits: tuple[Edit, ...]) -> str:
    """The branch for these values: the same content has the same branch, and so cannot be asked for twice."""
    return f"{name_branches(namespace, policy)}{hash_content(base, edits)[:12]}"


def check_change(change: Change, limits: Limits) -> Refused | None:
    """Why a change cannot be made anywhere."""
    for name, branch in (("head", change.head), ("base", change.base)):
        if branch is not None and not _BRANCH.fullmatch(branch):
            return Refused(f"{name}: {branch[:80]!r} is no name of a branch")
    if change.head == change.base:
        return Refused(f"head: {change.head} is the branch to be changed; a pull request needs one of its own")
    files = {edit.file for edit in change.edits}
    if not files:
        return Refused("edits: there are none")
    if len(files) > limits.files:
        return Refused(f"edits: {len(files)} files, more than {limits.files}")
    for file in files:
        parts = file.split("/")
        if not all(parts) or any(part in (".", "..") or part.lower() == ".git" for part in parts):
            return Refused(f"edits: {file[:80]!r} is no path within a repository")
        if not file.endswith((".yaml", ".yml")):
            return Refused(f"edits: {file[:80]} is not named .yaml or .yml")
    if not all(re.fullmatch(r"[^<>\n\r\0]+", part) for part in change.author):
        return Refused("author: a name and a mail address, without < and >")
    return None
