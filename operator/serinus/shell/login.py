"""How kopf gets in: with the same credentials as the gateway, read again whenever the API server refuses them."""

from collections.abc import Awaitable, Callable
from typing import Any

import kopf

from serinus.kube.connection import Credentials

FetchCredentials = Callable[[], Awaitable[Credentials]]


def register_login(registry: kopf.OperatorRegistry, fetch: FetchCredentials) -> None:
    """Let kopf ask `fetch` for credentials, at its start and after each 401.

    It asks until it gets some: where a login fails for good, kopf neither goes on nor ends. Credentials that were
    refused once and come back unchanged do end it.
    """

    async def login(**_: Any) -> kopf.ConnectionInfo:
        return build_connection(await fetch())

    kopf.on.login(id="credentials", registry=registry, backoff=2.0)(login)


def build_connection(credentials: Credentials) -> kopf.ConnectionInfo:
    """Return the credentials in kopf's form."""
    return kopf.ConnectionInfo(
        server=credentials.server,
        token=credentials.token,
        ca_path=credentials.ca_path,
        certificate_path=credentials.certificate_path,
        private_key_path=credentials.private_key_path,
        insecure=credentials.insecure,
        proxy_url=credentials.proxy,
    )
