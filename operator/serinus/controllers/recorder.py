"""Whom the controllers tell what happened to an object."""

from typing import Any, Protocol

Raw = dict[str, Any]


class Recorder(Protocol):
    """Writes Events; never raises."""

    async def emit_event(self, regarding: Raw, event_type: Any, reason: str, message: str) -> bool:
        """Tell what happened to an object."""
        ...
