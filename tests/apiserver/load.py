"""Load on simulated pods: so much CPU for all requests of a model, spread as its route spreads the requests."""

import threading
from types import TracebackType

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
        model, weights = self.model, self.model.weights()
        for name in {pod["metadata"]["labels"]["serinus.dev/revision"] for pod in self._list_pods()}:
            number = len(model.pods(name))
            share = self.total * weights.get(name, 0) // (100 * max(number, 1))
            selection = ("-n", model.namespace, "-l", f"serinus.dev/revision={name}")
            model.cluster.kubectl("annotate", "pods", *selection, "--overwrite", f"{USAGE}={max(share, 1)}m")

    def _list_pods(self) -> list[dict[str, dict[str, dict[str, str]]]]:
        selection = ("-n", self.model.namespace, "-l", f"serinus.dev/deployment={self.model.name}")
        return list(self.model.cluster.get("pods", *selection)["items"])
