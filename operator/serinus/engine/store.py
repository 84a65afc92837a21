"""What we last saw of the cluster, by kind, namespace and name.

Fed from three sides that overtake each other: watch events, periodic lists, and the answers to our own writes. The
highest resourceVersion wins, and a deleted object does not come back through a late event. That is what makes the store
safe to decide upon right after a write.

Objects are handed out as they are, without a copy: nobody may change them. The store does no I/O and never waits.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Raw = dict[str, Any]
"""An object as the API server sends it."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Names one object. `namespace` is empty for cluster-scoped kinds."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}" if self.namespace else f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of a kind at one moment, `resource_version` being that moment. `served` is False where the API server
    does not know the kind. With `refused` it says nothing of these namespaces for want of a right; where no other is
    left, `resource_version` is empty."""

    objects: Sequence[Raw]
    resource_version: str
    served: bool = True
    refused: tuple["Refusal", ...] = ()
    outdated: str | None = None
    """Why the API server does not keep all of the kind; empty where it does, None where that is not known."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A right to read that is missing: `namespace` is empty where it is missing everywhere; `message` names verb and
    resource."""

    kind: str
    verb: str
    namespace: str
    message: str


@dataclass(frozen=True, slots=True)
class Sweep:
    """What an authoritative list taught us that events had not. `vanished` holds each object as last seen."""

    added: tuple[Raw, ...] = ()
    changed: tuple[Raw, ...] = ()
    vanished: tuple[Raw, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.vanished)


def _no_owner(obj: Raw) -> str | None:
    return None


def _whole(kind: str, obj: Raw) -> Raw:
    return obj


def _tell_nobody(kind: str, obj: Raw) -> None:
    return None


_NOTHING_OFF: Final[Mapping[str, str]] = {}


class Store:
    """A cache of raw objects. `owner_of` names the owner of an object within its namespace, or None; `slim` says what
    of an object is kept (its metadata always must be). `on_written` is told of our own writes, which no event brings as
    news any more: one controller may wait for what another has written. `switched_off` has the kinds that are not to be
    asked for, each with what would switch it on; `namespaces` the only ones that are looked at, none where all are."""

    def __init__(
        self,
        owner_of: Callable[[Raw], str | None] = _no_owner,
        slim: Callable[[str, Raw], Raw] = _whole,
        on_written: Callable[[str, Raw], None] = _tell_nobody,
        switched_off: Mapping[str, str] = _NOTHING_OFF,
        namespaces: Iterable[str] = (),
    ) -> None:
        self._switched_off = switched_off
        self._namespaces = frozenset(namespaces)
        self._on_written = on_written
        self._owner_of = owner_of
        self._slim = slim
        self._objects: dict[str, dict[Key, Raw]] = defaultdict(dict)
        self._children: dict[tuple[str, str, str], set[Key]] = defaultdict(set)
        self._buried: dict[str, dict[Key, int]] = defaultdict(dict)
        self._listed_at: dict[str, int] = {}
        self._unserved: set[str] = set()
        self._refused: dict[tuple[str, str], tuple[Refusal, ...]] = {}
        self._outdated: dict[str, str] = {}

    def put(self, kind: str, obj: Raw) -> bool:
        """Keep `obj` unless something newer is known of it; say whether the store changed."""
        key = key_of(kind, obj)
        version = version_of(obj)
        held = self._objects[kind].get(key)
        if held is None:
            if version is not None and version <= self._gone_since(key):
                return False
        elif not _is_newer(version, held, obj):
            return False
        self._set(key, obj)
        return True

    def written(self, kind: str, obj: Raw) -> bool:
        """Keep the answer to a write of ours, so that the next decision sees it before the watch delivers it."""
        news = self.put(kind, obj)
        if news:
            self._on_written(kind, obj)
        return news

    def pop(self, kind: str, obj: Raw) -> bool:
        """Forget a deleted object, given as it was last seen; False if a newer one of that name is there, or none."""
        key = key_of(kind, obj)
        version = version_of(obj)
        held = self._objects[kind].get(key)
        if held is not None and version is not None and version < (version_of(held) or 0):
            return False
        if version is not None:
            self._buried[kind][key] = max(version, self._gone_since(key))
        if held is None:
            return False
        self._drop(key)
        return True

    def get(self, kind: str, namespace: str, name: str) -> Raw | None:
        """Return the object, or None where we know of none."""
        return self._objects[kind].get(Key(kind, namespace, name))

    def list(self, kind: str, namespace: str | None = None) -> tuple[Raw, ...]:
        """Return all objects of a kind, of one namespace or (None) of all, in the order of their names."""
        objects = self._objects[kind]
        return tuple(objects[key] for key in sorted(objects) if namespace is None or key.namespace == namespace)

    def by_owner(self, kind: str, namespace: str, owner: str) -> tuple[Raw, ...]:
        """Return the objects of a kind that `owner_of` gave to `owner`, in the order of their names."""
        objects = self._objects[kind]
        return tuple(objects[key] for key in sorted(self._children.get((kind, namespace, owner), ())))

    def is_served(self, kind: str) -> bool:
        """Say whether the API server knew the kind when it was last listed."""
        return kind not in self._unserved

    def switched_off_by(self, kind: str) -> str | None:
        """Return what switches a kind on that this installation does without; None for one that it works with."""
        return self._switched_off.get(kind)

    def is_looked_at(self, namespace: str) -> bool:
        """Say whether anything could be known of a namespace, or (empty) of every one."""
        return not self._namespaces or namespace in self._namespaces

    def note_refused(self, kind: str, verb: str, refused: tuple[Refusal, ...]) -> bool:
        """Note which rights to read a kind are missing, none for a verb that works; say whether that is news."""
        if refused == self._refused.get((kind, verb), ()):
            return False
        if refused:
            self._refused[kind, verb] = refused
        else:
            del self._refused[kind, verb]
        return True

    def refusals(self, namespace: str | None = None) -> tuple[Refusal, ...]:
        """Return the rights to read that are missing, everywhere or in a namespace."""
        found = (one for place in sorted(self._refused) for one in self._refused[place])
        return tuple(one for one in found if namespace is None or one.namespace in ("", namespace))

    def note_outdated(self, kind: str, why: str) -> bool:
        """Note that the API server does not keep all of a kind, or (empty) that it does; say whether that is news."""
        if why == self._outdated.get(kind, ""):
            return False
        if why:
            self._outdated[kind] = why
        else:
            del self._outdated[kind]
        return True

    def outdated(self) -> Mapping[str, str]:
        """Return the kinds that the API server does not keep all of, each with what is said of it."""
        return self._outdated

    def note_served(self, kind: str, served: bool) -> bool:
        """Note whether the API server knows the kind; say whether that is news."""
        if served == self.is_served(kind):
            return False
        (self._unserved.discard if served else self._unserved.add)(kind)
        return True

    def count(self, kind: str) -> int:
        """Return how many objects of a kind are known."""
        return len(self._objects[kind])

    def replace_all(
        self, kind: str, objs: Iterable[Raw], started_at_resource_version: str, *, unread: Sequence[str] = ()
    ) -> Sweep:
        """Take over an authoritative list and say what it taught.

        An object that is not on the list is forgotten unless it is newer than the list: it may have been created while
        the list was under way. Versions that are no numbers cannot be compared; then the list is believed. So it is
        where it is older than the list before it: the cluster was restored from a backup, and all versions with it.
        Of the namespaces `unread` the list says nothing: what is known there stays.
        """
        listed_at = _number(started_at_resource_version)
        restored = listed_at is not None and listed_at < self._listed_at.get(kind, 0)
        if restored:
            self._buried.pop(kind, None)
            self._listed_at.pop(kind, None)
        listed = {key_of(kind, obj): obj for obj in objs}
        added: list[Raw] = []
        changed: list[Raw] = []
        vanished: list[Raw] = []
        for key, held in list(self._objects[kind].items()):
            if restored and key in listed and listed[key] != held:
                self._set(key, listed[key])
                changed.append(listed[key])
            elif key not in listed and key.namespace not in unread and (restored or not _is_after(held, listed_at)):
                self._drop(key)
                vanished.append(held)
        for key, obj in listed.items():
            known = key in self._objects[kind]
            if self.put(kind, obj):
                (changed if known else added).append(obj)
        if listed_at is not None and not unread:
            self._note_list(kind, listed_at)
        return Sweep(tuple(added), tuple(changed), tuple(vanished))

    def _note_list(self, kind: str, listed_at: int) -> None:
        """From now on nothing older than the list can be news, so single graves that old need not be kept."""
        self._listed_at[kind] = max(listed_at, self._listed_at.get(kind, 0))
        graves = self._buried[kind]
        for key in [key for key, version in graves.items() if version <= self._listed_at[kind]]:
            del graves[key]

    def _gone_since(self, key: Key) -> int:
        """Return the version up to which anything heard of an unknown object is old news."""
        return max(self._buried[key.kind].get(key, 0), self._listed_at.get(key.kind, 0))

    def _set(self, key: Key, obj: Raw) -> None:
        self._drop(key)
        self._objects[key.kind][key] = self._slim(key.kind, obj)
        self._buried[key.kind].pop(key, None)
        owner = self._owner_of(obj)
        if owner is not None:
            self._children[key.kind, key.namespace, owner].add(key)

    def _drop(self, key: Key) -> None:
        held = self._objects[key.kind].pop(key, None)
        if held is None:
            return
        owner = self._owner_of(held)
        if owner is None:
            return
        place = (key.kind, key.namespace, owner)
        siblings = self._children[place]
        siblings.discard(key)
        if not siblings:
            del self._children[place]


def key_of(kind: str, obj: Raw) -> Key:
    """Return the key of a raw object."""
    metadata = obj["metadata"]
    return Key(kind, metadata.get("namespace") or "", metadata["name"])


def version_of(obj: Raw) -> int | None:
    """Return the resourceVersion as a number, or None where it is none and so cannot be compared."""
    return _number(obj["metadata"].get("resourceVersion"))


def _number(version: str | None) -> int | None:
    return int(version) if version is not None and version.isdecimal() else None


def _is_newer(version: int | None, held: Raw, obj: Raw) -> bool:
    held_version = version_of(held)
    if version is not None and held_version is not None:
        return version > held_version
    return bool(held["metadata"].get("resourceVersion") != obj["metadata"].get("resourceVersion"))


def _is_after(obj: Raw, version: int | None) -> bool:
    own = version_of(obj)
    return version is not None and own is not None and own > version
