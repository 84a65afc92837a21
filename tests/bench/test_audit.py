"""Counting writes: only the operator's, only writes, Events and Lease apart."""

import json
from pathlib import Path
from typing import Any

from tests.bench.audit import read_log, read_writes, sort_writes

AGENT = "serinus/"


def line(verb: str, resource: str, *, subresource: str = "", **changes: Any) -> str:
    event = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "stage": "ResponseComplete",
        "requestURI": f"/apis/{resource}",
        "verb": verb,
        "userAgent": "serinus/0.1.0",
        "objectRef": {"resource": resource, "namespace": "demo", "name": "digits", "subresource": subresource},
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": "2026-11-23T10:00:00.000000Z",
    }
    return json.dumps({**event, **changes})


def test_reads_dry_runs_other_clients_and_half_lines_are_no_writes() -> None:
    lines = [
        line("get", "modeldeployments"),
        line("watch", "pods"),
        line("patch", "httproutes"),
        line("patch", "httproutes", stage="RequestReceived"),
        line("patch", "httproutes", requestURI="/apis/httproutes?dryRun=All"),
        line("patch", "httproutes", userAgent="kubectl/1.34 (about serinus/)"),
        line("update", "modeldeployments", subresource="status", responseStatus={"code": 409}),
        line("delete", "pods")[:80],
    ]
    assert [(w.verb, w.resource, w.code) for w in read_writes(lines, AGENT)] == [
        ("patch", "httproutes", 200),
        ("update", "modeldeployments/status", 409),
    ]


def test_events_and_lease_are_counted_apart_within_the_time_asked_for(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    lines = [
        line("patch", "httproutes"),
        line("patch", "httproutes"),
        line("create", "services"),
        line("create", "events"),
        line("update", "leases"),
        line("patch", "httproutes", requestReceivedTimestamp="2026-11-23T10:00:10.000000Z"),
        line("patch", "httproutes", requestReceivedTimestamp="2026-11-23T09:59:59.999999Z"),
    ]
    log.write_text("\n".join(lines) + "\n")
    began = next(iter(read_writes(lines, AGENT))).at
    writes = read_log(log, AGENT, began, began + 10)
    assert writes.count_objects() == {"patch httproutes": 2, "create services": 1}
    assert (len(writes.events), len(writes.lease)) == (1, 1)
    assert sort_writes([], began, began + 10).count_objects() == {}
