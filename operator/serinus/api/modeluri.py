"""Where a model lies, as people write it: a grammar that lets through what it knows and nothing else.

    oci://HOST/REPOSITORY[:TAG][@sha256:HEX]     models:/NAME@ALIAS, models:/NAME/VERSION (MLflow)
    hf://ORG/NAME[@REVISION]                     s3://BUCKET/KEY[?versionId=ID]
    https://HOST/PATH[#sha256=HEX]               gs://BUCKET/OBJECT[#GENERATION]
    pvc://CLAIM/PATH

A reference that names its content by digest, commit or version id is pinned by itself; the others must be asked for."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from serinus.api.redact import redact

Scheme = Literal["oci", "models", "hf", "s3", "gs", "https", "pvc"]

LONGEST: Final = 1024


@dataclass(frozen=True)
class Reference:
    """A reference in its parts. `place` is host, bucket, claim or organisation; `version` a tag, alias, revision or
    version; `digest` what pins it by itself, None where nothing does."""

    uri: str
    scheme: Scheme
    place: str
    path: str
    version: str | None = None
    digest: str | None = None
    is_alias: bool = False


@dataclass(frozen=True)
class Malformed:
    """Why a text is no reference, as the end of a sentence that begins with the field."""

    message: str


_HOST = r"(?:[a-zA-Z0-9](?:[-a-zA-Z0-9.]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?"
_PART = r"[A-Za-z0-9][-A-Za-z0-9_.]*"
_PATH = r"[-A-Za-z0-9_.~+=,@:()!' /]+"
_SHA = r"sha256:[0-9a-f]{64}"
_GRAMMAR: Final[dict[Scheme, tuple[str, str]]] = {
    "oci": (
        rf"(?P<place>{_HOST})/(?P<path>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(?::(?P<version>[\w][\w.-]{{0,127}}))?"
        rf"(?:@(?P<digest>{_SHA}))?",
        "oci://HOST/REPOSITORY:TAG or oci://HOST/REPOSITORY@sha256:DIGEST",
    ),
    "models": (
        rf"(?P<path>[^/@:#?%\s]{{1,250}})(?:@(?P<alias>{_PART})|/(?P<version>[0-9]{{1,9}}))",
        "models:/NAME@ALIAS or models:/NAME/VERSION",
    ),
    "hf": (rf"(?P<place>{_PART})/(?P<path>{_PART})(?:@(?P<version>[\w][\w./-]{{0,127}}))?", "hf://ORG/NAME@REVISION"),
    "s3": (
        rf"(?P<place>[a-z0-9][-a-z0-9.]{{1,61}}[a-z0-9])/(?P<path>{_PATH})(?:\?versionId=(?P<digest>[\w.-]{{1,1024}}))?",
        "s3://BUCKET/KEY, with ?versionId=ID to pin it",
    ),
    "gs": (
        rf"(?P<place>[a-z0-9][-_a-z0-9.]{{1,220}}[a-z0-9])/(?P<path>{_PATH})(?:#(?P<digest>[0-9]{{1,20}}))?",
        "gs://BUCKET/OBJECT, with #GENERATION to pin it",
    ),
    "https": (
        rf"(?P<place>{_HOST})/(?P<path>[-A-Za-z0-9_.~+=,:()!'%/]+)(?:#sha256=(?P<digest>[0-9a-f]{{64}}))?",
        "https://HOST/PATH, with #sha256=DIGEST to pin it",
    ),
    "pvc": (rf"(?P<place>[a-z0-9](?:[-a-z0-9.]{{0,251}}[a-z0-9])?)(?:/(?P<path>{_PATH}))?", "pvc://CLAIM/PATH"),
}
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


def parse_reference(uri: str) -> Reference | Malformed:
    """Read a reference; never raises, whatever the text is."""
    # Before it is cut: what is left of a credential would not be known for one.
    shown = f"{redact(uri)[:80]!r}"
    if len(uri) > LONGEST:
        return Malformed(f"{shown}… has {len(uri):,} characters and may have {LONGEST:,}")
    scheme, _, rest = uri.partition(":/" if uri.startswith("models:/") else "://")
    if scheme not in _GRAMMAR:
        known = ", ".join(f"{name}:/" if name == "models" else f"{name}://" for name in _GRAMMAR)
        return Malformed(f"{shown} must begin with one of {known}")
    pattern, form = _GRAMMAR[scheme]
    found = re.fullmatch(pattern, rest, re.ASCII)
    if found is None or ".." in rest.split("/"):
        return Malformed(f"{shown} must have the form {form}")
    parts = found.groupdict()
    version = parts.get("alias") or parts.get("version")
    digest = parts.get("digest")
    if scheme == "hf" and version is not None and _COMMIT.fullmatch(version):
        digest = version
    place, path = parts.get("place") or "", (parts.get("path") or "").strip("/")
    return Reference(uri, scheme, place, path, version, digest, is_alias=bool(parts.get("alias")))
