"""The one error that people see: what is missing, and what would help."""


class ClusterError(Exception):
    """The cluster cannot be had, or did not become healthy; the message says what to do or where to look."""
