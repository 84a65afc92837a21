"""The log of a real operator, from one moment on."""

import json
from pathlib import Path
from typing import Any

from tests.cluster import Cluster
from tests.cluster.serinus import OPERATOR
from tests.support.model import wait_for

Line = dict[str, Any]


class OperatorLog:
    """What the operator of a cluster writes from now on."""

    def __init__(self, cluster: Cluster) -> None:
        self.file: Path = cluster.log_dir / f"{OPERATOR}.log"
        self.began = self.file.stat().st_size

    def read(self) -> str:
        """As it was written."""
        with self.file.open("rb") as file:
            file.seek(self.began)
            return file.read().decode()

    def lines(self) -> list[Line]:
        """Each whole line is one JSON object; ValueError where one is not."""
        text = self.read()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def audit(self, namespace: str) -> list[Line]:
        """The audit record of a namespace."""
        return [line for line in self.lines() if line.get("event") == "audit" and line["namespace"] == namespace]

    def await_action(self, namespace: str, action: str, count: int = 1) -> list[Line]:
        """The audit record, once it has an action so often: a line comes after the status that it tells of."""

        def find() -> list[Line]:
            told = self.audit(namespace)
            return told if sum(one["action"] == action for one in told) >= count else []

        return wait_for(f"the line {action}", find, lambda: "\n".join(map(str, self.audit(namespace))))
