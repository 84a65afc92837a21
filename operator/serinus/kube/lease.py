"""The Lease, as the elector wants to see it."""

from datetime import UTC, datetime

from serinus.engine.leader import LeaseConflictError, LeaseRecord
from serinus.engine.store import Raw
from serinus.kube.errors import AlreadyExists, Conflict, NotFound
from serinus.kube.gateway import Kube
from serinus.kube.resources import LEASES

_MANAGER = "serinus/lease"


class KubeLease:
    """One Lease object. `kube` must not be fenced by the leadership that this very Lease gives."""

    def __init__(self, kube: Kube, namespace: str, name: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self._name = name

    async def get(self) -> LeaseRecord | None:
        """Read the Lease, None where there is none."""
        try:
            return observe_lease(await self._kube.get(LEASES, self._namespace, self._name))
        except NotFound:
            return None

    async def create(self, record: LeaseRecord) -> LeaseRecord:
        """Create the Lease; LeaseConflictError if somebody was faster."""
        try:
            return observe_lease(await self._kube.create(LEASES, self._build(record), _MANAGER))
        except AlreadyExists as error:
            raise LeaseConflictError(error.message) from error

    async def update(self, record: LeaseRecord) -> LeaseRecord:
        """Replace the Lease of `record.version`; LeaseConflictError if it has changed or gone."""
        try:
            return observe_lease(await self._kube.replace(LEASES, self._build(record), _MANAGER))
        except (Conflict, NotFound) as error:
            raise LeaseConflictError(error.message) from error

    def _build(self, record: LeaseRecord) -> Raw:
        metadata = {"name": self._name, "namespace": self._namespace}
        return {"metadata": metadata | ({"resourceVersion": record.version} if record.version else {})} | {
            "spec": build_lease_spec(record)
        }


def observe_lease(lease: Raw) -> LeaseRecord:
    """Read a Lease object. Fields that nobody set count as free, for ever ago, and 15 seconds."""
    spec = lease.get("spec") or {}
    return LeaseRecord(
        holder=spec.get("holderIdentity") or "",
        duration=float(spec.get("leaseDurationSeconds") or 15),
        transitions=int(spec.get("leaseTransitions") or 0),
        acquired_at=_moment(spec.get("acquireTime")),
        renewed_at=_moment(spec.get("renewTime")),
        version=lease["metadata"].get("resourceVersion") or "",
    )


def build_lease_spec(record: LeaseRecord) -> Raw:
    """Return the spec of a Lease. A free one has no holder at all: the API server refuses an empty string."""
    spec: Raw = {"leaseDurationSeconds": max(1, round(record.duration)), "leaseTransitions": record.transitions}
    if record.holder:
        spec["holderIdentity"] = record.holder
    if record.acquired_at is not None:
        spec["acquireTime"] = _micro_time(record.acquired_at)
    if record.renewed_at is not None:
        spec["renewTime"] = _micro_time(record.renewed_at)
    return spec


def _micro_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)
