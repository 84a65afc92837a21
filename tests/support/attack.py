"""The stage of the attacks: a victim's model that serves, a tenant beside it, and a book of what was tried."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tests.cluster import Cluster
from tests.cluster.process import Processes
from tests.support.admission import build_role
from tests.support.model import Model, wait_for

Raw = dict[str, Any]
Outcome = Literal["refused", "harmless"]

OWN, VICTIM = "attack-own", "attack-victim"
TENANT = "mallory"
"""Has the role `edit` in his own namespace, may make routes there, and nothing anywhere else."""
AUTHOR = "arthur"
"""May write our kinds in the tenant's namespace, and nothing else."""
CARELESS = "carla"
"""Has every verb on every resource of our group in the tenant's namespace: a role that was written carelessly."""
BOOK = Path("build") / "attacks.json"


class Attack(NamedTuple):
    """What somebody tries, and what stops him. `attempt` fails where nothing does, and says what did."""

    id: str
    actor: str
    tried: str
    outcome: Outcome
    attempt: Callable[["Stage"], str]


@dataclass
class Stage:
    """Where the attacks are tried."""

    cluster: Cluster
    model: Model
    """The victim's."""
    queries: Callable[[], list[str]]
    set_quality: Callable[[str, float | None], None]
    trap: Path
    """A line for each request to a server that nobody has business with."""
    trap_port: int
    began: float = field(default_factory=time.time)
    leaving: frozenset[str] = frozenset()
    """Namespaces of other tests that were being emptied when the attacks began: the operator notices that."""
    tried: list[dict[str, str]] = field(default_factory=list)

    def say(self, user: str, *arguments: str, body: Raw | None = None) -> str:
        """What kubectl says against something that somebody does, empty where it is done."""
        given = None if body is None else json.dumps(body)
        done = self.cluster.kubectl(*arguments, f"--as={user}", input=given, check=False)
        return done.stderr.strip() or "refused" if done.returncode else ""

    def create(self, user: str, body: Raw, namespace: str = OWN) -> str:
        placed = {**body, "metadata": {**body["metadata"], "namespace": namespace}}
        return self.say(user, "create", "-f", "-", body=placed)

    def remove(self, kind: str, name: str) -> None:
        self.cluster.kubectl("delete", kind, name, "-n", OWN, "--ignore-not-found", timeout=60)

    def get(self, kind: str, name: str, namespace: str = OWN) -> Raw:
        return dict(self.cluster.get(kind, name, "-n", namespace))

    def await_reason(self, kind: str, name: str, *reasons: str) -> str:
        """The message of a condition with one of these reasons, once there is one."""

        def find() -> str | None:
            conditions = (self.get(kind, name).get("status") or {}).get("conditions") or ()
            return next((f"{one['reason']}: {one['message']}" for one in conditions if one["reason"] in reasons), None)

        def explain() -> str:
            return json.dumps(self.get(kind, name).get("status"))

        return str(wait_for(f"{kind} {name} says {' or '.join(reasons)}", find, explain))

    def trapped(self) -> list[str]:
        return self.trap.read_text().splitlines() if self.trap.exists() else []

    def requests(self) -> Iterator[Raw]:
        """What the operator asked of the API server since the attacks began."""
        for line in self.cluster.audit_log.read_text().splitlines():
            if '"userAgent":"serinus/' not in line:
                continue
            with contextlib.suppress(ValueError):
                event: Raw = json.loads(line)
                if event["stage"] == "ResponseComplete" and event["requestReceivedTimestamp"] >= _format(self.began):
                    yield event

    def write(self) -> str:
        """Keep the book; one line about it."""
        refused = sum(one["outcome"] == "refused" for one in self.tried)
        harmless = sum(one["outcome"] == "harmless" for one in self.tried)
        succeeded = sum(one["outcome"] == "succeeded" for one in self.tried)
        version = json.loads(self.cluster.kubectl("version", "-o", "json").stdout)["serverVersion"]["gitVersion"]
        counts = {"tried": len(self.tried), "refused": refused, "harmless": harmless, "succeeded": succeeded}
        BOOK.parent.mkdir(exist_ok=True)
        text = json.dumps({"kubernetes": version, **counts, "attacks": self.tried}, indent=1)
        for path in (BOOK, BOOK.with_stem(f"attacks-{version}")):
            path.write_text(f"{text}\n", encoding="utf-8")
        return f"{version}: {', '.join(f'{name} {count}' for name, count in counts.items())} ({BOOK})"


def _format(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))


def set_up_tenants(cluster: Cluster) -> None:
    """The two namespaces, and who may do what in the tenant's."""
    everything = "*"
    ours = ("serinus.dev", "modeldeployments,retrainpolicies,modelapprovals", "get,list,create,update,patch,delete")
    routes = ("gateway.networking.k8s.io", "httproutes,grpcroutes", "get,list,create,update,patch,delete")
    approvals = ("serinus.dev", "modelapprovals", "get,list,create,update,patch")
    edit = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "edit", "namespace": OWN},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": TENANT}],
    }
    secret = {"apiVersion": "v1", "kind": "Secret", "stringData": {"token": "hidden"}}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hidden", "namespace": OWN}}
    objects: list[Raw] = [
        *({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in (OWN, VICTIM)),
        *({**secret, "metadata": {"name": "hidden", "namespace": name}} for name in (OWN, VICTIM)),
        {**config, "data": {"k": "v"}},
        edit,
        *build_role("tenant", OWN, [TENANT], [routes, approvals]),
        *build_role("author", OWN, [AUTHOR], [ours]),
        *build_role("careless", OWN, [CARELESS], [("serinus.dev", everything, everything)]),
    ]
    cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


def read_log(processes: Processes, name: str) -> bytes:
    return (processes.logs / f"{name}.log").read_bytes()
