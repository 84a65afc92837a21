"""Who serves which host and path: an index of the claims that routes lay, so that two ModelDeployments never share one.

The older object wins. Kept up to date by events, so that a look-up costs nothing per object.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from serinus.engine.store import Key

Claim = tuple[str, str, str, str]
"""Gateway, host, match, and the gateway's listener; an empty listener means all of them."""

Place = tuple[str, str, str]


class ClaimIndex:
    """Claims by ModelDeployment."""

    def __init__(self) -> None:
        self._holders: dict[Place, dict[Key, datetime]] = defaultdict(dict)
        self._by_key: dict[Key, frozenset[Claim]] = {}

    def put(self, key: Key, claims: Iterable[Claim], created: datetime) -> set[Key]:
        """Note what `key` claims now; return the others that are concerned, because they share or shared a place
        (gateway, host, match)."""
        new = frozenset(claims)
        concerned = self.drop(key) if self._by_key.get(key) != new else set()
        self._by_key[key] = new
        for place in _places(new):
            self._holders[place][key] = created
            concerned |= set(self._holders[place]) - {key}
        return concerned

    def drop(self, key: Key) -> set[Key]:
        """Forget `key`; return those that shared a place with it."""
        concerned: set[Key] = set()
        for place in _places(self._by_key.pop(key, frozenset())):
            holders = self._holders[place]
            holders.pop(key, None)
            concerned |= set(holders)
            if not holders:
                del self._holders[place]
        return concerned

    def find_conflict(self, key: Key) -> tuple[Key, Claim] | None:
        """The older ModelDeployment that holds one of our claims, and which claim; names decide between equals."""
        for claim in sorted(self._by_key.get(key, frozenset())):
            created = self._holders[claim[:3]]
            first = min(self._rivals(claim), key=lambda holder: (created[holder], holder))
            if first != key:
                return first, claim
        return None

    def _rivals(self, claim: Claim) -> list[Key]:
        """All who hold this place on the same listener, or on every listener."""
        *_, listener = claim
        return [
            holder
            for holder in self._holders[claim[:3]]
            if any(
                other[:3] == claim[:3] and (listener in ("", other[3]) or other[3] == "")
                for other in self._by_key[holder]
            )
        ]


def _places(claims: Iterable[Claim]) -> set[Place]:
    return {claim[:3] for claim in claims}
