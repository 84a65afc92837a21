"""How this process is run, read once from the environment into one frozen value. What it does is never set here."""

import os
import re
import socket
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from serinus.api.meta import parse_duration
from serinus.api.redact import redact
from serinus.kube.training import DEFAULT_TRAINING_KINDS, read_training_kinds
from serinus.registries.writable import check_entries

PREFIX: Final = "SERINUS_"

Seconds = Annotated[float, Field(gt=0)]


class SettingsError(ValueError):
    """The environment cannot be used; the message names every variable at fault."""


def _build_identity() -> str:
    return f"{socket.gethostname()}_{uuid.uuid4()}"


class Settings(BaseModel):
    """One field per variable: `resync_interval` is read from SERINUS_RESYNC_INTERVAL, durations as `90s` or `5m`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    namespace: Annotated[str, Field(min_length=1, max_length=63)] = "serinus-system"
    """Namespace of the operator itself: its Lease and the Secrets of metrics providers."""
    watch_namespaces: tuple[str, ...] = ()
    """Namespaces to work in, separated by commas; empty for all."""
    gateway_namespaces: tuple[str, ...] = ()
    """Further namespaces, separated by commas, whose Gateways routes may be attached to; of use with
    watch_namespaces."""
    http_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port of /healthz, /readyz and /metrics; 0 picks a free one."""
    workers: Annotated[int, Field(ge=1, le=256)] = 16
    """How many objects are worked on at once."""
    resync_interval: Seconds = 300.0
    """Seconds between two authoritative lists."""
    leader_election: bool = True
    """Whether to act only as the holder of the Lease. Without it two replicas would act at once."""
    lease_name: Annotated[str, Field(min_length=1, max_length=253)] = "serinus"
    """Name of the Lease."""
    lease_duration: Annotated[float, Field(ge=3)] = 15.0
    """Seconds after which a Lease that is not renewed may be taken over."""
    identity: Annotated[str, Field(min_length=1, max_length=253)] = Field(default_factory=_build_identity)
    """Who this process is among the replicas; must be unique for each start of the process."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe message that is written."""
    log_format: Literal["json", "console"] = "json"
    """Lines of JSON, or text for people."""
    model_hosts: tuple[str, ...] = ()
    """Registries that may be asked for the digest of oci:// model references, separated by commas: `registry.example`,
    or `http://registry.example:5000` for one without TLS. They are asked without credentials."""
    mlflow_url: str | None = None
    """Base address of the MLflow server that models:/ references are resolved with."""
    mlflow_credentials: Path | None = None
    """File with `USER:PASSWORD` or a token for that server, which also moves aliases and sets tags at a promotion."""
    mlflow_writable: tuple[str, ...] = ()
    """Which registered models promotions to an alias may write there, separated by commas: NAMESPACE/PATTERN, such as
    ml/fraud-*, with * as the namespace for all. Without any, none is written."""
    huggingface_url: str | None = None
    """Base address of the hub that hf:// references are resolved with, such as https://huggingface.co."""
    git_hosts: tuple[str, ...] = ()
    """Git servers and their forges' APIs that promotions by pull request may go to, separated by commas: `github.com`,
    `api.github.com`, or `http://git.example:3000` for one without TLS. Which repository, and who asks, is said by a
    Secret of the policy's namespace."""
    receiver_listen_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """Port that events from outside are taken on (CloudEvents, webhooks of MLflow); not listened on where it is not
    set."""
    receiver_secret: Annotated[str | None, Field(min_length=1, max_length=253, validate_default=True)] = None
    """Secret in the operator's own namespace with the keys that events are signed with: NAMESPACE, or NAMESPACE.POLICY
    for one policy."""
    loader_image: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Image of the init container that puts models into pods (delivery InitContainer) and verifies signatures. A
    revision keeps the one that it was made with."""
    training_kinds: tuple[str, ...] = DEFAULT_TRAINING_KINDS
    """Kinds that a RetrainPolicy may train with, separated by commas: GROUP/VERSION/Kind, such as
    kubeflow.org/v1/PyTorchJob, with =plural where that is not the kind in small letters with an s. The operator needs
    rights to create, watch and delete them."""
    retraining: bool = True
    """Whether RetrainPolicies are carried out. Where not, they say NotEnabled, and nothing that trains is watched."""
    grpc_routes: bool = True
    """Whether GRPCRoutes are watched and may be made."""
    inference_pools: bool = True
    """Whether InferencePools are watched and may be made."""
    kueue: bool = False
    """Whether Kueue is installed and queues what trains: its Workloads then say what a run waits for. The operator
    needs rights to list and watch them."""
    kubeconfig: str | None = None
    """Kubeconfig to use; without it the service account of the pod, or the usual file."""
    context: str | None = None
    """Context of the kubeconfig; without it the current one."""

    @property
    def switched_off(self) -> frozenset[str]:
        """The features that the operator works without, each by the value of the chart that switches it on."""
        features = {
            "features.retraining": self.retraining,
            "features.grpcRoutes": self.grpc_routes,
            "features.inferencePools": self.inference_pools,
        }
        return frozenset(value for value, is_on in features.items() if not is_on)

    @property
    def namespaces_looked_at(self) -> tuple[str, ...]:
        """The only namespaces of which anything is known; none where all are."""
        return (*self.watch_namespaces, *self.gateway_namespaces) if self.watch_namespaces else ()

    @field_validator(
        "watch_namespaces",
        "gateway_namespaces",
        "model_hosts",
        "mlflow_writable",
        "git_hosts",
        "training_kinds",
        mode="before",
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("watch_namespaces", "gateway_namespaces")
    @classmethod
    def _are_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name):
                raise ValueError(f"{name!r} is not the name of a namespace")
        return value

    @field_validator("mlflow_url", "huggingface_url")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "https://unset")
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError("no address; right would be https://HOST/PATH")
        if parts.username is not None or parts.password is not None:
            raise ValueError("an address must not hold credentials: it is part of messages")
        return value

    @field_validator("receiver_secret")
    @classmethod
    def _has_keys(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("receiver_listen_port") is not None:
            raise ValueError("events without a signature are not taken, so a Secret with the keys is needed")
        return value

    @field_validator("mlflow_writable")
    @classmethod
    def _are_writable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        check_entries(value)
        return value

    @field_validator("training_kinds")
    @classmethod
    def _are_kinds(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        read_training_kinds(value)
        return value

    @field_validator("resync_interval", "lease_duration", mode="before")
    @classmethod
    def _to_seconds(cls, value: Any) -> Any:
        return parse_duration(value).total_seconds() if isinstance(value, str) else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _to_lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the variables that start with SERINUS_; an empty one counts as not set.

    Raises SettingsError for a value that cannot be used and for a variable that means nothing, which is a typing error
    more often than not. Variables that the cluster itself makes out of Services are passed over.
    """
    known = {PREFIX + name.upper(): name for name in Settings.model_fields}
    unknown = sorted(
        name
        for name in environ
        if name.startswith(PREFIX) and name not in known and not re.search(r"_(SERVICE|PORT)(_|$)", name)
    )
    try:
        settings = Settings(**{field: environ[name] for name, field in known.items() if environ.get(name)})
    except ValidationError as error:
        problems = [
            f"{PREFIX}{str(problem['loc'][0]).upper()}: {problem['msg']} (is {problem['input']!r})"
            for problem in error.errors()
        ]
        raise SettingsError(redact("; ".join(problems))) from error
    if unknown:
        raise SettingsError(f"unknown: {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    return settings
