"""Which version is stable: asked of the Kubernetes API with the pod's service account, or said on the command line."""

import asyncio
import os
import ssl
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp

from .errors import MonitorError, StableUnknownError
from .monitor import Stable
from .settings import Settings, clean_name

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_GROUP: Final = "apis/serinus.dev/v1alpha1"
_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)


class Source(Protocol):
    async def read(self) -> Stable:
        """StableUnknownError where it cannot be told now."""


class Fixed:
    """One version for ever."""

    def __init__(self, version: str, reference: str) -> None:
        self._stable = Stable(version, reference)

    async def read(self) -> Stable:
        return self._stable


class Cluster:
    """`status.stable` of the ModelDeployment; the digest of its model is in the ModelRevision of that name, which never
    changes and is asked once."""

    def __init__(
        self, session: aiohttp.ClientSession, base: str, account: Path, settings: Settings, ca: ssl.SSLContext | None
    ) -> None:
        self._session = session
        self._base = f"{base}/{_GROUP}/namespaces/{settings.namespace}"
        self._account = account
        self._model = settings.model
        self._ssl: ssl.SSLContext | bool = ca or True
        self._references: tuple[str, str] = ("", "")

    async def read(self) -> Stable:
        deployment = await self._get("modeldeployments", self._model)
        stable = _find(deployment, "status", "stable") or {}
        if not (revision := stable.get("revision")):
            raise StableUnknownError(f"ModelDeployment {self._model} has no stable revision yet")
        try:
            since = datetime.fromisoformat(stable["since"]).timestamp() if stable.get("since") else 0.0
        except ValueError as error:
            raise StableUnknownError(f"ModelDeployment {self._model}: status.stable.since: {error}") from error
        return Stable(revision, await self._find_reference(revision), since)

    async def _find_reference(self, revision: str) -> str:
        """The digest of the model; where the image holds it and there is none, the name of the revision."""
        if self._references[0] != revision:
            model = _find(await self._get("modelrevisions", revision), "spec", "content", "model") or {}
            self._references = (revision, str(model.get("digest") or revision))
        return self._references[1]

    async def _get(self, plural: str, name: str) -> Any:
        url = f"{self._base}/{plural}/{name}"
        try:
            # Read each time: the kubelet renews it.
            token = await asyncio.to_thread((self._account / "token").read_text)
            headers = {"Authorization": f"Bearer {token.strip()}"}
            async with self._session.get(
                url, headers=headers, ssl=self._ssl, timeout=_TIMEOUT, allow_redirects=False
            ) as answer:
                if answer.status != 200:
                    said = (await answer.text())[:200]
                    raise StableUnknownError(f"GET {url} is answered with HTTP {answer.status}: {said}")
                return await answer.json(content_type=None)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise StableUnknownError(f"GET {url}: {error or type(error).__name__}") from error


def build_source(settings: Settings, session: aiohttp.ClientSession) -> Source:
    """MonitorError where neither a version is given nor a cluster around."""
    if settings.version is not None:
        return Fixed(settings.version, settings.reference or settings.version)
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise MonitorError("--version must say which version serves: this is no pod of a Kubernetes cluster")
    address = f"[{host}]" if ":" in host else host
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    return Cluster(session, f"https://{address}:{port}", ACCOUNT, settings, context)


def check_reference(stable: Stable) -> str:
    """The name of the reference as it stands in files; StableUnknownError where it is none."""
    try:
        return clean_name(stable.reference)
    except MonitorError as error:
        raise StableUnknownError(str(error)) from error


def _find(document: Any, *path: str) -> Any:
    for key in path:
        document = document.get(key) if isinstance(document, dict) else None
    return document
