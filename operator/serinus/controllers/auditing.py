"""Writes audit lines to the log. What is in them is decided in `serinus.core.audit`; nothing is added here."""

from collections.abc import Iterable

import structlog

from serinus.api.audit import AUDIT_EVENT, AUDIT_LOGGER, AuditLine

log = structlog.get_logger(AUDIT_LOGGER)


def write_audit(lines: Iterable[AuditLine]) -> None:
    """One line of the log for each, with every key."""
    for line in lines:
        log.info(AUDIT_EVENT, **line.model_dump(mode="json"))
