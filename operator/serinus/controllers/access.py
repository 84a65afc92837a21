"""What a metrics provider is asked with: token and authorities, as its object names them at this moment.

The token goes to the address that stands in the same object, and to no other: whoever still asks an older address gets
nothing to send.
"""

import re
from typing import Final

from serinus.api import reasons
from serinus.api.meta import parse_duration
from serinus.api.metricsprovider import MetricsProviderSpec, SecretKeyRef
from serinus.api.validate import check_metrics_provider
from serinus.controllers.analyst import Provider
from serinus.core.snapshot import Problem
from serinus.engine.store import Store
from serinus.kube.secrets import SecretProblem, SecretReader
from serinus.metrics.source import Access, Failure

_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_PEM: Final = "-----BEGIN CERTIFICATE-----"


def build_provider(name: str, spec: MetricsProviderSpec) -> Provider:
    """A provider as it is asked."""
    interval, timeout = parse_duration(spec.scrape_interval), parse_duration(spec.timeout)
    labels = tuple(sorted(spec.gateway_labels.items()))
    return Provider(name, spec.address, interval.total_seconds(), timeout.total_seconds(), labels)


def find_provider(store: Store, name: str, field: str) -> Provider | Problem:
    """The provider of this name as it is asked, or why there is none; `field` is where the name stands."""
    raw = store.get("MetricsProvider", "", name)
    if raw is None:
        return Problem(reasons.PROVIDER_NOT_FOUND, f"{field}: there is no MetricsProvider {name}")
    spec = check_metrics_provider(raw.get("spec") or {})
    if isinstance(spec, tuple):
        said = "; ".join(map(str, spec))
        return Problem(reasons.INVALID_SPEC, f"{field}: MetricsProvider {name}: {said}")
    return build_provider(name, spec)


class AccessReader:
    """Looks up the object in `store` and its Secrets through `secrets`."""

    def __init__(self, store: Store, secrets: SecretReader) -> None:
        self._store = store
        self._secrets = secrets

    async def fetch(self, provider: Provider, renew: bool) -> Access | Failure:
        """What to send to a provider and whom to trust; see `serinus.metrics.source.FetchAccess`."""
        spec = self._find_spec(provider)
        if spec is None:
            return Failure("Unreachable", f"{provider.address}: the MetricsProvider is gone or has another address now")
        credentials, tls = spec.credentials, spec.tls
        token = await self._read("spec.credentials.secretRef", credentials.secret_ref if credentials else None, renew)
        if isinstance(token, Failure):
            return token
        token = token.strip() if token else None
        if token is not None and not _TOKEN.fullmatch(token):
            return Failure("InvalidSecret", "spec.credentials.secretRef: what the Secret holds is no bearer token")
        authorities = await self._read("spec.tls.caSecretRef", tls.ca_secret_ref if tls else None, renew)
        if isinstance(authorities, Failure):
            return authorities
        if authorities is not None and _PEM not in authorities:
            return Failure("InvalidSecret", "spec.tls.caSecretRef: the Secret has no certificates in PEM form")
        return Access(token, authorities)

    def _find_spec(self, provider: Provider) -> MetricsProviderSpec | None:
        raw = self._store.get("MetricsProvider", "", provider.name)
        spec = check_metrics_provider((raw or {}).get("spec") or {})
        return None if isinstance(spec, tuple) or spec.address != provider.address else spec

    async def _read(self, field: str, ref: SecretKeyRef | None, renew: bool) -> str | Failure | None:
        if ref is None:
            return None
        found = await self._secrets.fetch(ref.name, ref.key, renew=renew)
        return Failure(found.reason, f"{field}: {found.message}") if isinstance(found, SecretProblem) else found
