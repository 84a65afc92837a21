"""What can be wrong with what others send, as sentences for them."""


class MonitorError(Exception):
    """The message says what is wrong, and what would be right."""


class ReferenceUnusableError(MonitorError):
    """A reference that nothing can be compared with."""


class ReferenceMissingError(MonitorError):
    """There is no reference of that name, or where it should be does not answer."""


class StableUnknownError(MonitorError):
    """Which revision is stable cannot be told now."""
