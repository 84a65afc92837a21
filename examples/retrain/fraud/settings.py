"""What the environment says; what is missing is said by name."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


def _need(env: Mapping[str, str], name: str, what: str) -> str:
    value = env.get(name, "")
    if not value:
        raise ValueError(f"{name} is not set; it must be {what}")
    return value


def _seconds(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = -1.0
    if not 0 <= value <= 86_400:
        raise ValueError(f"{name} is {text!r}; it must be a number of seconds up to a day")
    return value


@dataclass(frozen=True)
class TrainerSettings:
    """`run` names the attempt and `champion` the model to beat, each empty outside of a run; `window` is how many
    seconds of labelled payments are learnt from, `families` what kinds of models may be tried."""

    tracking: str
    data: str
    monitor: str
    model: str
    run: str
    reason: str
    champion: str
    champion_digest: str
    window: float
    families: tuple[str, ...]


def read_trainer_settings(env: Mapping[str, str] = os.environ) -> TrainerSettings:
    """ValueError, with the name of the variable, where one is missing or makes no sense."""
    families = tuple(name.strip() for name in env.get("FAMILIES", "linear").split(",") if name.strip())
    return TrainerSettings(
        tracking=_need(env, "MLFLOW_TRACKING_URI", "the address of MLflow").rstrip("/"),
        data=_need(env, "DATA_URL", "the address of the data service").rstrip("/"),
        monitor=env.get("MONITOR_URL", "").rstrip("/"),
        model=env.get("MODEL_NAME", "fraud"),
        run=env.get("SERINUS_RUN", ""),
        reason=env.get("SERINUS_REASON", ""),
        champion=env.get("SERINUS_CHAMPION_URI", ""),
        champion_digest=env.get("SERINUS_CHAMPION_DIGEST", ""),
        window=_seconds(env, "WINDOW_SECONDS", 20.0),
        families=families,
    )


@dataclass(frozen=True)
class ServerSettings:
    """`revision` is which one of the ModelDeployment this pod belongs to; `drain_seconds` is how long a terminating
    server still answers, so that every gateway has time to forget it."""

    uri: str
    digest: str
    tracking: str
    monitor: str
    model: str
    namespace: str
    revision: str
    port: int
    drain_seconds: float


def read_server_settings(env: Mapping[str, str] = os.environ) -> ServerSettings:
    """ValueError, with the name of the variable, where one is missing or makes no sense."""
    return ServerSettings(
        uri=_need(env, "SERINUS_MODEL_URI", "the address of the model"),
        digest=_need(env, "SERINUS_MODEL_DIGEST", "the digest of the model's file"),
        tracking=env.get("MLFLOW_TRACKING_URI", "").rstrip("/"),
        monitor=env.get("MONITOR_URL", "").rstrip("/"),
        model=env.get("MODEL_NAME", "fraud"),
        namespace=env.get("NAMESPACE", ""),
        revision=env.get("REVISION", ""),
        port=int(env.get("PORT", "8080")),
        drain_seconds=_seconds(env, "DRAIN_SECONDS", 5.0),
    )
