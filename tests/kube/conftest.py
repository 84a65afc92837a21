from collections.abc import AsyncIterator

import pytest
from kubernetes.aio.client import Configuration

from serinus.kube.connection import build_api_client
from serinus.kube.gateway import Kube
from serinus.kube.resources import EVENTS, LEASES, WATCHED
from tests.fakes.apiserver import FakeApiServer

Calls = list[tuple[str, str, str]]


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    async with FakeApiServer([*(entry.resource for entry in WATCHED), EVENTS, LEASES]).running() as server:
        yield server


@pytest.fixture
def calls() -> Calls:
    return []


@pytest.fixture
async def kube(server: FakeApiServer, calls: Calls) -> AsyncIterator[Kube]:
    configuration = Configuration(host=server.url)
    configuration.api_key["BearerToken"] = "bearer s3cret"
    kube = Kube(
        build_api_client(configuration),
        on_request=lambda verb, plural, code, _: calls.append((verb, plural, code)),
        timeout=20.0,
    )
    yield kube
    await kube.close()
