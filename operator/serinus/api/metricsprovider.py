"""MetricsProvider: a Prometheus-compatible address. Cluster-scoped and the platform's: no tenant ever names a URL."""

import re
from typing import Annotated, Final

from pydantic import Field

from serinus.api.meta import (
    ADDRESS_PATTERN,
    DURATION_PATTERN,
    Condition,
    Duration,
    Model,
    ObservedGeneration,
    StatusModel,
)
from serinus.api.resource import Column, Resource, Rule, list_map, with_rules
from serinus.api.rules import longer_than_0s, well_formed

_AT_LEAST_1S = Rule(
    well_formed(DURATION_PATTERN, "duration(self) >= duration('1s')"),
    "scrapeInterval must be at least 1s",
    says="'scrapeInterval must be at least 1s, not ' + self",
)


LABEL_NAME: Final = re.compile(r"(?!__name__$)[a-zA-Z_][a-zA-Z0-9_]{0,62}")
"""Names in `gatewayLabels`. Keys have no pattern in a schema, and no rule either: the API server could not bound what
it costs."""


class SecretKeyRef(Model):
    """A value in a Secret of the operator's own namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the Secret."""
    key: Annotated[str, Field(min_length=1, max_length=253)]
    """Key within the Secret."""


class ProviderCredentials(Model):
    """How the operator proves who it is."""

    secret_ref: SecretKeyRef
    """Secret with the bearer token, in the operator's own namespace. Read again every minute and when the token is
    refused, so that it may rotate."""


class ProviderTLS(Model):
    """How the operator checks whom it talks to."""

    ca_secret_ref: SecretKeyRef
    """Secret with the certificates of the authorities (PEM) that may have signed the server's, in the operator's own
    namespace. No other authority is trusted then."""


class MetricsProviderSpec(Model):
    """Where metrics are read, and how."""

    address: Annotated[str, Field(pattern=ADDRESS_PATTERN, max_length=1024)]
    """Base address of the Prometheus HTTP API, http or https, without user or password, for example
    http://prometheus.monitoring.svc:9090."""
    scrape_interval: Annotated[Duration, Field(json_schema_extra=with_rules(_AT_LEAST_1S))] = "15s"
    """How often the server reads the targets; queries are asked as often and samples older than a few intervals count
    as stale. At least 1s. Default: 15s."""
    timeout: Annotated[Duration, Field(json_schema_extra=with_rules(longer_than_0s("timeout")))] = "3s"
    """How long an answer is waited for; after that the metric counts as not measurable, never as bad. Default: 3s."""
    gateway_labels: Annotated[dict[str, Annotated[str, Field(min_length=1, max_length=253)]], Field(max_length=8)] = (
        Field(default_factory=dict)
    )
    """Labels that this server gives to what it scrapes of gateways and proxies, for example job: traefik. Series of
    gateways count only with them, so that no pod of a tenant can pass off its own as the gateway's. Default: none,
    then whoever is scraped can."""
    credentials: ProviderCredentials | None = None
    """Bearer token to send to the address, never to where it redirects. To an http address it travels in the clear,
    unless something below such as a mesh encrypts. Default: none."""
    tls: ProviderTLS | None = None
    """Authority that signed the server's certificate; not used with an http address. Default: those the system
    trusts."""


class MetricsProviderStatus(StatusModel):
    """Whether the provider can be used, as its last answers and the check after each change of the spec showed."""

    observed_generation: ObservedGeneration = None
    """The metadata.generation that this status is about."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16, json_schema_extra=list_map("type"))] = ()
    """Ready: whether the provider answers and is used as described; the reason says why not. Stalled: it
    will not before a person acts."""


METRICS_PROVIDER: Final = Resource(
    kind="MetricsProvider",
    plural="metricsproviders",
    short_name="mprov",
    scope="Cluster",
    description="A Prometheus-compatible address that rollouts are judged by, with its credentials. Set up by the"
    " platform's administrators; rollouts refer to it by name.",
    spec=MetricsProviderSpec,
    status=MetricsProviderStatus,
    columns=(
        Column("Address", ".spec.address", description="Base address of the HTTP API."),
        Column("Interval", ".spec.scrapeInterval", description="How often targets are read."),
        Column(
            "Ready", '.status.conditions[?(@.type=="Ready")].status', description="Whether it is used as described."
        ),
        Column("Age", ".metadata.creationTimestamp", "date"),
        Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', priority=1, description="Why, in one word."),
    ),
)
