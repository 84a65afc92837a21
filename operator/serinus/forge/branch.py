"""Makes the branch that a pull request asks to merge, and removes those that it replaces."""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

import structlog
from dulwich.errors import GitProtocolError, SendPackError
from dulwich.objects import Commit, ObjectID

from serinus.api.redact import quote_server
from serinus.forge.access import GitAccess
from serinus.forge.change import TRAILER, Change, Limits
from serinus.forge.outcome import Away, Committed, Deleted, Refused, UpToDate
from serinus.forge.repository import Files, RaceError, Repository
from serinus.forge.wire import StopError, Wire
from serinus.forge.yamlfile import Edit, Unfit, change_text

T = TypeVar("T")

log = structlog.get_logger(__name__)

ATTEMPTS: Final = 3
"""How often the work begins anew because a branch was moved meanwhile."""
RACES: Final = ("failed to update ref", "already exists", "cannot lock ref", "fetch first", "stale info")
"""Words of servers for a branch that is no longer where it was."""


def commit_change(access: GitAccess, change: Change, limits: Limits) -> Committed | UpToDate | Away | Refused:
    """See `serinus.forge.git.open_branch_commit`."""
    return _work(access, limits, lambda repository: _commit(repository, change))


def drop_branches(access: GitAccess, prefix: str, keep: str, limits: Limits) -> Deleted | Away | Refused:
    """See `serinus.forge.git.drop_superseded`."""
    return _work(access, limits, lambda repository: _drop(repository, prefix, keep))


def _work(access: GitAccess, limits: Limits, job: Callable[[Repository], T]) -> T | Away | Refused:
    wire: Wire | None = None
    try:
        wire = Wire(access, time.monotonic() + limits.seconds, limits.packed)
        for _ in range(ATTEMPTS):
            try:
                return job(Repository(wire, limits))
            except RaceError:
                continue
        return Away(f"others go on moving the branches at {wire.host}")
    except StopError as stop:
        return stop.outcome
    except (GitProtocolError, SendPackError) as error:
        return Away(f"{'the server' if wire is None else wire.host}: {clean(str(error), access)}")
    # What a broken or hostile server sends may break a parser anywhere within the library.
    except Exception as error:
        # Where it broke is told; what it says may be what the server sent.
        log.warning("git", host=None if wire is None else wire.host, exc_info=True)
        return Away(f"{'the server' if wire is None else wire.host} sends what is no git: {type(error).__name__}")
    finally:
        if wire is not None:
            wire.end()


def _commit(repository: Repository, change: Change) -> Committed | UpToDate | Refused:
    tips = repository.fetch_tips(change.base, [change.head])
    paths = sorted({edit.file for edit in change.edits})
    stands = repository.read_files(tips.tip, paths)
    files = _edit(stands, change.edits)
    if not files or (change.replaces and _edit(stands, change.replaces)):
        return UpToDate(tips.tip.decode(), tips.base)
    head = tips.found.get(change.head)
    if head is not None:
        if _edit(repository.read_files(head, paths), change.edits):
            return Refused(f"branch {change.head} holds other values: somebody has changed it, or it is not ours")
        if not _is_overtaken(repository, head, tips.tip, paths):
            return Committed(head.decode(), change.head, tips.base, pushed=False)
    tree, new = repository.write(tips.tip, files)
    commit = _build(change, tree, tips.tip)
    why = repository.push(change.head, head, commit, [*new, commit])
    if why is None:
        return Committed(commit.id.decode(), change.head, tips.base, pushed=True)
    if any(word in why for word in RACES):
        raise RaceError
    return Refused(f"{repository.wire.host} does not take branch {change.head}: {clean(why)}")


def _edit(files: Files, edits: Iterable[Edit]) -> dict[str, bytes]:
    """What the files become; only those that differ."""
    changed = {}
    for path, old in files.items():
        try:
            text = old.decode()
        except UnicodeDecodeError:
            raise StopError(Refused(f"{path} is no text in UTF-8")) from None
        new = change_text(text, [edit for edit in edits if edit.file == path])
        if isinstance(new, Unfit):
            raise StopError(Refused(f"{path}: {new.message}"))
        if new != text:
            changed[path] = new.encode()
    return changed


def _is_overtaken(repository: Repository, head: ObjectID, tip: ObjectID, paths: Iterable[str]) -> bool:
    """Whether the files have changed under a commit of ours, so that it would no longer merge. A branch on which
    somebody has gone on working is left to him."""
    commit = repository.commit(head)
    if not _is_ours(commit) or len(commit.parents) != 1 or not repository.has(commit.parents[0]):
        return False
    paths = list(paths)
    return repository.blobs(commit.parents[0], paths) != repository.blobs(tip, paths)


def _build(change: Change, tree: ObjectID, parent: ObjectID) -> Commit:
    commit = Commit()
    commit.tree = tree
    commit.parents = [parent]
    commit.author = commit.committer = f"{change.author[0]} <{change.author[1]}>".encode()
    commit.author_time = commit.commit_time = change.at
    commit.author_timezone = commit.commit_timezone = 0
    commit.encoding = b"UTF-8"
    commit.message = f"{change.message.strip()}\n\n{TRAILER}: {change.content}\n".encode()
    return commit


def _is_ours(commit: Commit) -> bool:
    return re.search(rb"^" + TRAILER.encode() + rb": [0-9a-f]{64}$", commit.message, re.MULTILINE) is not None


def _drop(repository: Repository, prefix: str, keep: str) -> Deleted | Refused:
    tips = repository.fetch_tips(None, [], prefix)
    dropped = []
    for branch, tip in sorted(_superseded(repository, tips.found, prefix, keep).items()):
        why = repository.push(branch, tip, None, [])
        if why is not None:
            return Refused(f"{repository.wire.host} does not remove branch {branch}: {clean(why)}")
        dropped.append(branch)
    return Deleted(tuple(dropped))


def _superseded(repository: Repository, found: Mapping[str, ObjectID], prefix: str, keep: str) -> dict[str, ObjectID]:
    return {
        name: tip
        for name, tip in found.items()
        if name.startswith(prefix) and name != keep and _is_ours(repository.commit(tip))
    }


def clean(text: str, access: GitAccess | None = None) -> str:
    """What a server says, fit for a message: one short line without anything secret."""
    return quote_server(text, *(() if access is None else (access.token,)))
