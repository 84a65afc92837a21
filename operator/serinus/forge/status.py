"""What an HTTP status means, of git and of a forge alike."""

from collections.abc import Mapping

from serinus.forge.outcome import Away, Refused


def explain_status(host: str, status: int, headers: Mapping[str, str]) -> Away | Refused | None:
    """What an HTTP status other than a good one means."""
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return Refused(
            f"{host} redirects (HTTP {status}), which is not followed: the Secret must hold the final address"
        )
    if status == 401:
        return Refused(f"{host} does not accept the token (HTTP 401)", access=True)
    limited = status == 403 and (headers.get("X-RateLimit-Remaining") == "0" or "Retry-After" in headers)
    if limited or status in (408, 425, 429) or status >= 500:
        return Away(f"{host} does not serve us now (HTTP {status})")
    if status == 403:
        return Refused(f"the token may not do this at {host} (HTTP 403)", access=True)
    if status == 404:
        return Refused(f"{host} knows no such repository, or the token may not see it (HTTP 404)", access=True)
    return Refused(f"{host} refuses (HTTP {status})")
