"""What became of asking a git server or its forge."""

from dataclasses import dataclass
from typing import Literal

from serinus.net.outcome import Away, Refused

__all__ = ["Away", "Closed", "Committed", "Deleted", "PullRequest", "Refused", "State", "UpToDate"]

State = Literal["open", "merged", "closed"]


@dataclass(frozen=True)
class Committed:
    """`branch` holds the wanted values in `commit`. `pushed`: this call has put it there; False where it was there."""

    commit: str
    branch: str
    base: str
    pushed: bool


@dataclass(frozen=True)
class UpToDate:
    """The branch to be changed holds the wanted values already, in `commit`: there is nothing to ask for."""

    commit: str
    base: str


@dataclass(frozen=True)
class Deleted:
    """These branches are gone; the ones that were gone before are not among them."""

    branches: tuple[str, ...]


@dataclass(frozen=True)
class PullRequest:
    """A pull request as the forge tells it. `closed`: a person has closed it without merging. `merged_as`: the commit
    that merged it. `head`: the branch that it asks to merge, `commit` its tip."""

    number: int
    url: str
    state: State
    head: str
    commit: str
    merged_as: str | None = None


@dataclass(frozen=True)
class Closed:
    """Numbers of the pull requests that this call has closed."""

    numbers: tuple[int, ...]
