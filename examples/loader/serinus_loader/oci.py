"""oci://HOST/REPOSITORY@sha256:DIGEST over the registry's API: images, ORAS artifacts, models as the CNCF packs them.

Everything is hashed: the manifest against the digest that was asked for, each layer against the manifest."""

import hashlib
import json
import platform
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import requests

from .errors import AwayError, ConfigError, MissingError
from .files import CHUNK, TIMEOUT, expect, place, unpack, write

MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
TITLES: Final = ("org.opencontainers.image.title", "org.cncf.model.filepath")
UNPACKED: Final = "io.deis.oras.content.unpack"
MACHINES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


class Registry:
    """One repository of a registry. SERINUS_PLAIN_HTTP, ORAS_USER and ORAS_PASS are read from the environment."""

    def __init__(self, name: str, env: Mapping[str, str]) -> None:
        from oras.provider import Registry as Provider

        plain = env.get("SERINUS_PLAIN_HTTP") == "true"
        self._provider = Provider(insecure=plain)
        session = self._provider.session
        session.request = partial(session.request, timeout=TIMEOUT)
        if env.get("ORAS_USER"):
            self._provider.auth.set_basic_auth(env["ORAS_USER"], env.get("ORAS_PASS", ""))
        self._container = self._provider.get_container(name)

    def fetch_manifest(self, digest: str) -> Any:
        """The manifest of that digest."""
        url = f"{self._provider.prefix}://{self._container.manifest_url(digest)}"
        answer = self._check(self._ask(url, {"Accept": ", ".join(MANIFESTS)}), digest)
        expect(f"the manifest of {self._container}", _sha256(answer.content), digest)
        return json.loads(answer.content)

    def fetch_blob(self, digest: str, path: Path) -> None:
        """Write the blob of that digest to a file."""
        url = f"{self._provider.prefix}://{self._container.get_blob_url(digest)}"
        answer = self._check(self._ask(url, {}, stream=True), digest)
        expect(f"a layer of {self._container}", f"sha256:{write(path, answer.iter_content(CHUNK))}", digest)

    def _ask(self, url: str, headers: dict[str, str], *, stream: bool = False) -> requests.Response:
        try:
            # Without its own retries, which take a minute: Kubernetes tries again, and says so.
            once: Any = type(self._provider).do_request.__wrapped__
            answer: requests.Response = once(self._provider, url, "GET", headers=headers, stream=stream)
        except (requests.ConnectionError, requests.Timeout, ValueError) as error:
            raise AwayError(f"{url}: {error}") from error
        return answer

    def _check(self, answer: requests.Response, digest: str) -> requests.Response:
        if answer.status_code == 404:
            raise MissingError(f"there is no {digest} in {self._container}")
        if answer.status_code != 200:
            raise AwayError(f"{answer.url}: HTTP {answer.status_code}")
        return answer


def load_oci(uri: str, target: Path, scratch: Path, env: Mapping[str, str]) -> None:
    """Load an artifact that is named by digest."""
    name, _, digest = uri.removeprefix("oci://").partition("@")
    if not digest.startswith("sha256:"):
        raise ConfigError(f"{uri} is not by digest")
    registry = Registry(f"{name}@{digest}", env)
    manifest = registry.fetch_manifest(digest)
    if "manifests" in manifest:
        manifest = registry.fetch_manifest(_choose(manifest["manifests"], uri))
    for layer in manifest.get("layers") or ():
        blob = scratch / "blob"
        registry.fetch_blob(str(layer["digest"]), blob)
        _put(layer, blob, target)


def _choose(manifests: list[dict[str, Any]], uri: str) -> str:
    """The manifest for this machine, or the only one."""
    machine = MACHINES.get(platform.machine(), platform.machine())
    fitting = [one for one in manifests if (one.get("platform") or {}).get("architecture") == machine]
    chosen = fitting or (manifests if len(manifests) == 1 else [])
    if not chosen:
        raise MissingError(f"{uri} has nothing for {machine}")
    return str(chosen[0]["digest"])


def _put(layer: Mapping[str, Any], blob: Path, target: Path) -> None:
    kind, annotations = str(layer.get("mediaType") or ""), layer.get("annotations") or {}
    title = next((annotations[key] for key in TITLES if annotations.get(key)), None)
    if "zstd" in kind:
        raise ConfigError(f"layers of type {kind} are not understood: pack the model with gzip, or not at all")
    packed = kind.endswith((".tar", ".tar+gzip", ".tar.gzip")) and (title is None or "cncf" in kind)
    if packed or annotations.get(UNPACKED) == "true":
        unpack(blob, target, title or f"{layer['digest']}.tar")
    else:
        blob.replace(place(target, title or str(layer["digest"]).partition(":")[2]))


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
