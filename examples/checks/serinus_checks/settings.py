"""What the environment and checks.yaml say, read once. Every fault is a ConfigError with field, value and cure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from .config import Check, Config, CriticalCheck, LatencyCheck, MetricCheck, RobustnessCheck, SchemaCheck, SlicesCheck
from .errors import ConfigError
from .metrics import METRICS

_TAGS: Final = frozenset(
    ("OpenInference", "JSON", "Schema", "Critical", "Metric", "Slices", "Fairness", "Robustness", "Latency")
)
"""Pydantic puts the chosen member of a union into the path."""
_UNIONS: Final = frozenset(("int", "float", "str", "bool"))
_VALUE_LENGTH: Final = 60


@dataclass(frozen=True)
class Settings:
    """What Serinus puts into the environment of its Jobs."""

    url: str
    target: str = "candidate"
    revision: str = ""
    model_uri: str = ""
    model_digest: str = ""
    config: Path = Path("/config/checks.yaml")
    results: Path = Path("/dev/termination-log")


def read_settings(env: Mapping[str, str]) -> Settings:
    """The environment; an empty variable counts as not set."""
    url = env.get("SERINUS_TARGET_URL", "")
    if not _is_base_url(url):
        raise ConfigError(f"SERINUS_TARGET_URL {url!r} must be the base URL of a Service, such as http://fraud:8080")
    target = env.get("SERINUS_TARGET") or "candidate"
    if target not in ("candidate", "stable"):
        raise ConfigError(f"SERINUS_TARGET {target!r} must be candidate or stable")
    return Settings(
        url=url.rstrip("/"),
        target=target,
        revision=env.get("SERINUS_REVISION", ""),
        model_uri=env.get("SERINUS_MODEL_URI", ""),
        model_digest=env.get("SERINUS_MODEL_DIGEST", ""),
        config=Path(env.get("SERINUS_CHECKS_CONFIG") or Settings.config),
        results=results_path(env),
    )


def _is_base_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def results_path(env: Mapping[str, str]) -> Path:
    return Path(env.get("SERINUS_RESULTS") or Settings.results)


def read_config(path: Path) -> Config:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path} must hold an object with target, features, data and checks")
    try:
        config = Config.model_validate(document)
    except ValidationError as error:
        every = [details for details in error.errors(include_url=False) if not _is_echo(details)]
        found = {_field(details): _explain(details) for details in every}
        raise ConfigError("; ".join(f"{field} {said}".strip() for field, said in found.items())) from error
    if problems := list(_find_problems(config)):
        raise ConfigError("; ".join(problems))
    return config


def _find_problems(config: Config) -> Iterator[str]:
    """What no single field can know."""
    names = [check.name for check in config.checks]
    for i, check in enumerate(config.checks):
        field = f"checks[{i}]"
        if check.name in names[:i]:
            yield f'{field}.name "{check.name}" must be unique'
        spec = config.data.get(check.data)
        if spec is None:
            yield f'{field}.data "{check.data}" must be one of {", ".join(sorted(config.data))}'
        elif spec.label is None and not isinstance(check, SchemaCheck | LatencyCheck):
            yield f'data.{check.data}.label is required: check "{check.name}" compares with it'
        if isinstance(check, CriticalCheck) and check.tolerance and config.target.classes:
            yield f"{field}.tolerance is for numbers and cannot be used with target.classes"
        if config.target.score is None:
            yield from _find_unscored(field, check)


def _find_unscored(field: str, check: Check) -> Iterator[str]:
    single = check.metric if isinstance(check, MetricCheck | SlicesCheck | RobustnessCheck) else None
    for metric in (single,) if single else getattr(check, "metrics", ()):
        if METRICS[metric].needs == "score":
            yield f'{field} measures "{metric}" and so needs target.score: where the score stands in an answer'


def _is_echo(details: ErrorDetails) -> bool:
    """A list whose only entry is faulty is told to be empty as well."""
    return details["type"] == "too_short" and bool(details["input"])


def _field(details: ErrorDetails) -> str:
    path = _path(details["loc"])
    if details["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return f"{path}.{str(details.get('ctx', {})['discriminator']).strip(chr(39))}"
    return path


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for i, part in enumerate(location):
        if isinstance(part, int):
            path += f"[{part}]"
        elif part not in _UNIONS and not (part in _TAGS and i in (1, 2) and location[0] in ("target", "checks")):
            path += f".{part}" if path else part
    return path


def _explain(details: ErrorDetails) -> str:
    context: Mapping[str, Any] = details.get("ctx") or {}
    kind, value = details["type"], details["input"]
    if kind in ("missing", "union_tag_not_found"):
        return "is required"
    if kind == "extra_forbidden":
        return "is not a field"
    text = json.dumps(value, default=str, ensure_ascii=False)
    shown = text if len(text) <= _VALUE_LENGTH else f"{text[:_VALUE_LENGTH]}…"
    if kind == "union_tag_invalid":
        return f'"{context["tag"]}" must be one of {context["expected_tags"]}'
    if kind == "literal_error":
        return f"{shown} must be one of {context['expected']}"
    if kind == "string_pattern_mismatch":
        return f"{shown} must match {context['pattern']}"
    if kind == "value_error":
        return f"{shown} {context['error']}"
    _, should, wanted = details["msg"].partition(" should ")
    return f"{shown} must {wanted}" if should else f"{shown} is wrong: {details['msg']}"
