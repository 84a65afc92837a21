"""MLflow's REST API: who asks, and what its answers mean."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serinus.api.redact import quote_server
from serinus.net.outcome import Away, Refused
from serinus.net.transport import Reply, Transport
from serinus.registries.outcome import NotFound


@dataclass(frozen=True)
class MLflow:
    """`address`: base address of the server. `credentials`: file with `USER:PASSWORD` or with a token; it is read each
    time, so that a new one counts at once."""

    transport: Transport
    address: str
    credentials: Path | None = None


@dataclass(frozen=True)
class Invalid(Refused):
    """MLflow calls a parameter invalid."""


def read_credentials(file: Path | None) -> dict[str, str] | Refused:
    """The headers that say who asks; no part of the file is ever in a message."""
    if file is None:
        return {}
    try:
        text = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        return Refused(f"SERINUS_MLFLOW_CREDENTIALS: {file} cannot be read: {type(error).__name__}", access=True)
    if not text or not text.isprintable():
        return Refused(f"SERINUS_MLFLOW_CREDENTIALS: {file} holds no line with USER:PASSWORD or a token", access=True)
    kind, value = ("Basic", base64.b64encode(text.encode()).decode()) if ":" in text else ("Bearer", text)
    return {"Authorization": f"{kind} {value}"}


def expected(said: NotFound | Away | Refused) -> NotFound | Away | Refused:
    """Without telling what only this room needs to know."""
    return Refused(said.message) if isinstance(said, Invalid) else said


async def ask(
    mlflow: MLflow, method: str, path: str, body: object = None
) -> dict[str, Any] | NotFound | Away | Refused:
    """The parsed answer to a call of MLflow's REST API; never raises for what the server does."""
    headers = read_credentials(mlflow.credentials)
    if isinstance(headers, Refused):
        return headers
    url = f"{mlflow.address.rstrip('/')}/api/2.0/mlflow/{path}"
    reply = await mlflow.transport.send(method, url, headers, body)
    if isinstance(reply, Away):
        return reply
    parsed = reply.parsed()
    if reply.status == 200:
        return parsed if isinstance(parsed, dict) else Away("MLflow answers with something other than JSON")
    return _explain(reply, parsed if isinstance(parsed, dict) else {}, list_secrets(headers))


def list_secrets(headers: Mapping[str, str]) -> list[str]:
    """What of the headers must never be shown, in each form that a server may repeat it in."""
    kind, _, value = headers.get("Authorization", "").partition(" ")
    if kind != "Basic":
        return [value] if value else []
    whole = base64.b64decode(value).decode()
    return [one for one in (value, whole, whole.partition(":")[2]) if one]


def _explain(reply: Reply, parsed: Mapping[str, Any], secrets: list[str]) -> NotFound | Away | Refused:
    code, text = parsed.get("error_code"), quote_server(str(parsed.get("message", "")), *secrets)
    if code == "RESOURCE_DOES_NOT_EXIST":
        return NotFound(f"MLflow: {text}")
    if code == "INVALID_PARAMETER_VALUE":
        return Invalid(f"MLflow: {text}")
    if reply.status in (401, 403):
        return Refused(
            f"MLflow: HTTP {reply.status}; SERINUS_MLFLOW_CREDENTIALS must name somebody who may do this", access=True
        )
    if 400 <= reply.status < 500 and reply.status not in (408, 429):
        return Refused(f"MLflow: HTTP {reply.status} {text}".rstrip())
    return Away(f"MLflow: HTTP {reply.status}")
