"""An operator that dies right after chosen writes, before it has heard that they were done.

`python -m tests.support.mortal` is `python -m serinus` with one thing more: the file MORTAL_ORDERS says after which
writes it ends, without warning. `Mortal` keeps one running."""

import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from serinus import __main__ as serinus
from serinus.kube.gateway import Kube, Query
from tests.cluster import Cluster
from tests.cluster.serinus import OPERATOR, kill_operator, launch_operator, start_operator, stop_operator

VARIABLE = "MORTAL_ORDERS"


class Orders:
    """A file of patterns of writes, which are told as `POST /apis/batch/v1/namespaces/ml/jobs NAME`. It dies once of
    each line. Each death is a line of the file beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def give(self, points: Sequence[str]) -> None:
        fresh = self.path.with_suffix(".fresh")
        fresh.write_text("\n".join(points))
        fresh.rename(self.path)

    def left(self) -> list[str]:
        return self.path.read_text().splitlines()

    def deaths(self) -> list[str]:
        """The writes that it died of, in order."""
        file = self.path.with_suffix(".deaths")
        return file.read_text().splitlines() if file.exists() else []

    def obey(self, write: str) -> None:
        """End the process if the write is one to die of."""
        points = self.left()
        fitting = next((point for point in points if re.search(point, write)), None)
        if fitting is None:
            return
        points.remove(fitting)
        self.give(points)
        with self.path.with_suffix(".deaths").open("a") as file:
            file.write(f"{write}\n")
        os.kill(os.getpid(), signal.SIGKILL)


class Mortal:
    """The only operator of a cluster, started again whenever it has died."""

    def __init__(self, cluster: Cluster, folder: Path, points: Sequence[str]) -> None:
        self.cluster = cluster
        self.orders = Orders(folder / "orders")
        self.orders.give(points)
        self._stop = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    def start(self) -> None:
        self._keeper.start()

    def stop(self) -> None:
        self._stop.set()
        self._keeper.join(20)
        kill_operator(self.cluster)

    def _keep(self) -> None:
        while not self._stop.wait(0.1):
            if self.cluster.processes.pid(OPERATOR) is None:
                # Nobody is there to take over from, so there is no Lease to wait for. One worker: of two writes at a
                # time, the second would be one that nothing was killed after.
                launch_operator(
                    self.cluster,
                    program=("-m", "tests.support.mortal"),
                    environment={VARIABLE: str(self.orders.path)},
                    settings={"leader_election": "false", "workers": "1"},
                )


@contextmanager
def mortal_operator(cluster: Cluster, folder: Path, points: Sequence[str]) -> Iterator[Mortal]:
    """A mortal operator in place of the one that runs, which is back afterwards."""
    stop_operator(cluster)
    mortal = Mortal(cluster, folder, points)
    mortal.start()
    try:
        yield mortal
    finally:
        mortal.stop()
        start_operator(cluster)


def main() -> int:
    orders = Orders(Path(os.environ[VARIABLE]))
    send = Kube._send

    async def send_and_die(self: Kube, method: str, path: str, body: Any, query: Query, content: str) -> Any:
        answer = await send(self, method, path, body, query, content)
        if method != "GET" and ("dryRun", "All") not in query and "/leases" not in path:
            name = body.get("metadata", {}).get("name", "") if method == "POST" else ""
            orders.obey(f"{method} {path} {name}".rstrip())
        return answer

    Kube._send = send_and_die  # type: ignore[method-assign]
    return serinus.main()


if __name__ == "__main__":
    sys.exit(main())
