"""What the receiver remembers: events it has taken, and how many each policy has had; both bounded."""

from collections import OrderedDict
from typing import Final

EVENTS: Final = 10_000
POLICIES: Final = 1_000


class Seen:
    """Keys of events, each for `seconds`; of more than EVENTS the oldest is forgotten."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: OrderedDict[tuple[str, ...], float] = OrderedDict()

    def add(self, key: tuple[str, ...], now: float) -> bool:
        """Remember a key; False where it was known."""
        while self._until and next(iter(self._until.values())) <= now:
            self._until.popitem(last=False)
        if key in self._until:
            return False
        self._until[key] = now + self._seconds
        if len(self._until) > EVENTS:
            self._until.popitem(last=False)
        return True

    def forget(self, key: tuple[str, ...]) -> None:
        """Let it be new again, for what could not be handed on."""
        self._until.pop(key, None)

    def __len__(self) -> int:
        return len(self._until)


class Rates:
    """Lets each policy have `burst` events at once, and `each_second` after that."""

    def __init__(self, burst: float = 10.0, each_second: float = 0.5) -> None:
        self._burst = burst
        self._each_second = each_second
        self._left: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def take(self, policy: tuple[str, str], now: float) -> bool:
        """Whether there is room for one more."""
        left, since = self._left.pop(policy, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._each_second)
        self._left[policy] = (left - 1, now) if left >= 1 else (left, now)
        if len(self._left) > POLICIES:
            self._left.popitem(last=False)
        return left >= 1
