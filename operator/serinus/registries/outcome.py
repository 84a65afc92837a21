"""What became of asking a registry."""

from dataclasses import dataclass

from serinus.net.outcome import Away, Refused


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


__all__ = ["Away", "NotFound", "Outcome", "Pinned", "Refused", "Unpinned"]

Outcome = Pinned | Unpinned | NotFound | Away | Refused
