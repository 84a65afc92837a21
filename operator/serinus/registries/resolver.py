"""From a reference to one that means the same for ever, where its registry can say so."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from serinus.api.modeluri import Reference
from serinus.net.transport import Reply, Transport
from serinus.registries.mlflow_api import read_credentials
from serinus.registries.outcome import Away, NotFound, Outcome, Pinned, Refused, Unpinned
from serinus.registries.pins import pin_mlflow

MANIFESTS: Final = ", ".join(
    (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)


@dataclass(frozen=True)
class Registries:
    """Who may be asked. `hosts`: registries of oci references by host, with the scheme to ask them with; the others are
    base addresses."""

    hosts: Mapping[str, str] = field(default_factory=dict)
    mlflow: str | None = None
    mlflow_credentials: Path | None = None
    huggingface: str | None = None


async def resolve(transport: Transport, registries: Registries, reference: Reference) -> Outcome:
    """Ask what `reference` means. Never raises for what a registry does."""
    if reference.scheme == "oci":
        return await _resolve_oci(transport, registries, reference)
    if reference.digest is not None:
        return Pinned(reference.uri, reference.digest)
    if reference.scheme == "models":
        return await _resolve_mlflow(transport, registries, reference)
    if reference.scheme == "hf":
        return await _resolve_huggingface(transport, registries, reference)
    return Unpinned(reference.uri, f"{reference.scheme} references are not resolved: what lies there may change")


async def _resolve_oci(transport: Transport, registries: Registries, reference: Reference) -> Outcome:
    pinned = f"oci://{reference.place}/{reference.path}@"
    if reference.digest is not None:
        return Pinned(f"{pinned}{reference.digest}", reference.digest)
    scheme = registries.hosts.get(reference.place)
    if scheme is None:
        return Refused(f"registry {reference.place} is not among those that may be asked (SERINUS_MODEL_HOSTS)")
    tag = reference.version or "latest"
    url = f"{scheme}://{reference.place}/v2/{reference.path}/manifests/{quote(tag, safe='')}"
    reply = await transport.get(url, {"Accept": MANIFESTS})
    if isinstance(reply, Reply) and reply.status == 401:
        token = await _fetch_token(transport, scheme, reference, reply.headers.get("WWW-Authenticate", ""))
        if token is not None:
            reply = await transport.get(url, {"Accept": MANIFESTS, "Authorization": f"Bearer {token}"})
    found = _expect(reply, f"{reference.place}/{reference.path}:{tag}")
    if not isinstance(found, Reply):
        return found
    digest = f"sha256:{hashlib.sha256(found.body).hexdigest()}"
    said = found.headers.get("Docker-Content-Digest", digest)
    if said.startswith("sha256:") and said != digest:
        return Away(f"{reference.place} says digest {said[:80]} of a manifest that has {digest}")
    return Pinned(f"{pinned}{digest}", digest)


async def _fetch_token(transport: Transport, scheme: str, reference: Reference, challenge: str) -> str | None:
    """The token that a registry gives to everybody, from its own host only."""
    kind, _, rest = challenge.partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
    realm = parts.get("realm", "").strip('"')
    if kind.lower() != "bearer" or not realm.startswith(f"{scheme}://{reference.place}/"):
        return None
    service = parts.get("service", "").strip('"')
    query = urlencode({"service": service, "scope": f"repository:{reference.path}:pull"})
    reply = await transport.get(f"{realm}?{query}")
    body = reply.parsed() if isinstance(reply, Reply) and reply.status == 200 else None
    token = (body.get("token") or body.get("access_token")) if isinstance(body, dict) else None
    return token if isinstance(token, str) and token.isprintable() else None


async def _resolve_mlflow(transport: Transport, registries: Registries, reference: Reference) -> Outcome:
    if registries.mlflow is None:
        return Refused("no MLflow server is configured (SERINUS_MLFLOW_URL)")
    base = f"{registries.mlflow.rstrip('/')}/api/2.0/mlflow"
    asked = {"name": reference.path, ("alias" if reference.is_alias else "version"): reference.version or ""}
    place = "registered-models/alias" if reference.is_alias else "model-versions/get"
    headers = read_credentials(registries.mlflow_credentials)
    if isinstance(headers, Refused):
        return headers
    reply = await transport.get(f"{base}/{place}?{urlencode(asked)}", headers)
    body = reply.parsed() if isinstance(reply, Reply) else None
    code = body.get("error_code") if isinstance(body, dict) else None
    # An unknown alias of a known model is a bad request to MLflow.
    unknown_alias = reference.is_alias and code == "INVALID_PARAMETER_VALUE"
    if code == "RESOURCE_DOES_NOT_EXIST" or unknown_alias:
        return NotFound(f"MLflow knows no {reference.uri}")
    found = _expect(reply, reference.uri)
    if not isinstance(found, Reply):
        return found
    version = body.get("model_version") if isinstance(body, dict) else None
    number = str(version.get("version") or "") if isinstance(version, dict) else ""
    source = str(version.get("source") or "") if isinstance(version, dict) else ""
    pinned = pin_mlflow(reference.path, number, source)
    return pinned or Away(f"MLflow's answer to {reference.uri} names no version and source")


async def _resolve_huggingface(transport: Transport, registries: Registries, reference: Reference) -> Outcome:
    if registries.huggingface is None:
        return Refused("no Hugging Face hub is configured (SERINUS_HUGGINGFACE_URL)")
    name = f"{reference.place}/{reference.path}"
    revision = quote(reference.version or "main", safe="")
    reply = await transport.get(f"{registries.huggingface.rstrip('/')}/api/models/{name}/revision/{revision}")
    found = _expect(reply, reference.uri)
    if not isinstance(found, Reply):
        return found
    body = found.parsed()
    commit = body.get("sha") if isinstance(body, dict) else None
    if not isinstance(commit, str) or len(commit) != 40 or not commit.isalnum():
        return Away(f"the hub's answer to {reference.uri} names no commit")
    return Pinned(f"hf://{name}@{commit}", commit)


def _expect(reply: Reply | Away, what: str) -> Reply | NotFound | Away | Refused:
    """A good answer, or what the status means."""
    if isinstance(reply, Away) or reply.status == 200:
        return reply
    if reply.status == 404:
        return NotFound(f"there is no {what}")
    if reply.status in (401, 403):
        return Refused(f"{what}: HTTP {reply.status}; only what everybody may read can be resolved")
    return Away(f"{what}: HTTP {reply.status}")
