"""Both controllers of the retraining loop on a fake cluster: what trains does what a test says, and a ModelDeployment
is as a test leaves it."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from serinus.controllers.retrain.desk import Places, RunDesk
from serinus.controllers.retrain.policies import RetrainPolicyController
from serinus.controllers.retrain.runs import RetrainRunController
from serinus.controllers.retrain.snapshots import SnapshotReader
from serinus.controllers.retrain.wakeup import POLICY, RUN, RetrainWakeup
from serinus.controllers.wakeup import owner_of
from serinus.core.retrain.reading import Reading
from serinus.engine.store import Key, Store
from serinus.engine.worker import Result
from serinus.kube.resources import JOBS, Resource
from tests.fakes.clock import FakeClock
from tests.fakes.kube import FakeKube, Raw
from tests.support.loop import FIRST, build_results

POLICY_KEY = Key(POLICY, "ml", "fraud")
URI = "https://models.example/fraud/0.bin"


def policy(**spec: Any) -> Raw:
    container = {"name": "train", "image": "train:1"}
    body: Raw = {
        "modelDeploymentRef": {"name": "fraud"},
        "mode": "Automatic",
        "initialModel": {"uri": URI, "digest": FIRST},
        "template": {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
        },
        "results": {"from": "ConfigMap"},
        "gates": [{"name": "f1", "kind": "Metric", "value": "metrics.f1", "min": "0.90"}],
        "cooldown": {"afterSuccess": "0s", "afterFailure": "0s"},
    }
    metadata = {"name": POLICY_KEY.name, "namespace": "ml"}
    return {"apiVersion": "serinus.dev/v1alpha1", "kind": POLICY, "metadata": metadata, "spec": body | spec}


class Quiet:
    """Looks at nothing."""

    def watch(self, *_: Any, **__: Any) -> Mapping[str, Reading]:
        return {}

    def forget(self, key: Key) -> None:
        return None


@dataclass
class TellingKube(FakeKube):
    """Tells of every write, as a watch does."""

    tell: Callable[[str, Raw], None] = lambda kind, raw: None

    def put(self, obj: Raw) -> Raw:
        made = super().put(obj)
        self.tell(made["kind"], made)
        return made


class RetrainStage:
    """`settle` lets everybody who is woken have a turn until nobody is."""

    def __init__(self, *, kinds: tuple[Resource, ...] = (JOBS,), **places: Any) -> None:
        self.kinds = kinds
        self.clock = FakeClock()
        self.store = Store(owner_of)
        self.kube = TellingKube(self.store)
        self.queue: dict[Key, None] = {}
        self.wakeup = RetrainWakeup(self.store, self.wake)
        self.kube.tell = self.wakeup.notify
        self.turns: dict[str, int] = {}
        self.waits: dict[Key, float | None] = {}
        self.told: list[tuple[str, str]] = []
        self.places = Places(**({"fetch_config_map": self.fetch_config_map} | places))
        self.start()

    def start(self) -> None:
        """An operator that knows nothing but what is in the cluster."""
        self.desk = RunDesk(self.places, lambda key, urgent: self.wake(key))
        kube: Any = self.kube
        snapshots = SnapshotReader(self.places.fetch_config_map, lambda key, urgent: self.wake(key))
        self.policies = RetrainPolicyController(
            kube, self.store, self, self.clock, Quiet(), snapshots, kinds=self.kinds
        )
        self.runs = RetrainRunController(kube, self.store, self, self.clock, self.desk, kinds=self.kinds)
        for kind, namespace, name in self.kube.objects:
            if kind in (POLICY, RUN):
                self.wake(Key(kind, namespace, name))

    def wake(self, key: Key) -> None:
        self.queue[key] = None

    async def emit_event(self, regarding: Raw, event_type: str, reason: str, message: str) -> bool:
        self.told.append((reason, message))
        return True

    async def fetch_config_map(self, namespace: str, name: str) -> Raw | None:
        return self.kube.objects.get(("ConfigMap", namespace, name))

    def put(self, obj: Raw) -> Raw:
        """Somebody else writes an object; a status that is not given stays."""
        place = (obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        old = self.kube.objects.get(place, {})
        return self.kube.put({**({"status": old["status"]} if "status" in old else {}), **obj})

    def change(self, kind: str, name: str, **parts: Any) -> Raw:
        old = self.kube.objects[kind, "ml", name]
        return self.put({**old, **parts})

    def remove(self, kind: str, name: str) -> None:
        gone = self.kube.objects[kind, "ml", name]
        self.kube.remove(kind, "ml", name)
        self.wakeup.notify(kind, gone)

    def command(self, text: str) -> None:
        old = self.kube.objects[POLICY, "ml", "fraud"]
        self.put({**old, "metadata": {**old["metadata"], "annotations": {"serinus.dev/command": text}}})

    async def settle(self) -> None:
        for _ in range(60):
            await asyncio.sleep(0)
            if not self.queue:
                for _ in range(5):
                    await asyncio.sleep(0)
            if not self.queue:
                return
            key = next(iter(self.queue))
            del self.queue[key]
            result = await self._turn(key)
            wait = 0.0 if result.retry else result.requeue_after
            self.waits[key] = wait
            if wait is not None and wait < 0.5:
                self.wake(key)
        raise AssertionError(f"does not settle: {self.turns}, {list(self.queue)}")

    async def _turn(self, key: Key) -> Result:
        self.turns[key.kind] = self.turns.get(key.kind, 0) + 1
        return await (self.policies if key.kind == POLICY else self.runs).reconcile(key)

    def objects(self, kind: str) -> list[Raw]:
        return [one for (own, _, _), one in self.kube.objects.items() if own == kind]

    def status(self, kind: str = POLICY, name: str = "fraud") -> Raw:
        return dict(self.kube.objects[kind, "ml", name].get("status") or {})

    def serve(self, **status: Any) -> None:
        """A ModelDeployment whose stable revision has the first model."""
        model = {"uri": URI, "digest": FIRST}
        self.put_revision("fraud-1", 1, model, phase="Stable", promotedAt="2026-11-23T09:00:00Z")
        spec = {"model": {"from": {"retrainPolicy": "fraud"}}}
        body = {"kind": "ModelDeployment", "metadata": {"name": "fraud", "namespace": "ml"}, "spec": spec}
        stable = {"revision": "fraud-1", "since": "2026-11-23T09:00:00Z", "weight": 100}
        self.put({**body, "status": {"stable": stable, **status}})

    def put_revision(self, name: str, number: int, model: Raw, **status: Any) -> None:
        spec = {"modelDeployment": "fraud", "number": number, "content": {"model": model}}
        metadata = {"name": name, "namespace": "ml", "labels": {"serinus.dev/deployment": "fraud"}}
        self.put({"kind": "ModelRevision", "metadata": metadata, "spec": spec, "status": status})

    def finish_training(self, run: str, letter: str = "a", **results: Any) -> None:
        """The Job succeeds, and its results are there."""
        text = json.dumps(build_results(letter) | results)
        self.put(
            {
                "kind": "ConfigMap",
                "metadata": {"name": f"{run}-results", "namespace": "ml"},
                "data": {"results.json": text},
            }
        )
        self.change("Job", run, status={"conditions": [{"type": "Complete", "status": "True"}]})

    async def start_run(self, text: str = "retrain one") -> str:
        """A run by command, up to its child."""
        self.command(text)
        await self.settle()
        return str(self.objects(RUN)[-1]["metadata"]["name"])
