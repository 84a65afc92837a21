"""Git over HTTP: a commit on a branch of its own, made in memory, without a program and without a working tree.

What dulwich does blocks, so it is done in threads, of which there are few: each may hold a repository in memory.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from serinus.forge.access import SETTING, GitAccess
from serinus.forge.change import Change, Limits, check_change
from serinus.forge.outcome import Away, Committed, Deleted, Refused, UpToDate
from serinus.net.hosts import check_address

T = TypeVar("T")

PLACES: Final = threading.BoundedSemaphore(2)
"""How many repositories are in memory at once."""
MISSING: Final = Refused("pull requests need the operator's extra `git` (dulwich), which is not installed")


async def open_branch_commit(
    access: GitAccess, hosts: Mapping[str, str], change: Change, limits: Limits | None = None
) -> Committed | UpToDate | Away | Refused:
    """See to it that branch `change.head` holds the wanted values, in a commit made from `change.base`.

    Asked again with the same content it changes nothing and tells the same commit, as long as the files have not
    changed in the base; then the branch is made anew, unless somebody has worked on it. Never raises for what the
    other side does. `hosts`: those that may be asked, with their scheme.
    """
    limits = limits or Limits()
    why = check_change(change, limits) or check_address(access.url, hosts, SETTING)
    if why is not None:
        return why
    try:
        from serinus.forge.branch import commit_change
    except ImportError:
        return MISSING
    return await _in_thread(lambda: commit_change(access, change, limits), limits)


async def drop_superseded(
    access: GitAccess, hosts: Mapping[str, str], prefix: str, keep: str, limits: Limits | None = None
) -> Deleted | Away | Refused:
    """Remove the branches that begin with `prefix`, except `keep` and except those whose last commit is not ours."""
    limits = limits or Limits()
    if not prefix.endswith("/") or prefix.count("/") < 3:
        return Refused(f"prefix: {prefix!r} does not name the branches of one policy")
    why = check_address(access.url, hosts, SETTING)
    if why is not None:
        return why
    try:
        from serinus.forge.branch import drop_branches
    except ImportError:
        return MISSING
    return await _in_thread(lambda: drop_branches(access, prefix, keep, limits), limits)


async def _in_thread(work: Callable[[], T], limits: Limits) -> T | Away:
    """The result of `work`, which ends by itself in time, unless a name server holds it.

    The thread is a daemon, not one of the loop's pool: the process need not wait for it when it stops.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T | Away] = loop.create_future()

    def deliver(result: T | Away) -> None:
        if not future.done():
            future.set_result(result)

    def run() -> None:
        result: T | Away = Away("other repositories are being worked on")
        if PLACES.acquire(timeout=limits.seconds):
            try:
                result = work()
            finally:
                PLACES.release()
        # The loop may have closed meanwhile; then nobody waits for the result.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(deliver, result)

    threading.Thread(target=run, name="git", daemon=True).start()
    return await future
