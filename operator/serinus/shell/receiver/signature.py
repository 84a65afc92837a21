"""Who has sent an event: HMAC-SHA256 by a key that only the senders of a policy, or of a namespace, know.

    MLflow         X-MLflow-Signature: v1,BASE64     of  DELIVERY.TIMESTAMP.BODY
    CloudEvents    X-Serinus-Signature: v1,BASE64    of  TIMESTAMP.BODY                                 structured
                                                     of  TIMESTAMP.ID\\nSOURCE\\nTYPE\\nSUBJECT\\nBODY      binary

In binary mode what matters stands in headers; were they not signed, whoever has seen one request could make another.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

WINDOW: Final = 300
"""Seconds by which a sender's clock may differ from ours, either way."""

MLFLOW: Final = "x-mlflow-"
SERINUS: Final = "x-serinus-"
SIGNED_ATTRIBUTES: Final = ("id", "source", "type", "subject")


@dataclass(frozen=True)
class Unsigned:
    """Why a request is not believed."""

    why: str


@dataclass(frozen=True)
class Signed:
    """A request whose signature and time are right. `delivery`: MLflow's name for it, empty for others."""

    timestamp: int
    delivery: str = ""


def is_structured(headers: Mapping[str, str]) -> bool:
    """Whether all of a CloudEvent stands in the body."""
    return headers.get("content-type", "").lower().startswith("application/cloudevents")


def choose_keys(keys: Mapping[str, str], namespace: str, policy: str) -> list[bytes]:
    """The keys that may have signed for a policy: those under NAMESPACE.POLICY, or else under NAMESPACE; one a line, so
    that a new one can be given out before the old one is taken back."""
    found = keys.get(f"{namespace}.{policy}") or keys.get(namespace) or ""
    return [line.strip().encode() for line in found.splitlines() if line.strip()]


def verify(headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], now: float) -> Signed | Unsigned:
    """Look at the signature of a request; names of `headers` are in lower case, `now` is in seconds since 1970."""
    prefix = MLFLOW if f"{MLFLOW}signature" in headers else SERINUS
    said = headers.get(f"{prefix}signature")
    timestamp = headers.get(f"{prefix}timestamp", "")
    delivery = headers.get(f"{MLFLOW}delivery-id", "") if prefix == MLFLOW else ""
    if said is None:
        return Unsigned("there is no header X-MLflow-Signature or X-Serinus-Signature")
    if not re.fullmatch(r"\d{1,12}", timestamp, re.ASCII):
        return Unsigned(f"header {prefix.title()}Timestamp is not in seconds since 1970")
    if prefix == MLFLOW and not re.fullmatch(r"[\w.:-]{1,128}", delivery, re.ASCII):
        return Unsigned("header X-MLflow-Delivery-Id is missing, or not one")
    content = _signed_content(headers, timestamp, delivery, body)
    # A request without a key takes as long as one with a wrong signature.
    genuine = [_matches(said, key, content) for key in keys or [b""]]
    if not keys or not any(genuine):
        return Unsigned("the signature is wrong, or the policy has no key")
    if abs(now - int(timestamp)) > WINDOW:
        return Unsigned(f"the timestamp is more than {WINDOW} s away from our clock")
    return Signed(int(timestamp), delivery)


def sign(key: bytes, content: bytes) -> str:
    """A signature as it stands in the header."""
    return f"v1,{base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()}"


def _signed_content(headers: Mapping[str, str], timestamp: str, delivery: str, body: bytes) -> bytes:
    if delivery:
        return f"{delivery}.{timestamp}.".encode() + body
    if is_structured(headers):
        return f"{timestamp}.".encode() + body
    attributes = "".join(f"{headers.get(f'ce-{name}', '')}\n" for name in SIGNED_ATTRIBUTES)
    return f"{timestamp}.{attributes}".encode() + body


def _matches(said: str, key: bytes, content: bytes) -> bool:
    return hmac.compare_digest(said.encode(errors="replace"), sign(key, content).encode())
