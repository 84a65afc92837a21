"""Values in Secrets of one namespace, the operator's own, read by name.

Only `get` is used, never a list or a watch: the right to it can be given for single names, and whatever else the
namespace keeps is never in our memory. No value is ever part of a message.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from serinus.engine.clock import Clock
from serinus.engine.store import Raw
from serinus.kube.errors import Forbidden, KubeError, NotFound
from serinus.kube.gateway import Kube
from serinus.kube.resources import Resource

SECRETS: Final = Resource("", "v1", "secrets", "Secret")

MAX_AGE: Final = 60.0
"""Seconds after which a value is read again."""
RENEW_AGE: Final = 2.0
"""The same where the value was refused, or could not be read."""


@dataclass(frozen=True, slots=True)
class SecretProblem:
    """Why there is no value; `message` names the Secret and its key."""

    reason: Literal["SecretNotFound", "SecretNotReadable", "InvalidSecret"]
    message: str


@dataclass(frozen=True, slots=True)
class _Read:
    at: float
    result: str | SecretProblem = field(repr=False)
    sure: bool = True


class SecretReader:
    """Reads keys of Secrets in `namespace` and remembers each for a minute."""

    def __init__(self, kube: Kube, namespace: str, clock: Clock) -> None:
        self._kube = kube
        self._namespace = namespace
        self._clock = clock
        self._known: dict[tuple[str, str], _Read] = {}
        self._whole: dict[str, tuple[float, Mapping[str, str] | SecretProblem]] = {}

    async def fetch(self, name: str, key: str, *, renew: bool = False) -> str | SecretProblem:
        """The text under `key` of Secret `name`. With `renew` it is read anew unless that was done just now.

        While the API server cannot answer, the last value goes on being used.
        """
        known = self._known.get((name, key))
        now = self._clock.monotonic()
        if known is not None:
            lasting = known.sure and not renew and isinstance(known.result, str)
            if now - known.at < (MAX_AGE if lasting else RENEW_AGE):
                return known.result
        read = await self._read(name, key)
        if not read.sure and known is not None and isinstance(known.result, str):
            read = _Read(read.at, known.result, sure=False)
        self._known[name, key] = read
        return read.result

    async def fetch_all(self, name: str) -> Mapping[str, str] | SecretProblem:
        """Every key of Secret `name` whose value is text; remembered as single values are."""
        known, now = self._whole.get(name), self._clock.monotonic()
        if known is not None and now - known[0] < (RENEW_AGE if isinstance(known[1], SecretProblem) else MAX_AGE):
            return known[1]
        secret = await self._get(name)
        read: Mapping[str, str] | SecretProblem
        if not isinstance(secret, _Read):
            read = {key: text for key, value in (secret.get("data") or {}).items() if (text := _decode(value))}
        elif known is not None and not secret.sure:
            read = known[1]
        else:
            read = secret.result if isinstance(secret.result, SecretProblem) else {}
        self._whole[name] = (now, read)
        return read

    async def _read(self, name: str, key: str) -> _Read:
        place = f"Secret {self._namespace}/{name}"
        secret = await self._get(name)
        if isinstance(secret, _Read):
            return secret
        encoded = (secret.get("data") or {}).get(key)
        if not encoded:
            return self._note(SecretProblem("SecretNotFound", f"{place} has no key {key}, or nothing in it"))
        text = _decode(encoded)
        if text is None:
            return self._note(SecretProblem("InvalidSecret", f"key {key} of {place} is no text"))
        return self._note(text)

    async def _get(self, name: str) -> Raw | _Read:
        place = f"Secret {self._namespace}/{name}"
        try:
            return await self._kube.get(SECRETS, self._namespace, name)
        except NotFound:
            return self._note(SecretProblem("SecretNotFound", f"there is no {place}"))
        except Forbidden:
            message = f"the operator may not get {place}: a Role has to allow it"
            return self._note(SecretProblem("SecretNotReadable", message))
        except KubeError as error:
            message = f"{place} cannot be read now: {type(error).__name__}"
            return self._note(SecretProblem("SecretNotReadable", message), sure=False)

    def _note(self, result: str | SecretProblem, *, sure: bool = True) -> _Read:
        return _Read(self._clock.monotonic(), result, sure)


def _decode(encoded: str) -> str | None:
    try:
        return base64.b64decode(encoded).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
