"""Starts the client inside a cluster's network and reads along."""

import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.traffic.answers import Answer, Tail

Start = Callable[[Sequence[str]], "subprocess.Popen[str]"]
"""Starts a command where the gateway can be reached."""

ROOT = Path(__file__).parents[2]


class Traffic:
    """Constant traffic while the context lasts, within the bounds given. `answers` grows with every `read`."""

    def __init__(
        self,
        start: Start,
        out: Path,
        *,
        url: str,
        host: str,
        rate: float,
        seconds: float,
        max_requests: int,
        bodies: Path | None = None,
        keep_alive: bool = True,
        grpc: bool = False,
        module: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`module` is another client with the same command line, `settings` are added to its environment."""
        self._start = start
        self._out = out
        module = module or ("tests.traffic.grpc_client" if grpc else "tests.traffic.client")
        environment = [f"{key}={value}" for key, value in {**(settings or {}), "PYTHONPATH": str(ROOT)}.items()]
        self._command = [
            *("env", *environment, sys.executable, "-m", module),
            *("--url", url, "--host", host),
            *("--rate", str(rate), "--seconds", str(seconds), "--max-requests", str(max_requests)),
            *("--out", str(out.absolute())),
            *(("--bodies", str(bodies.absolute())) if bodies else ()),
            *(() if keep_alive else ("--no-keep-alive",)),
        ]
        self._tail = Tail(out)
        self._process: subprocess.Popen[str] | None = None
        self.answers: list[Answer] = []

    def __enter__(self) -> "Traffic":
        self._out.parent.mkdir(parents=True, exist_ok=True)
        self._out.unlink(missing_ok=True)
        self._process = self._start(self._command)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def read(self) -> list[Answer]:
        """What has come in since the last call; nothing before the start, whatever an earlier run may have left."""
        if self._process is None:
            return []
        new = self._tail.read_new()
        self.answers.extend(new)
        return new

    def stop(self) -> list[Answer]:
        """End it, wait for the requests under way, and return what has come in since the last `read`."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        return self.read()
