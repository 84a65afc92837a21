"""What the API server knows of our kinds, asked where every account may ask: in its OpenAPI documents. No right to
CustomResourceDefinitions is needed."""

from collections.abc import Mapping
from typing import Any, Final

from serinus.api.crdcheck import find_outdated
from serinus.api.meta import GROUP, VERSION
from serinus.kube.errors import KubeError
from serinus.kube.gateway import Kube

_INDEX: Final = "/openapi/v3"
_OURS: Final = f"apis/{GROUP}/{VERSION}"


class ContractReader:
    """Tells which of our CRDs are older than this operator. The document is read anew when its address, which has a
    hash of it, has changed."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._address = ""
        self._outdated: Mapping[str, str] = {}

    async def fetch_outdated(self) -> Mapping[str, str] | None:
        """Kind -> what is said of its CRD; None where that cannot be known now. Never raises KubeError."""
        try:
            address = _find_address(await self._kube.fetch_document(_INDEX))
            if address is None:
                return None
            if address != self._address:
                self._outdated = find_outdated(await self._kube.fetch_document(address))
                self._address = address
        except KubeError:
            return None
        return self._outdated


def _find_address(index: Mapping[str, Any]) -> str | None:
    address = ((index.get("paths") or {}).get(_OURS) or {}).get("serverRelativeURL")
    return address if isinstance(address, str) else None
