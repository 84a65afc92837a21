from collections.abc import AsyncIterator

import pytest

from tests.fakes.prometheus import FakePrometheus


@pytest.fixture
async def prometheus() -> AsyncIterator[FakePrometheus]:
    """A metric server that answers as the test says."""
    async with FakePrometheus().running() as fake:
        yield fake
