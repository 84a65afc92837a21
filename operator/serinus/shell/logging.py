"""Structured logs: one line per decision, as JSON for machines or as text for people, on standard error.

Libraries log through the same door. kopf is kept to warnings: what it does at length is said in fewer words by us.
"""

import logging
import re
import sys
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Literal, TextIO

import structlog

from serinus.api.audit import AUDIT_LOGGER
from serinus.api.redact import redact
from serinus.engine.resync import ResyncReport
from serinus.engine.store import Key
from serinus.engine.worker import Turn
from serinus.kube.errors import KubeError

_LEVELS: Final = {
    # Says at each start that signals are ignored, which is what we want of it.
    "kopf._core.reactor.running": logging.ERROR,
    "kopf": logging.WARNING,
    "aiohttp.access": logging.WARNING,
    # Warns of headers that it cannot parse, and quotes what came.
    "urllib3": logging.ERROR,
    "asyncio": logging.WARNING,
}

_QUOTES: Final = {
    # Arguments of a callback, and the repr of a task with its exception.
    "asyncio": re.compile(r"[(<\n].*", re.DOTALL),
    # An exception with all that it was made of, the answer of the API server among it.
    "kopf": re.compile(r"(?<=Error)\(.*|(?<=Exception)\(.*", re.DOTALL),
    "aiohttp": re.compile(r"(?<=Error)\(.*|(?<=Exception)\(.*|\n.*", re.DOTALL),
}
"""Where libraries quote what they work on: that is cut off."""

log = structlog.get_logger("serinus")


def configure_logging(
    level: Literal["debug", "info", "warning", "error"], style: Literal["json", "console"], stream: TextIO = sys.stderr
) -> None:
    """Send everything that is logged in this process to `stream`, in one style. May be called again."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                cut_quotes,
                tell_exception,
                hide_secrets,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries tell at lower levels what they send and receive: Secrets, when they are read.
    root.setLevel(max(logging.WARNING, getattr(logging, level.upper())))
    logging.getLogger("serinus").setLevel(level.upper())
    for name, least in _LEVELS.items():
        logging.getLogger(name).setLevel(max(least, root.level))
    # The audit record is not a matter of taste.
    logging.getLogger(AUDIT_LOGGER).setLevel(logging.INFO)


def cut_quotes(logger: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Take out of the lines of libraries what they quote; what is in the way is said by the rest of the line."""
    quotes = _QUOTES.get(str(event.get("logger")).partition(".")[0])
    return event if quotes is None else {**event, "event": quotes.sub("", str(event.get("event"))).rstrip()}


def tell_exception(logger: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Turn `exc_info` into `exception`: which errors, and where in the code. Not their words, and no values: an error
    of a parser quotes what it was given, which may be a Secret or the answer of a stranger."""
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = "\n".join(_trace(error))
    return event


def _trace(error: BaseException) -> list[str]:
    lines: list[str] = []
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        lines = [*_frames(cause.__traceback__), f"{type(cause).__module__}.{type(cause).__qualname__}", *lines]
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return ["Traceback (most recent call last):", *lines]


def _frames(where: TracebackType | None) -> list[str]:
    return [f'  File "{one.filename}", line {one.lineno}, in {one.name}' for one in traceback.extract_tb(where)]


def hide_secrets(logger: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Take credentials out of every text of a line, however deep it lies."""
    return {key: _hide(value) for key, value in event.items()}


def _hide(value: Any) -> Any:
    match value:
        case str():
            return redact(value)
        case Mapping():
            return {redact(str(key)): _hide(one) for key, one in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_hide(one) for one in value]
        case None | bool() | int() | float():
            return value
    return redact(str(value))


def log_turn(turn: Turn[Key]) -> None:
    """Write a line about a turn that failed; one that went well has said what it decided by itself."""
    if turn.error is None:
        return
    known = isinstance(turn.error, KubeError)
    log.warning(
        "reconcile failed",
        kind=turn.key.kind,
        namespace=turn.key.namespace,
        name=turn.key.name,
        failures=turn.failures,
        retry_in=None if turn.comes_back_in is None else round(turn.comes_back_in, 3),
        error=f"{type(turn.error).__name__}: {turn.error}" if known else type(turn.error).__name__,
        # A known failure of the API server needs no stack; everything else is a mistake of ours.
        exc_info=None if known else turn.error,
    )


def log_resync(report: ResyncReport) -> None:
    """Write a line where a list found what events had missed, and one where kinds could not be listed."""
    if report.corrected:
        log.info("list corrected the store", **report.corrected)
    if report.failed:
        log.warning("kinds could not be listed", **{kind: str(error) for kind, error in report.failed.items()})
