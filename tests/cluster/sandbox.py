"""A node's own view of the file system, and its own cgroup: what makes stopping it complete.

containerd, runc, the CNI plugins and the kubelet write to fixed folders of the machine (/run/containerd, /var/lib/cni
and others). Each node has those folders to itself in a mount namespace of its own, so that nodes never meet there, and
every mount ends with the last process. Must never touch what belongs to another cluster or to the machine.
"""

import contextlib
import os
import shlex
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.process import Processes

HOLDER = "mounts"
PRIVATE = ("/run/containerd", "/run/netns", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers")
CGROUPS = Path("/sys/fs/cgroup")


def create(processes: Processes) -> None:
    """Make the mount namespace and the cgroup; processes are put in the first by `enter`, pods in the second."""
    folder = processes.folder / "private"
    ready = folder / "ready"
    folder.mkdir(exist_ok=True)
    made = [made for place in PRIVATE for made in _make_folder(Path(place))]
    (folder / "made").write_text("\n".join(map(str, made)))
    lines = []
    for place in PRIVATE:
        own = folder / place.strip("/").replace("/", "-")
        own.mkdir(exist_ok=True)
        lines.append(f"mount --bind {shlex.quote(str(own))} {place}")
    script = "\n".join([*lines, f"touch {shlex.quote(str(ready))}", "exec sleep infinity"])
    processes.start(HOLDER, ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script])
    processes.wait_for("the node's mount namespace", ready.exists, HOLDER, patience=10)
    for path in _cgroups(processes.namespace):
        _make_cgroup(path)


def enter(processes: Processes) -> list[str]:
    """The command prefix that runs something with the node's view of the file system. Changes the folder to /."""
    return ["nsenter", f"--mount=/proc/{processes.pid(HOLDER)}/ns/mnt"]


def destroy(processes: Processes) -> None:
    """Kill what is still in the mount namespace or the cgroup, and remove both. Raises ClusterError if it cannot."""
    holder = processes.pid(HOLDER)
    view = _view(holder) if holder is not None else ""
    deadline = time.monotonic() + 15
    while pids := {*_in_cgroups(processes.namespace), *_in_view(view), *_shims(processes.folder)} - {holder}:
        if time.monotonic() > deadline:
            raise ClusterError(f"cannot end the processes {sorted(pids)} of {processes.namespace}")
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    processes.stop(HOLDER, number=signal.SIGKILL)
    for root in _cgroups(processes.namespace):
        _remove_cgroup(root)
    record = processes.folder / "private" / "made"
    for place in reversed(record.read_text().splitlines() if record.exists() else []):
        with contextlib.suppress(OSError):  # in use by another cluster by now
            Path(place).rmdir()


def _make_folder(path: Path) -> list[Path]:
    """Make a folder with its parents; those that were not there before, outermost first."""
    missing = [each for each in [*reversed(path.parents), path] if not each.exists()]
    path.mkdir(parents=True, exist_ok=True)
    return missing


def _view(pid: int) -> str:
    """What names the mount namespace of a process; empty for one that is gone."""
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt")
    except OSError:
        return ""


def _in_view(view: str) -> Iterator[int]:
    return (pid for pid in _pids() if view and _view(pid) == view)


def _shims(folder: Path) -> Iterator[int]:
    """containerd's shims outlive it and the holder; they are known by the socket they were started with."""
    for pid in _pids():
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"containerd-shim" in words[0] and str(folder / "containerd.sock").encode() in words:
                yield pid


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _in_cgroups(name: str) -> Iterator[int]:
    for root in _cgroups(name):
        for path in root.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                yield from map(int, path.read_text().split())


def _cgroups(name: str) -> list[Path]:
    """The cgroup of that name in every hierarchy. A node needs its own: a kubelet kills every pod below its cgroup
    that it does not know."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS / name]
    # Version 1 or hybrid. Links such as cpu -> cpu,cpuacct name the same hierarchy twice.
    return sorted({path.resolve() / name for path in CGROUPS.iterdir() if path.is_dir()})


def _make_cgroup(path: Path) -> None:
    if path.parent.name == "unified":
        return  # runc makes it where it wants one
    path.mkdir(exist_ok=True)
    if (path / "cgroup.controllers").exists():
        _move_processes_aside(path.parent)
        # Only what the parent hands down can be handed on, and both refuse what they cannot do.
        for folder in (path.parent, path):
            for name in (folder / "cgroup.controllers").read_text().split():
                with contextlib.suppress(OSError):
                    (folder / "cgroup.subtree_control").write_text(f"+{name}")
        return
    for name in ("cpuset.cpus", "cpuset.mems"):
        # A cpuset of version 1 is born empty, and nothing can run in an empty one.
        if (path / name).exists():
            (path / name).write_text((path.parent / name).read_text())


def _move_processes_aside(root: Path) -> None:
    """In a container the root is an ordinary cgroup: it hands nothing down while processes are in it itself."""
    if not (root / "cgroup.type").exists():
        return  # the root of the machine: it may have both
    for pid in (root / "cgroup.procs").read_text().split():
        leaf = root / "init"
        leaf.mkdir(exist_ok=True)
        with contextlib.suppress(OSError):  # it has ended
            (leaf / "cgroup.procs").write_text(pid)


def _remove_cgroup(root: Path) -> None:
    deadline = time.monotonic() + 5
    while root.exists() and time.monotonic() < deadline:
        for path in [*sorted((p for p in root.rglob("*") if p.is_dir()), reverse=True), root]:
            with contextlib.suppress(OSError):  # a process that has just ended still keeps it for a moment
                path.rmdir()
        if root.exists():
            time.sleep(0.05)
