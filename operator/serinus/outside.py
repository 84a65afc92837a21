"""Puts together what the retraining loop has to do with the world outside of the cluster, as far as the settings allow:
pull requests, an MLflow, and the receiver of events."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import structlog

from serinus.controllers.retrain.desk import Carrier, FetchRegistry
from serinus.controllers.retrain.door import tell_policy
from serinus.controllers.retrain.pullrequest import PullRequestCarrier
from serinus.controllers.retrain.registry import AliasCarrier, fetch_results
from serinus.engine.clock import Clock
from serinus.kube.errors import Forbidden, KubeError, NotFound
from serinus.kube.gateway import Kube
from serinus.kube.secrets import SECRETS, SecretReader
from serinus.net.hosts import read_hosts
from serinus.net.outcome import Away, Refused
from serinus.net.transport import Transport
from serinus.registries.mlflow_api import MLflow
from serinus.settings import Settings
from serinus.shell.http import serve
from serinus.shell.receiver.app import Delivery, build_receiver
from serinus.shell.receiver.reading import EventIn
from serinus.shell.telemetry import Telemetry

log = structlog.get_logger(__name__)


def build_carriers(transport: Transport, settings: Settings, kube: Kube) -> Mapping[str, Carrier]:
    """Who hands candidates over, by promotion target."""
    hosts = read_hosts(settings.git_hosts)
    carriers: dict[str, Carrier] = {}
    if hosts:
        carriers["PullRequest"] = PullRequestCarrier(transport, hosts, partial(fetch_secret, kube))
    mlflow = build_mlflow(transport, settings)
    return carriers if mlflow is None else {**carriers, "Alias": AliasCarrier(mlflow, settings.mlflow_writable)}


def build_registry(transport: Transport, settings: Settings) -> FetchRegistry | None:
    """Where results are read that training has only logged."""
    mlflow = build_mlflow(transport, settings)
    return None if mlflow is None else partial(fetch_results, mlflow)


def build_mlflow(transport: Transport, settings: Settings) -> MLflow | None:
    return None if settings.mlflow_url is None else MLflow(transport, settings.mlflow_url, settings.mlflow_credentials)


async def fetch_secret(kube: Kube, namespace: str, name: str) -> dict[str, Any] | Away | Refused:
    """A Secret as it is now: it is read when a candidate is handed over, and not kept."""
    place = f"Secret {namespace}/{name}"
    try:
        return await kube.get(SECRETS, namespace, name)
    except NotFound:
        return Refused(f"there is no {place}", access=True)
    except Forbidden:
        return Refused(f"the operator may not get {place}: a Role has to allow it", access=True)
    except KubeError as error:
        return Away(f"{place} cannot be read now: {type(error).__name__}")


@asynccontextmanager
async def receive_events(settings: Settings, kube: Kube, clock: Clock, telemetry: Telemetry) -> AsyncIterator[None]:
    """Take events from outside while the context is open, if the settings say so; every replica does."""
    port, secret = settings.receiver_listen_port, settings.receiver_secret
    if port is None or secret is None:
        yield
        return
    keys = partial(SecretReader(kube, settings.namespace, clock).fetch_all, secret)

    async def deliver(namespace: str, policy: str, event: EventIn) -> Delivery:
        became = await tell_policy(kube, namespace, policy, (event.type, event.key, event.source))
        about = {"kind": event.type, "source": event.source, "subject": event.subject, "key": event.key}
        log.info("received", policy=f"{namespace}/{policy}", became=became, **about)
        return became

    async with serve(build_receiver(deliver, keys, clock, telemetry.on_event), port) as bound:
        log.info("receives", port=bound)
        yield
