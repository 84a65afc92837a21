"""What the command line says, read once. Every fault names the option, its value, and what would be right."""

import argparse
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import durationpy
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from .errors import MonitorError
from .quality import METRICS
from .statistics import STATISTICS

MOST_OPEN_WINDOWS: Final = 64
PLACEHOLDER: Final = "{digest}"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


def _read_duration(value: Any) -> float:
    if isinstance(value, int | float):
        return float(value)
    try:
        seconds: timedelta = durationpy.from_str(value)
    except (durationpy.DurationError, ValueError, OverflowError) as error:
        raise ValueError("must be a duration such as 90s, 10m or 24h") from error
    return seconds.total_seconds()


def _split(known: Sequence[str]) -> BeforeValidator:
    def split(value: Any) -> Any:
        names = tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value
        for name in names:
            if name not in known:
                raise ValueError(f"must be names out of {', '.join(known)}, with commas between")
        return names

    return BeforeValidator(split)


Seconds = Annotated[float, BeforeValidator(_read_duration)]
Length = Annotated[Seconds, Field(ge=1, le=31 * 86_400)]
Rows = Annotated[int, Field(ge=1, le=10_000_000)]


class Settings(BaseModel):
    """Options of the command line; durations are in seconds here and Go-style there (1h)."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    namespace: Annotated[str, Field(min_length=1, max_length=63)]
    """Namespace of the ModelDeployment; a label of every series."""
    model: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the ModelDeployment; a label of every series."""
    version: str | None = None
    """The version that serves, for use without a cluster. Default: status.stable of the ModelDeployment is asked."""
    reference: str | None = None
    """With --version: name of the reference. Default: the version."""
    references: str = "file:///references/{digest}.jsonl"
    """Where references are: file or http(s), with {digest} in the place of the name. What is no letter, digit,
    dot, dash or underscore in it becomes a dash."""
    window: Length = 3600.0
    """Length of a window of drift."""
    grace: Annotated[Seconds, Field(ge=0, le=86_400)] = 60.0
    """How long after its end a window still takes rows."""
    quality_window: Length = 6 * 3600.0
    """Length of a window of quality."""
    label_delay: Annotated[Seconds, Field(ge=0, le=366 * 86_400)] = 24 * 3600.0
    """How long labels take: a window of quality is measured that long after its end, and not before
    --grace."""
    statistics: Annotated[tuple[str, ...], _split(STATISTICS), Field(min_length=1)] = STATISTICS
    """Which statistics of drift, with commas between."""
    quality: Annotated[tuple[str, ...], _split(METRICS)] = ("accuracy", "f1")
    """Which metrics of quality, with commas between."""
    positive: str | None = None
    """The label that precision, recall and f1 are about. Default: their mean over all labels."""
    false_alarm: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    """Chance that a window without change has any feature above its threshold."""
    min_rows: Rows = 100
    """Rows that a window needs for a score."""
    min_labels: Rows = 50
    """Labelled rows that a window or a slice needs for a value."""
    max_rows: Rows = 20_000
    """Rows that a window keeps; of more a random sample."""
    max_body: Annotated[int, Field(ge=1024, le=1 << 30)] = 4 << 20
    """Bytes of a request. References may have sixteen times as many."""
    max_references: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Files in the folder of references above which no more are taken."""
    stale_after: Annotated[int, Field(ge=1, le=1000)] = 3
    """Windows without a row after which all series of their kind disappear."""
    poll: Annotated[Seconds, Field(ge=0.1, le=3600)] = 10.0
    """How often the ModelDeployment, or the place of a missing reference, is asked."""
    token_file: Path | None = None
    """File with the token that whoever sends anything must have. Default: anybody may."""
    host: str = "0.0.0.0"  # noqa: S104  # nosec B104 - a pod is reached from outside
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    """Port to listen on."""

    @field_validator("references")
    @classmethod
    def _is_template(cls, value: str) -> str:
        if value.count(PLACEHOLDER) != 1 or urlsplit(value).scheme not in ("file", "http", "https"):
            raise ValueError(f"must begin with file://, http:// or https:// and have {PLACEHOLDER} in it once")
        return value

    @model_validator(mode="after")
    def _keeps_few_windows(self) -> "Settings":
        if self.label_delay / self.quality_window > MOST_OPEN_WINDOWS:
            least = self.label_delay / MOST_OPEN_WINDOWS
            raise ValueError(
                f"--quality-window must be at least {least:g}s with that --label-delay: at most"
                f" {MOST_OPEN_WINDOWS} windows wait for labels at once"
            )
        if self.grace > MOST_OPEN_WINDOWS * min(self.window, self.quality_window):
            raise ValueError(f"--grace must be at most {MOST_OPEN_WINDOWS} times --window and --quality-window")
        return self


def read_settings(arguments: Sequence[str]) -> Settings:
    """MonitorError where an option is wrong."""
    parser = argparse.ArgumentParser(prog="serinus_monitor", description=__doc__, allow_abbrev=False)
    for name, field in Settings.model_fields.items():
        shown = "" if field.is_required() or field.default is None else f" Default: {_show(field.default)}."
        text = f"{field.description}{shown}".replace("%", "%%")
        parser.add_argument(f"--{name.replace('_', '-')}", dest=name, help=text, required=field.is_required())
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        raise MonitorError("; ".join(_describe(one) for one in error.errors())) from error


def clean_name(text: str) -> str:
    """The name of a reference as it stands in files and addresses: whatever is no letter, digit, dot, dash or
    underscore becomes a dash, as in sha256-ab, so that none leads out of its folder. MonitorError where that is no
    name."""
    name = _UNSAFE.sub("-", text)
    if not _NAME.fullmatch(name):
        raise MonitorError(f"{text[:80]!r} is no name of a reference: a digest such as sha256:9f86… is one")
    return name


def _show(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)


def _describe(error: Any) -> str:
    said = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return str(said)
    return f"--{str(error['loc'][0]).replace('_', '-')} {error['input']!r}: {said}"
