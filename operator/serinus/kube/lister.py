"""The authoritative list of each watched kind, in the form the resync wants it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

from serinus.api.meta import GROUP
from serinus.engine.store import Listing, Raw, Refusal
from serinus.kube.errors import Denied, NotFound
from serinus.kube.gateway import Kube
from serinus.kube.resources import WATCHED, Watched

FetchOutdated = Callable[[], Awaitable[Mapping[str, str] | None]]
"""Kinds of ours that the API server does not keep all of, each with what is said of it; None: not known."""

_NOWHERE_ELSE: Final[Mapping[str, Sequence[str]]] = {}


class Lister:
    """Lists a kind by name, cluster-wide or in the given namespaces, and some kinds in `further` namespaces."""

    def __init__(
        self,
        kube: Kube,
        namespaces: Sequence[str] = (),
        watched: Iterable[Watched] = WATCHED,
        further: Mapping[str, Sequence[str]] = _NOWHERE_ELSE,
        contract: FetchOutdated | None = None,
    ) -> None:
        self._kube = kube
        self._contract = contract
        self._namespaces = tuple(namespaces)
        self._further = further
        self._watched = {entry.kind: entry for entry in watched}

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the kinds that can be listed."""
        return tuple(self._watched)

    async def __call__(self, kind: str) -> Listing:
        """Fetch all objects of `kind`. A kind the API server does not know (its CRD is missing) has none. Where the
        right is missing the listing says that, and holds what the other namespaces have."""
        entry = self._watched[kind]
        everywhere = not self._namespaces or not entry.resource.namespaced
        objects: list[Raw] = []
        versions: list[str] = []
        refused: list[Refusal] = []
        further = [one for one in self._further.get(kind, ()) if one not in self._namespaces]
        for namespace in ("",) if everywhere else (*self._namespaces, *further):
            try:
                listing = await self._kube.list(entry.resource, namespace, entry.label_selector)
            except NotFound:
                return Listing((), "", served=False)
            except Denied as denied:
                refused.append(Refusal(kind, "list", namespace, denied.explain()))
                continue
            objects.extend(listing.objects)
            versions.append(listing.resource_version)
        version = _earliest(versions) if versions else ""
        return Listing(objects, version, refused=tuple(refused), outdated=await self._find_outdated(entry))

    async def _find_outdated(self, entry: Watched) -> str | None:
        if self._contract is None or entry.resource.group != GROUP:
            return None
        outdated = await self._contract()
        return None if outdated is None else outdated.get(entry.resource.kind, "")


def _earliest(versions: list[str]) -> str:
    """Of several lists the first counts: what changed after it may be missing in it without having vanished."""
    return min(versions, key=lambda version: (len(version), version))
