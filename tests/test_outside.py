"""Secrets for the world outside are read by name, and what cannot be read is told from what is not there."""

import base64
from typing import Any, cast

import pytest

from serinus.controllers.retrain.registry import AliasCarrier
from serinus.engine.store import Store
from serinus.kube.errors import Forbidden, KubeError, NotFound, Unavailable
from serinus.kube.gateway import Kube
from serinus.kube.secrets import SecretProblem, SecretReader
from serinus.net.outcome import Away, Refused
from serinus.net.transport import Transport
from serinus.outside import build_carriers, build_registry, fetch_secret, receive_events
from serinus.settings import load_settings
from serinus.shell.telemetry import Telemetry
from tests.fakes.clock import FakeClock
from tests.fakes.kube import FakeKube


class Secrets:
    """Has one Secret, or says `error`."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {"ml": b"k1", "raw": b"\xff"}
        self.error: KubeError | None = None
        self.reads = 0

    async def get(self, resource: Any, namespace: str, name: str) -> dict[str, Any]:
        self.reads += 1
        if self.error is not None:
            raise self.error
        return {"data": {key: base64.b64encode(value).decode() for key, value in self.data.items()}}


async def test_keys_of_events_are_remembered_for_a_minute_and_kept_while_nobody_answers() -> None:
    secrets, clock = Secrets(), FakeClock()
    reader = SecretReader(cast("Kube", secrets), "serinus-system", clock)
    assert await reader.fetch_all("events") == {"ml": "k1"}
    secrets.data = {"ml": b"k2"}
    clock.advance(59)
    assert await reader.fetch_all("events") == {"ml": "k1"}
    assert secrets.reads == 1
    clock.advance(1)
    assert await reader.fetch_all("events") == {"ml": "k2"}
    secrets.error = Unavailable("away", status=503)
    clock.advance(61)
    assert await reader.fetch_all("events") == {"ml": "k2"}
    secrets.error = NotFound("gone", status=404)
    clock.advance(61)
    gone = await reader.fetch_all("events")
    assert isinstance(gone, SecretProblem)
    assert gone.message == "there is no Secret serinus-system/events"


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (NotFound("x", status=404), Refused("there is no Secret ml/deploy")),
        (Forbidden("x", status=403), Refused("the operator may not get Secret ml/deploy: a Role has to allow it")),
        (Unavailable("x", status=503), Away("Secret ml/deploy cannot be read now: Unavailable")),
    ],
)
async def test_why_a_secret_cannot_be_read(error: KubeError, outcome: Any) -> None:
    secrets = Secrets()
    secrets.error = error
    assert await fetch_secret(cast("Kube", secrets), "ml", "deploy") == outcome


async def test_what_is_not_configured_is_not_there() -> None:
    transport, kube = Transport(), cast("Kube", FakeKube(Store(lambda _: None)))
    bare = load_settings({})
    assert set(build_carriers(transport, bare, kube)) == set()
    assert build_registry(transport, bare) is None
    async with receive_events(bare, kube, FakeClock(), Telemetry()):
        pass
    full = load_settings(
        {
            "SERINUS_MLFLOW_URL": "http://mlflow:5000",
            "SERINUS_MLFLOW_WRITABLE": "ml/fraud-*, */shared",
            "SERINUS_GIT_HOSTS": "git.example",
        }
    )
    carriers = build_carriers(transport, full, kube)
    assert set(carriers) == {"PullRequest", "Alias"}
    assert cast("AliasCarrier", carriers["Alias"]).writable == ("ml/fraud-*", "*/shared")
    assert build_registry(transport, full) is not None
