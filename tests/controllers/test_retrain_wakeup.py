"""What one controller has written reaches the others, although the watch only brings an echo of it."""

from typing import Any

import pytest

from serinus.api.meta import LABEL_POLICY
from serinus.controllers.claims import ClaimIndex
from serinus.controllers.retrain.wakeup import RetrainWakeup
from serinus.controllers.wakeup import Wakeup, owner_of
from serinus.engine.store import Key, Store
from serinus.retraining import tell_written

Raw = dict[str, Any]

DEPLOYMENT = Key("ModelDeployment", "ml", "fraud")
POLICY = Key("RetrainPolicy", "ml", "fraud-loop")
RUN = Key("RetrainRun", "ml", "fraud-loop-1a2b3c4d")


def make(key: Key, version: int, **rest: Any) -> Raw:
    metadata = {"namespace": key.namespace, "name": key.name, "resourceVersion": str(version), "uid": key.name}
    if key.kind == "RetrainRun":
        metadata |= {"labels": {LABEL_POLICY: POLICY.name}}
    return {"metadata": metadata, **rest}


@pytest.fixture
def store() -> Store:
    """All three are known, and the run is under way."""
    store = Store(owner_of)
    policy = make(POLICY, 1, spec={"modelDeploymentRef": {"name": "fraud"}}, status={"activeRun": RUN.name, "runs": 1})
    store.put("ModelDeployment", make(DEPLOYMENT, 1, spec={}))
    store.put("RetrainPolicy", policy)
    store.put("RetrainRun", make(RUN, 1))
    return store


@pytest.mark.parametrize(
    ("writes", "wakes"),
    [
        (RUN, {RUN, POLICY}),
        (POLICY, {POLICY, RUN, DEPLOYMENT}),
        (DEPLOYMENT, {POLICY, RUN}),
    ],
    ids=lambda value: value.kind if isinstance(value, Key) else "",
)
def test_whoever_waits_for_a_write_looks_again(store: Store, writes: Key, wakes: set[Key]) -> None:
    woken: set[Key] = set()
    deployments = Wakeup(store, ClaimIndex(), woken.add)
    loop = RetrainWakeup(store, woken.add)
    known = store.get(POLICY.kind, POLICY.namespace, POLICY.name)
    assert known is not None
    loop.notify("RetrainPolicy", known)
    woken.clear()
    store.on_written = lambda kind, raw: tell_written(deployments, loop, kind, raw)
    now = store.get(writes.kind, writes.namespace, writes.name)
    assert now is not None
    store.written(writes.kind, {**now, "metadata": {**now["metadata"], "resourceVersion": "2"}})
    assert woken == wakes
