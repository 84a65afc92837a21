"""kubectl against a real API server, as the tests of the contract use it."""

import json
from typing import Any, Protocol


class RefusedError(Exception):
    """What kubectl wrote when the API server said no."""


class Outcome(Protocol):
    returncode: int
    stdout: str
    stderr: str


class ControlPlane(Protocol):
    def kubectl(self, *arguments: str, input: str | None = None, check: bool = True) -> Outcome: ...  # noqa: A002


class Cluster:
    """The few things these tests do to a cluster."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane

    def run(self, *arguments: str, obj: dict[str, Any] | None = None) -> str:
        """What kubectl writes; RefusedError where it fails."""
        text = None if obj is None else json.dumps(obj)
        outcome = self._control_plane.kubectl(*arguments, input=text, check=False)
        if outcome.returncode:
            raise RefusedError(outcome.stderr)
        return outcome.stdout

    def apply(self, obj: dict[str, Any], *options: str) -> dict[str, Any]:
        stored: dict[str, Any] = json.loads(self.run("apply", "-o", "json", *options, "-f", "-", obj=obj))
        return stored

    def rehearse(self, obj: dict[str, Any]) -> dict[str, Any]:
        return self.apply(obj, "--dry-run=server")
