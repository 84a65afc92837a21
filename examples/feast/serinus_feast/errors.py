"""The ways in which a run ends without an answer, each with an exit code of its own (sysexits.h)."""


class FeastError(Exception):
    """No answer can be had as things are; the message is a sentence for people."""

    exit_code: int = 1


class ConfigError(FeastError):
    """What is asked for cannot be done."""

    exit_code = 64


class DataError(FeastError):
    """The data is not what a snapshot may be made of."""

    exit_code = 65


class MissingError(ConfigError):
    """The repository does not know it, or the file is not there."""
