"""Load on simulated pods: so much CPU for all requests of a model, spread as its route spreads the requests."""

import json
import threading
from collections import Counter
from types import TracebackType
from typing import Any

from tests.cluster.errors import ClusterError
from tests.support.model import Model

PACE = 1.0
USAGE = "kwok.x-k8s.io/usage-cpu"


class Load:
    """Keeps the pods of every revision busy with its share of `total` millicores, whatever their number."""

    def __init__(self, model: Model, total: int) -> None:
        self.model = model
        self.total = total
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._spread, daemon=True)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(timeout=10)

    def _spread(self) -> None:
        while not self._ended.wait(PACE):
            try:
                self._spread_once()
            except ClusterError as error:
                # A pod may be gone by the time that it is annotated.
                print("passed over:", error, flush=True)

    def _spread_once(self) -> None:
        """All in one call: figures taken between two would have one revision's new share and another's old one."""
        model, weights = self.model, self.model.weights()
        pods = [pod["metadata"] for pod in self._list_pods()]
        key = "serinus.dev/revision"
        staying = Counter(pod["labels"][key] for pod in pods if not pod.get("deletionTimestamp"))
        items = []
        for pod in pods:
            name = pod["labels"][key]
            share = self.total * weights.get(name, 0) // (100 * max(staying[name], 1))
            metadata = {"name": pod["name"], "namespace": model.namespace, "annotations": {USAGE: f"{max(share, 1)}m"}}
            items.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
        manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        model.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=manifest)

    def _list_pods(self) -> list[dict[str, Any]]:
        selection = ("-n", self.model.namespace, "-l", f"serinus.dev/deployment={self.model.name}")
        return list(self.model.cluster.get("pods", *selection)["items"])
