"""Processes that outlive the Python that started them: known by pid and start time, logged, stopped by id."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import netns
from tests.cluster.errors import ClusterError


@dataclass(frozen=True)
class Processes:
    """The processes of one cluster; all run inside its network namespace, each in a session of its own."""

    folder: Path
    namespace: str

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    def start(
        self, name: str, command: Sequence[str | Path], *, env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> int:
        """Start a process unless it runs; its output goes to logs/<name>.log. Returns its pid."""
        running = self.pid(name)
        if running is not None:
            return running
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{name}.log").open("ab") as output:
            child = subprocess.Popen(
                [*netns.enter(self.namespace), *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=cwd or self.folder,
                env=os.environ | (env or {}),
                start_new_session=True,
            )
        # It may outlive us; who it was is in the pid file, so nobody needs to be warned that it was not waited for.
        child.returncode = 0
        pids = self.folder / "pids"
        pids.mkdir(exist_ok=True)
        (pids / name).write_text(f"{child.pid} {_started(child.pid) or 'ended'}")
        return child.pid

    def pid(self, name: str) -> int | None:
        """The pid of a process that runs, None otherwise; a pid that was given to somebody else does not count."""
        file = self.folder / "pids" / name
        if not file.exists():
            return None
        pid, started = file.read_text().split()
        return int(pid) if _started(int(pid)) == started else None

    def names(self) -> list[str]:
        pids = self.folder / "pids"
        return [f.name for f in sorted(pids.iterdir(), key=lambda f: f.stat().st_mtime_ns)] if pids.exists() else []

    def stop(self, *names: str, number: int = signal.SIGTERM, patience: float = 15.0) -> None:
        """Ask processes to end, all at once, then make them."""
        for name in names:
            self._signal(name, number)
        deadline = time.monotonic() + patience
        for name in names:
            if not self._wait_for_end(name, deadline):
                self._signal(name, signal.SIGKILL)
                self._wait_for_end(name, time.monotonic() + 5)
            (self.folder / "pids" / name).unlink(missing_ok=True)

    def kill(self, name: str) -> None:
        """End a process without warning; returns when it is gone."""
        self.stop(name, number=signal.SIGKILL)

    def _wait_for_end(self, name: str, deadline: float) -> bool:
        while self.pid(name) is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def _signal(self, name: str, number: int) -> None:
        pid = self.pid(name)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def tail(self, name: str, lines: int = 15) -> str:
        file = self.logs / f"{name}.log"
        return "\n".join(file.read_text(errors="replace").splitlines()[-lines:]) if file.exists() else "(no log)"

    def wait_for(self, what: str, check: Callable[[], bool], *names: str, patience: float = 180.0) -> None:
        """Wait until `check` says yes; ClusterError with the logs of `names` if it never does, or one of them dies."""
        deadline = time.monotonic() + patience
        while not check():
            dead = [name for name in names if self.pid(name) is None]
            if dead or time.monotonic() > deadline:
                why = f"{', '.join(dead)} ended" if dead else f"not within {patience:.0f}s"
                logs = "\n".join(f"--- {name}\n{self.tail(name)}" for name in names)
                raise ClusterError(f"{what}: {why}; logs are in {self.logs}\n{logs}")
            time.sleep(0.05)


def _started(pid: int) -> str:
    """Start time of a process in clock ticks since boot; empty for one that is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    if fields[0] == "Z":
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        return ""
    return fields[19]
