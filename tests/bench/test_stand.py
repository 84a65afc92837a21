"""Queries are counted from Prometheus' own words, whichever way they were asked."""

from tests.bench.stand import set_env, sum_queries

EXPOSITION = """\
# TYPE prometheus_http_requests_total counter
prometheus_http_requests_total{code="200",handler="/api/v1/query"} 41
prometheus_http_requests_total{code="400",handler="/api/v1/query"} 1
prometheus_http_requests_total{code="200",handler="/api/v1/query_range"} 2
prometheus_http_requests_total{code="200",handler="/metrics"} 300
prometheus_http_request_duration_seconds_count{handler="/api/v1/query"} 42
"""


def test_only_queries_count() -> None:
    assert sum_queries(EXPOSITION) == 44
    assert sum_queries("") == 0


def test_environment_replaces_what_was_set_before() -> None:
    container: dict[str, object] = {"env": [{"name": "OLD", "value": "1"}]}
    set_env({"spec": {"template": {"spec": {"containers": [container]}}}}, MODEL_VERSION="bad-1")
    assert container["env"] == [{"name": "MODEL_VERSION", "value": "bad-1"}]
