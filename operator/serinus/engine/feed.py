"""Where events enter: the store learns of them first, then whoever must act is told.

The same door serves watch events and the periodic list, so that both lead to the same work. Told is only what changed
the store; an echo of our own write, or a list that brings nothing new, wakes nobody.
"""

from collections.abc import Callable, Sequence

from serinus.engine.store import Raw, Refusal, Store

Notify = Callable[[str, Raw], None]
"""Called with kind and object (a deleted one as last seen); queues the keys concerned. Must not wait."""

NotifyKind = Callable[[str], None]
"""Called with a kind that the API server knows since now, or no more, or that may be read since now, or no more. Must
not wait."""


def _nobody(kind: str) -> None:
    return None


class Feed:
    """Puts events into a store and passes on those that were news."""

    def __init__(self, store: Store, notify: Notify, notify_kind: NotifyKind = _nobody) -> None:
        self.store = store
        self._notify = notify
        self._notify_kind = notify_kind

    def on_event(self, kind: str, event_type: str | None, obj: Raw) -> None:
        """Take a watch event: type ADDED, MODIFIED, DELETED, or None for an object that was listed."""
        news = self.store.pop(kind, obj) if event_type == "DELETED" else self.store.put(kind, obj)
        if news:
            self._notify(kind, obj)

    def on_refused(self, kind: str, verb: str, refused: tuple[Refusal, ...]) -> None:
        """Take that a kind may not be read, or (with none) that it may."""
        if self.store.note_refused(kind, verb, refused):
            self._notify_kind(kind)

    def on_outdated(self, kind: str, why: str) -> None:
        """Take that the API server does not keep all of a kind, or (empty) that it does."""
        if self.store.note_outdated(kind, why):
            self._notify_kind(kind)

    def on_list(
        self, kind: str, objects: list[Raw], resource_version: str, *, served: bool = True, unread: Sequence[str] = ()
    ) -> int:
        """Take an authoritative list, of all namespaces but those `unread`; return how many objects it corrected."""
        if self.store.note_served(kind, served):
            self._notify_kind(kind)
        sweep = self.store.replace_all(kind, objects, resource_version, unread=unread)
        corrected = (*sweep.added, *sweep.changed, *sweep.vanished)
        for obj in corrected:
            self._notify(kind, obj)
        return len(corrected)
