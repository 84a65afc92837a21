"""What the environment says. Only values that differ between releases or clusters; everything else is a constant beside
its use."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """`fault_ratio` (0 to 1) of the predictions are answered with 500, for tests of a rollback; `drain_seconds` is how
    long a terminating server still answers, so that every gateway has time to forget it."""

    version: str = "dev"
    model: Path = Path("/opt/model")
    host: str = "0.0.0.0"  # noqa: S104  # nosec B104 - a pod is reached from outside
    port: int = 8080
    fault_ratio: float = 0.0
    drain_seconds: float = 5.0


def read_settings(env: Mapping[str, str] = os.environ) -> Settings:
    """ValueError, with the name of the variable, for a value that makes no sense."""
    default = Settings()
    settings = Settings(
        version=env.get("MODEL_VERSION", default.version),
        model=Path(env.get("MODEL_DIR", default.model)),
        host=env.get("HOST", default.host),
        port=int(_number(env, "PORT", default.port)),
        fault_ratio=_number(env, "FAULT_RATIO", default.fault_ratio),
        drain_seconds=_number(env, "DRAIN_SECONDS", default.drain_seconds),
    )
    if not 0 <= settings.fault_ratio <= 1:
        raise ValueError(f"FAULT_RATIO is {settings.fault_ratio:g}; it must lie between 0 and 1")
    return settings


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name)
    if not text:
        return default
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}; it must be a number") from None
