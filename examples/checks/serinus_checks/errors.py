"""The ways in which a run ends without a clean measurement, each with the exit code that Serinus acts on."""

from typing import Final

MEASURED: Final = 0


class CheckError(Exception):
    """A run that cannot go on; the message is a sentence for the log."""

    exit_code: int = 64


class UnacceptableError(CheckError):
    """The answers of the model are wrong whatever the bounds say. Never retried: the next run would see the same."""

    exit_code = 1


class ConfigError(CheckError):
    """The check cannot be carried out as it is, and no retry will change that: the model is neither good nor bad."""

    exit_code = 64


class InfraError(CheckError):
    """Nothing is known of the model: it could not be asked, or the data is away. The only kind worth a retry."""

    exit_code = 75
