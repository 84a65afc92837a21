"""What can go wrong with a call: as many kinds as callers tell apart, made from the answer in one place."""

# ruff: noqa: N818  (the names say what the API server answered)

import re
from collections.abc import Mapping
from typing import Any, Final


class KubeError(Exception):
    """A call that did not do what was asked.

    `status` is the HTTP status, 0 where there was no answer; `reason` the API server's one word, such as AlreadyExists;
    `causes` its details, each a dict with `reason`, `message`, `field`; `retry_after` the seconds it asked us to wait.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        causes: tuple[Mapping[str, Any], ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.causes = causes
        self.retry_after = retry_after

    def has_cause(self, reason: str) -> bool:
        """Say whether one of the causes has this reason, for example NamespaceTerminating."""
        return any(cause.get("reason") == reason for cause in self.causes)


class NotFound(KubeError):
    """The object, or its whole kind, does not exist."""


class Conflict(KubeError):
    """The object is not as we believed: other resourceVersion, other uid, or a field that somebody else manages."""


class AlreadyExists(KubeError):
    """An object of that name exists."""


class Expired(KubeError):
    """The version or continuation asked for is too old; list anew."""


class Forbidden(KubeError):
    """We may not do this, or not as whom we present ourselves."""


class Denied(Forbidden):
    """A right is missing: no role of the operator has it. Somebody who may give roles has to act."""

    def explain(self) -> str:
        """Say which verb on which resource where, as whoever gives the right has to write it."""
        found = _DENIED.search(self.message)
        if found is None:
            return f"the API server refuses it: {self.message}"
        verb, resource, group, namespace = found["verb"], found["resource"], found["group"], found["namespace"]
        plural, _, subresource = resource.partition("/")
        place = f"{plural}.{group}" if group else plural
        where = f" in namespace {namespace}" if namespace else ""
        return f"the operator may not {verb} {place}{'/' if subresource else ''}{subresource}{where}"


class DeniedByPolicy(Denied):
    """A ValidatingAdmissionPolicy says no, whatever the roles are. Who may change it, or the namespace, has to act."""


class Invalid(KubeError):
    """The API server refuses the content; the causes name the fields."""


class Throttled(KubeError):
    """The API server asks us to come back later; `retry_after` says when, if it said so."""


class Unavailable(KubeError):
    """The API server cannot be reached or cannot answer now. Whether a write happened is not known."""


class TimedOut(KubeError):
    """No answer in time. Whether a write happened is not known."""


class NotLeading(KubeError):
    """We held back a write because another replica may lead by now."""


_DENIED: Final = re.compile(
    r'cannot (?P<verb>[a-z]+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'( in the namespace "(?P<namespace>[^"]+)")?'
)
"""How the API server says that nobody has given a right, as opposed to an admission that says no."""


_BY_STATUS: dict[int, type[KubeError]] = {
    400: Invalid,
    401: Forbidden,
    403: Forbidden,
    404: NotFound,
    405: Invalid,
    406: Invalid,
    408: TimedOut,
    409: Conflict,
    410: Expired,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    429: Throttled,
    504: TimedOut,
}


def build_error(status: int, body: Any, text: str, retry_after: str | None) -> KubeError:
    """Map an answer that is no success: HTTP status, parsed body (None if it is no JSON), its text, Retry-After."""
    answer = body if isinstance(body, dict) and body.get("kind") == "Status" else {}
    details = answer.get("details") or {}
    reason = str(answer.get("reason") or "")
    # What is no Status comes from something in between, and may hold anything: it is not shown.
    message = str(answer.get("message") or f"HTTP {status}")
    kind = AlreadyExists if reason == "AlreadyExists" else _BY_STATUS.get(status, Unavailable)
    if status == 403 and _DENIED.search(message):
        kind = Denied
    elif status == 403 and "ValidatingAdmissionPolicy '" in message:
        kind = DeniedByPolicy
    if status == 500 and "failed to convert new object" in message:
        # A server-side apply of a value of the wrong form (a quantity, say) is answered like a fault of the server.
        kind = Invalid
    return kind(
        message,
        status=status,
        reason=reason,
        causes=tuple(cause for cause in details.get("causes") or () if isinstance(cause, dict)),
        retry_after=_seconds(retry_after, details.get("retryAfterSeconds")),
    )


def _seconds(header: str | None, detail: Any) -> float | None:
    """Read Retry-After. The API server sends seconds; the date that a proxy may send is not worth a parser."""
    for value in (header, detail):
        try:
            if value is not None:
                return max(0.0, float(value))
        except (TypeError, ValueError):
            continue
    return None
