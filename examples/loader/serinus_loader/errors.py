"""The ways in which a run ends without a model, each with the exit code that Serinus acts on (sysexits.h)."""


class LoaderError(Exception):
    """A model that cannot be had as things are; the message is a sentence for people."""

    exit_code: int = 1


class AlteredError(LoaderError):
    """The bytes are not those that were asked for, or not signed as asked for. Never tried again: the revision is
    rejected."""

    exit_code = 65


class ConfigError(LoaderError):
    """The loader is asked for something that it cannot do."""

    exit_code = 64


class MissingError(LoaderError):
    """Where the model should lie, there is none."""

    exit_code = 66


class AwayError(LoaderError):
    """Where the model lies does not answer now: to be tried again."""

    exit_code = 75
