"""The number that the query of a gate gives: confined to the namespace, and unknown by its reason."""

from typing import Any

import pytest

from serinus.core.retrain.reading import Unknown
from serinus.engine.store import Store
from serinus.metrics.source import Answer, Failure, QueryResult, Sample, Series
from serinus.retraining import build_gate_asker

QUERY = 'model_quality{metric="f1"}'


class Source:
    """Answers every query alike."""

    def __init__(self, result: QueryResult) -> None:
        self.result = result
        self.queries: list[str] = []
        self.closed = 0

    async def fetch_instant(self, query: str) -> QueryResult:
        self.queries.append(query)
        return self.result

    def close(self) -> None:
        self.closed += 1


def known(*, provider: bool = True) -> Store:
    store = Store()
    place = {"namespace": "ml", "resourceVersion": "1"}
    spec = {"modelDeploymentRef": {"name": "fraud"}}
    store.put("RetrainPolicy", {"metadata": {"name": "fraud", **place}, "spec": spec})
    status = {"stable": {"revision": "fraud-1a2b3c4d"}}
    store.put("ModelDeployment", {"metadata": {"name": "fraud", **place}, "status": status})
    if provider:
        address = {"address": "http://prometheus:9090", "scrapeInterval": "5s"}
        store.put("MetricsProvider", {"metadata": {"name": "default", "resourceVersion": "1"}, "spec": address})
    return store


async def ask(result: QueryResult, query: str = QUERY, **surroundings: Any) -> tuple[Any, Source]:
    source = Source(result)
    asker = build_gate_asker(known(**surroundings), lambda provider: source)  # type: ignore[arg-type,return-value]
    return await asker("ml", "fraud", query), source


async def test_a_number_is_that_of_the_namespace() -> None:
    value, source = await ask(Answer((Series({}, (Sample(1.0, 0.93),)),)))
    assert value == 0.93
    assert 'namespace="ml"' in source.queries[0]
    assert source.closed == 1


@pytest.mark.parametrize(
    ("result", "query", "provider", "reason"),
    [
        (Answer(()), QUERY, True, "NoData"),
        (Failure("Timeout", "it is slow"), QUERY, True, "Timeout"),
        (Answer(()), "model_quality{", True, "InvalidQuery"),
        (Answer(()), QUERY, False, "ProviderNotFound"),
    ],
)
async def test_what_is_not_known_says_why(result: QueryResult, query: str, provider: bool, reason: str) -> None:
    value, _ = await ask(result, query, provider=provider)
    assert isinstance(value, Unknown)
    assert value.reason == reason
    if reason == "NoData":
        assert value.message == f"{QUERY} has no value"
