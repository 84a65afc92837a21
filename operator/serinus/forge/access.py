"""How a repository is reached: a Secret of the policy's namespace that says so by its label.

The address stands in the Secret beside the token, so that a token is bound to its host: whoever may write a policy but
not the Secret cannot send the token elsewhere.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

from serinus.forge.outcome import Refused
from serinus.net.hosts import check_address

LABEL: Final = "serinus.dev/credentials"
LABEL_VALUE: Final = "git"
SETTING: Final = "SERINUS_GIT_HOSTS"

USERNAME: Final = "x-access-token"
"""Where the Secret names none: what GitHub wants beside the token of an app; with other tokens it may be anything."""

_KEYS: Final = ("url", "username", "token", "api", "ca.crt")
_LARGEST: Final = 64 * 1024


@dataclass(frozen=True)
class GitAccess:
    """`url`: the repository. `api`: base address of the forge's REST API; None where only git is spoken.
    `authorities`: certificates (PEM) to trust in place of the system's."""

    url: str
    username: str
    token: str = field(repr=False)
    api: str | None = None
    authorities: str | None = field(default=None, repr=False)

    @property
    def path(self) -> str:
        """OWNER/NAME, or what else the server calls the repository."""
        return urlsplit(self.url).path.strip("/").removesuffix(".git")


def read_git_secret(secret: Mapping[str, Any], hosts: Mapping[str, str]) -> GitAccess | Refused:
    """The access that a raw Secret gives: keys `url`, `token`, and where wanted `username`, `api`, `ca.crt`.

    `hosts`: those that may be asked, with their scheme. No value but a host is ever part of a message.
    """
    found = _read(secret, hosts)
    return replace(found, access=True) if isinstance(found, Refused) else found


def _read(secret: Mapping[str, Any], hosts: Mapping[str, str]) -> GitAccess | Refused:
    metadata = secret.get("metadata") or {}
    place = f"Secret {metadata.get('namespace', '')}/{metadata.get('name', '')}"
    if (metadata.get("labels") or {}).get(LABEL) != LABEL_VALUE:
        return Refused(f"{place} has no label {LABEL}: {LABEL_VALUE}, and so is not meant for this")
    values: dict[str, str] = {}
    for key in _KEYS:
        encoded = (secret.get("data") or {}).get(key)
        if encoded:
            try:
                values[key] = base64.b64decode(encoded).decode().strip()
            except (binascii.Error, UnicodeDecodeError):
                return Refused(f"{place}: key {key} is no text")
    for key in ("url", "token"):
        if not values.get(key):
            return Refused(f"{place} has no key {key}, or nothing in it")
    for key, value in values.items():
        single = key == "ca.crt" or re.fullmatch(r"[\x21-\x7e]+", value)
        if not single or len(value) > _LARGEST:
            return Refused(f"{place}: key {key} is not one line of printable characters without spaces")
    if ":" in values.get("username", ""):
        return Refused(f"{place}: key username holds a colon")
    for key in ("url", "api"):
        why = check_address(values[key], hosts, SETTING) if values.get(key) else None
        if why is not None:
            return Refused(f"{place}: key {key}: {why.message}")
    if not urlsplit(values["url"]).path.strip("/") or urlsplit(values["url"]).query:
        return Refused(f"{place}: key url names no repository; right would be https://HOST/OWNER/NAME.git")
    return GitAccess(
        values["url"].rstrip("/"),
        values.get("username") or USERNAME,
        values["token"],
        values["api"].rstrip("/") if values.get("api") else None,
        values.get("ca.crt") or None,
    )
