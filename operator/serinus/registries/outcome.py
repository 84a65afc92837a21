"""What became of asking a registry."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pinned:
    """`uri` means the same for ever; `digest` says by what."""

    uri: str
    digest: str


@dataclass(frozen=True)
class Unpinned:
    """Nobody could be asked what `uri` means: the content behind it may change."""

    uri: str
    why: str


@dataclass(frozen=True)
class NotFound:
    """The registry answered: there is no such thing."""

    message: str


@dataclass(frozen=True)
class Away:
    """The registry did not answer as one: to be asked again later."""

    message: str


@dataclass(frozen=True)
class Refused:
    """It must not be asked, or will not tell us."""

    message: str


Outcome = Pinned | Unpinned | NotFound | Away | Refused
