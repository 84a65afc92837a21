"""Who serves which host and path: an index of the claims that routes lay, so that two ModelDeployments never share one.

The older object wins. Kept up to date by events, so that a look-up costs nothing per object.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from serinus.engine.store import Key

Claim = tuple[str, str, str]


class ClaimIndex:
    """Claims (gateway, host, match) by ModelDeployment."""

    def __init__(self) -> None:
        self._by_claim: dict[Claim, dict[Key, datetime]] = defaultdict(dict)
        self._by_key: dict[Key, frozenset[Claim]] = {}

    def put(self, key: Key, claims: Iterable[Claim], created: datetime) -> set[Key]:
        """Note what `key` claims now; return the others that are concerned, because they share or shared a claim."""
        new = frozenset(claims)
        concerned = self.drop(key) if self._by_key.get(key) != new else set()
        self._by_key[key] = new
        for claim in new:
            self._by_claim[claim][key] = created
            concerned |= set(self._by_claim[claim]) - {key}
        return concerned

    def drop(self, key: Key) -> set[Key]:
        """Forget `key`; return those that shared a claim with it."""
        concerned: set[Key] = set()
        for claim in self._by_key.pop(key, frozenset()):
            holders = self._by_claim[claim]
            holders.pop(key, None)
            concerned |= set(holders)
            if not holders:
                del self._by_claim[claim]
        return concerned

    def find_conflict(self, key: Key) -> tuple[Key, Claim] | None:
        """The older ModelDeployment that holds one of our claims, and which claim; names decide between equals."""
        for claim in sorted(self._by_key.get(key, frozenset())):
            holders = self._by_claim[claim]
            first = min(holders, key=lambda holder: (holders[holder], holder))
            if first != key:
                return first, claim
        return None
