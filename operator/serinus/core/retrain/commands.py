"""The command annotation of a RetrainPolicy: `serinus.dev/command: "<verb> <what> [note]"`.

    retrain KEY [note]            start a run now
    cancel RUN [note]             end a run
    release DIGEST REASON...      take a digest out of quarantine
    event TYPE KEY [SOURCE]       tell an event

The same text is never carried out twice; KEY, a word of the caller's choice, makes an event or a run that is asked for
again harmless even after other commands. Retrain needs one for that reason: a build that is run twice must not train
twice. Nothing is carried out here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from serinus.api.status import LastCommand
from serinus.core.retrain.events import Event, mark_of

VERBS: Final = ("retrain", "cancel", "release", "event")
_FORMS: Final = {
    "retrain": "retrain KEY [note], where KEY is any word that you have not used before, such as a date",
    "cancel": "cancel RUN [note], where RUN is the name of a RetrainRun",
    "release": "release DIGEST REASON, where DIGEST is that of a model in status.quarantined",
    "event": "event TYPE KEY [SOURCE], where KEY is what the other system knows the event by",
}
_LONGEST: Final = 253


@dataclass(frozen=True, slots=True)
class Retrain:
    """Start a run."""

    key: str
    note: str = ""
    by: str | None = None

    @property
    def mark(self) -> str:
        """What it is remembered by."""
        return mark_of("retrain", self.key)

    @property
    def sentence(self) -> str:
        """What is told of it as reason of a run."""
        return f"asked for by command {self.key}" + (f": {self.note}" if self.note else "")


@dataclass(frozen=True, slots=True)
class Cancel:
    """End a run."""

    run: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseDigest:
    """Take a digest out of quarantine."""

    digest: str
    reason: str


@dataclass(frozen=True, slots=True)
class Wrong:
    """No command: why, as a sentence."""

    verb: str
    message: str


Command = Retrain | Cancel | ReleaseDigest | Event | Wrong


def read_command(text: str | None, last: LastCommand | None, by: str | None = None) -> Command | None:
    """The command in the annotation; None where there is none, or where it was read before."""
    return None if not text or (last is not None and last.text == text) else parse_command(text, by)


def parse_command(text: str, by: str | None = None) -> Command:
    """Read a command, given by whom `by` says. Total: what is no command says what would be one."""
    verb, *words = text.split() or [""]
    note = " ".join(words[1:])
    if verb not in VERBS:
        return Wrong(verb, f"verb {verb[:64]!r} is unknown; known are {', '.join(VERBS)}")
    if not words or (verb == "release" and not note) or (verb == "event" and len(words) not in (2, 3)):
        return Wrong(verb, f"write {_FORMS[verb]}")
    too_long = next((word for word in words[: 1 if verb != "event" else 3] if len(word) > _LONGEST), None)
    if too_long is not None:
        return Wrong(verb, f"{too_long[:40]}… has {len(too_long)} characters, at most {_LONGEST} are allowed")
    if verb == "retrain":
        return Retrain(words[0], note, by)
    if verb == "cancel":
        return Cancel(words[0], note)
    if verb == "release":
        return ReleaseDigest(words[0], note)
    return Event(words[0], words[1], words[2] if len(words) == 3 else None, by)


def was_taken(command: Retrain, keys: Sequence[str]) -> bool:
    """Whether a run has been asked for by this key before."""
    return command.mark in keys
