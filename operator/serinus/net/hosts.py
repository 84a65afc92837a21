"""Which hosts may be asked, as the admin writes them."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from serinus.net.outcome import Refused


def read_hosts(entries: tuple[str, ...]) -> dict[str, str]:
    """Hosts with the scheme to ask them by: `registry.example:5000`, or `http://registry.example` for one without
    TLS."""
    found = {}
    for entry in entries:
        scheme, separator, host = entry.partition("://")
        found[(host if separator else entry).rstrip("/")] = scheme if separator else "https"
    return found


def check_address(address: str, hosts: Mapping[str, str], setting: str) -> Refused | None:
    """Why `address` must not be asked; `setting` is the variable that lists `hosts`."""
    try:
        parts = urlsplit(address)
        if parts.username is not None or parts.password is not None:
            return Refused("an address must not hold credentials; they have keys of their own")
        scheme, host = parts.scheme, parts.netloc.lower()
    except ValueError:
        return Refused("the address cannot be read; right would be https://HOST/PATH")
    if scheme not in ("http", "https") or not host:
        return Refused(f"the address begins with {address[:20]!r}; right would be https://HOST/PATH")
    allowed = {name.lower(): by for name, by in hosts.items()}
    if host not in allowed:
        return Refused(f"host {host} is not among those that may be asked ({setting})", access=True)
    if allowed[host] != scheme:
        return Refused(f"host {host} may be asked by {allowed[host]} only ({setting})", access=True)
    return None
