"""Who wrote what, read from the API server's audit log (lines of JSON, `audit.k8s.io/v1`, level Metadata or above)."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

Raw = dict[str, Any]

WRITING_VERBS = frozenset({"create", "update", "patch", "delete", "deletecollection"})


class Write(NamedTuple):
    """One request that was meant to change something. `at`: seconds since the epoch; `resource` with its subresource,
    for example `modeldeployments/status`; `code`: the HTTP status, also of a refusal, since a refused write is a write
    too."""

    at: float
    verb: str
    resource: str
    namespace: str
    name: str
    code: int


@dataclass(frozen=True)
class Writes:
    """Writes sorted by what they cost whom: objects are kept and watched, Events expire, the Lease is the price of
    being one of several replicas."""

    objects: tuple[Write, ...] = ()
    events: tuple[Write, ...] = ()
    lease: tuple[Write, ...] = ()

    def count_objects(self) -> dict[str, int]:
        """How often which verb met which resource, most frequent first."""
        counts = Counter(f"{write.verb} {write.resource}" for write in self.objects)
        return dict(counts.most_common())


def read_writes(lines: Iterable[str], agent: str) -> Iterator[Write]:
    """The completed writes of every client whose user agent starts with `agent`. A half-written last line is passed
    over; reads and dry runs are not writes."""
    for line in lines:
        if agent not in line:
            continue
        try:
            event: Raw = json.loads(line)
        except ValueError:
            continue
        if event.get("stage") != "ResponseComplete" or event.get("verb") not in WRITING_VERBS:
            continue
        if not str(event.get("userAgent", "")).startswith(agent) or "dryRun=" in event.get("requestURI", ""):
            continue
        yield _read(event)


def sort_writes(writes: Iterable[Write], began: float, ended: float) -> Writes:
    """Those from `began` (seconds since the epoch, included) to `ended` (excluded)."""
    objects: list[Write] = []
    events: list[Write] = []
    lease: list[Write] = []
    for write in writes:
        if began <= write.at < ended:
            kind = write.resource.split("/")[0]
            (events if kind == "events" else lease if kind == "leases" else objects).append(write)
    return Writes(tuple(objects), tuple(events), tuple(lease))


def read_log(path: Path, agent: str, began: float, ended: float) -> Writes:
    with path.open(encoding="utf-8") as file:
        return sort_writes(read_writes(file, agent), began, ended)


def _read(event: Raw) -> Write:
    what = event.get("objectRef") or {}
    resource = "/".join(part for part in (what.get("resource"), what.get("subresource")) if part)
    at = datetime.fromisoformat(event["requestReceivedTimestamp"].replace("Z", "+00:00")).timestamp()
    code = int((event.get("responseStatus") or {}).get("code", 0))
    return Write(at, event["verb"], resource, what.get("namespace", ""), what.get("name", ""), code)
