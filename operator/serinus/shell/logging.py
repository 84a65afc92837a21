"""Structured logs: one line per decision, as JSON for machines or as text for people, on standard error.

Libraries log through the same door. kopf is kept to warnings: what it does at length is said in fewer words by us.
"""

import logging
import sys
from typing import Final, Literal, TextIO

import structlog

from serinus.api.audit import AUDIT_LOGGER
from serinus.engine.resync import ResyncReport
from serinus.engine.store import Key
from serinus.engine.worker import Turn

_LEVELS: Final = {
    # Says at each start that signals are ignored, which is what we want of it.
    "kopf._core.reactor.running": logging.ERROR,
    "kopf": logging.WARNING,
    "aiohttp.access": logging.WARNING,
    "urllib3": logging.WARNING,
    "asyncio": logging.WARNING,
}

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
    finish = [structlog.processors.format_exc_info] if style == "json" else []
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
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, least in _LEVELS.items():
        logging.getLogger(name).setLevel(max(least, root.level))
    # The audit record is not a matter of taste.
    logging.getLogger(AUDIT_LOGGER).setLevel(logging.INFO)


def log_turn(turn: Turn[Key]) -> None:
    """Write a line about a turn that failed; one that went well has said what it decided by itself."""
    if turn.error is None:
        return
    log.warning(
        "reconcile failed",
        kind=turn.key.kind,
        namespace=turn.key.namespace,
        name=turn.key.name,
        failures=turn.failures,
        retry_in=None if turn.comes_back_in is None else round(turn.comes_back_in, 3),
        error=f"{type(turn.error).__name__}: {turn.error}",
        # A known failure of the API server needs no stack; everything else is a mistake of ours.
        exc_info=None if hasattr(turn.error, "retry_after") else turn.error,
    )


def log_resync(report: ResyncReport) -> None:
    """Write a line where a list found what events had missed, and one where kinds could not be listed."""
    if report.corrected:
        log.info("list corrected the store", **report.corrected)
    if report.failed:
        log.warning("kinds could not be listed", **{kind: str(error) for kind, error in report.failed.items()})
