"""How the API server is reached: from inside the cluster by service account, from outside by kubeconfig.

The only place that reads credentials. They go into the client's configuration, which renews the service account's token
by itself, and, through `fetch_credentials`, to whoever else has to connect. They are never logged.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from serinus import __version__

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a connection needs. Paths name files that the client keeps on disk."""

    server: str
    token: str | None = field(default=None, repr=False)
    ca_path: str | None = None
    certificate_path: str | None = None
    private_key_path: str | None = None
    insecure: bool = False
    proxy: str | None = None


async def load_configuration(kubeconfig: str | None = None, context: str | None = None) -> Configuration:
    """Return how to connect: by `kubeconfig` or `context` if given, else as the pod we are in, else by the usual file.

    Raises ConnectionError where none of these leads anywhere.
    """
    configuration = Configuration()
    inside = not kubeconfig and not context and "KUBERNETES_SERVICE_HOST" in os.environ
    try:
        if inside:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            await config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=kubeconfig, context=context, client_configuration=configuration, persist_config=False
            )
    except (config.ConfigException, OSError) as error:
        raise ConnectionError(f"no way to the API server: {error}") from error
    # The gateway decides what is tried again.
    configuration.retries = None
    return configuration


def build_api_client(configuration: Configuration) -> ApiClient:
    """Return a client that names itself. It has to be closed."""
    client = ApiClient(configuration)
    client.user_agent = f"serinus/{__version__}"
    return client


async def fetch_credentials(configuration: Configuration) -> Credentials:
    """Return the credentials as they are now; a token that rotates is read again."""
    settings = await configuration.auth_settings()
    bearer = str(settings.get("BearerToken", {}).get("value") or "")
    return Credentials(
        server=str(configuration.host),
        token=bearer.split(" ", 1)[1].strip() if " " in bearer else bearer or None,
        ca_path=configuration.ssl_ca_cert,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        insecure=not configuration.verify_ssl,
        proxy=configuration.proxy,
    )
