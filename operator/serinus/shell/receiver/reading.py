"""What an event says, as far as a trigger wants to know it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from serinus.api.redact import redact
from serinus.shell.receiver.signature import Signed, is_structured

LONGEST: Final = {"type": 128, "source": 128, "subject": 256}
"""Characters of an attribute; triggers can name no longer ones."""
OURS: Final = "serinus."
"""What our own tags in MLflow begin with."""


@dataclass(frozen=True)
class EventIn:
    """An event whose sender is known. `key`: the same for the same event, however often it comes. `at`: when it was
    signed. `subject`: what it is about, NAME/VERSION for a version in MLflow."""

    type: str
    source: str
    key: str
    at: datetime
    subject: str = ""


@dataclass(frozen=True)
class Unreadable:
    """Why a request holds no event."""

    why: str


@dataclass(frozen=True)
class Echo:
    """An event about something that a run of ours has done: it must not start another."""


@dataclass(frozen=True)
class Missing:
    """The library for it is not installed."""

    why: str = "CloudEvents need the operator's extra `events` (cloudevents), which is not installed"


def read_event(headers: Mapping[str, str], body: bytes, signed: Signed) -> EventIn | Unreadable | Echo | Missing:
    """The event in a request that was verified; never raises for what is in it."""
    at = datetime.fromtimestamp(signed.timestamp, UTC)
    return _read_mlflow(body, signed, at) if signed.delivery else _read_cloud_event(headers, body, at)


def _read_mlflow(body: bytes, signed: Signed, at: datetime) -> EventIn | Unreadable | Echo:
    try:
        said = json.loads(body)
        kind, data = f"{said['entity']}.{said['action']}", said["data"]
        name, rest = str(data.get("name", "")), data.get("version") or data.get("alias")
        tags, key = data.get("tags") or {}, str(data.get("key", ""))
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
        return Unreadable("the body is no webhook of MLflow: entity, action and data are wanted")
    if key.startswith(OURS) or (isinstance(tags, dict) and any(str(tag).startswith(OURS) for tag in tags)):
        return Echo()
    return _check(EventIn(kind, "mlflow", f"mlflow:{signed.delivery}", at, f"{name}/{rest}" if rest else name))


def _read_cloud_event(headers: Mapping[str, str], body: bytes, at: datetime) -> EventIn | Unreadable | Missing:
    try:
        from cloudevents.core.bindings.http import HTTPMessage, from_binary, from_structured
        from cloudevents.core.formats.json import JSONFormat
        from cloudevents.core.v1.event import CloudEvent
    except ImportError:
        return Missing()
    if headers.get("content-type", "").lower().startswith("application/cloudevents-batch"):
        return Unreadable("batches are not taken: send one event at a time")
    structured = is_structured(headers)
    kept = {name: value for name, value in headers.items() if not structured or not name.startswith("ce-")}
    try:
        # What the event carries is not looked at, so it need not be readable.
        message = HTTPMessage(kept, body if structured else b"")
        event: Any = (from_structured if structured else from_binary)(message, JSONFormat(), CloudEvent)
    # The library raises a group of errors for attributes, and whatever parsing comes upon.
    except Exception as error:
        return Unreadable(f"the request is no CloudEvent 1.0 ({type(error).__name__})")
    if event.get_specversion() != "1.0":
        return Unreadable("only CloudEvents 1.0 are taken")
    source, identity = str(event.get_source()), str(event.get_id())
    key = hashlib.sha256(f"{source}\n{identity}".encode(errors="replace")).hexdigest()[:32]
    return _check(EventIn(str(event.get_type()), source, f"ce:{key}", at, str(event.get_subject() or "")))


def _check(event: EventIn) -> EventIn | Unreadable:
    for name, longest in LONGEST.items():
        text = getattr(event, name)
        # Types and sources are words, in triggers as in commands.
        if len(text) > longest or not text.isprintable() or (name != "subject" and (" " in text or not text)):
            return Unreadable(f"{name} has more than {longest} characters, or some that may not be there")
        if redact(text) != text:
            # It would stand in an annotation, where everybody reads it.
            return Unreadable(f"{name} holds credentials, which are not taken")
    return event
