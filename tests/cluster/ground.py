"""Which kind of cluster this machine can have: chosen here and nowhere else."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from tests.cluster.errors import ClusterError

Ground = Literal["current-context", "kind", "own"]

BOTH_WAYS = (
    "a real cluster is had in one of two ways: (1) Docker, kind and kubectl: install them and run this again, or run"
    " `kind create cluster --config kind-config.yaml` yourself and keep kind-serinus the current kube context;"
    " (2) without Docker: Debian 12 as root, where everything that is missing is installed"
)
DEBIAN = "debian 12"
CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Machine:
    """What the choice depends on.

    `system`: a name with a version, as in "debian 12". `context`: the current kube context, empty where there is none.
    `isolates`: whether we may make namespaces and cgroups, which root in an ordinary container may not."""

    system: str
    uid: int
    context: str
    programs: frozenset[str]
    docker_answers: bool
    isolates: bool


def choose_ground(machine: Machine) -> Ground:
    """A kind cluster that is the current context, else a new one where Docker is, else one of our own on Debian.

    Raises ClusterError, naming both ways, where there is neither."""
    if machine.context.startswith("kind-"):
        if not {"kind", "kubectl"} <= machine.programs:
            raise ClusterError(f"the kube context {machine.context} needs the programs kind and kubectl; {BOTH_WAYS}")
        return "current-context"
    if machine.docker_answers and {"kind", "kubectl"} <= machine.programs:
        return "kind"
    if machine.system == DEBIAN and machine.uid == 0 and machine.isolates:
        return "own"
    raise ClusterError(f"{BOTH_WAYS}. This is {_describe(machine)}")


def _describe(machine: Machine) -> str:
    has = ", ".join(sorted(machine.programs)) or "none of docker, kind, kubectl"
    docker = "answers" if machine.docker_answers else "does not answer"
    bounds = (
        "" if machine.isolates else ", where no namespaces and cgroups may be made (a container needs --privileged)"
    )
    return f"{machine.system} as uid {machine.uid} with {has}; Docker {docker}{bounds if machine.uid == 0 else ''}"


@cache
def find_ground() -> Ground:
    """The choice for this machine; it stays the same for the life of the process."""
    return choose_ground(look_at_machine(os.environ))


def look_at_machine(environ: Mapping[str, str]) -> Machine:
    """Ask the machine; every program is looked up on the PATH of `environ`."""
    path = environ.get("PATH")
    found = frozenset(name for name in ("docker", "kind", "kubectl") if shutil.which(name, path=path))
    context = _says(["kubectl", "config", "current-context"], environ) if "kubectl" in found else None
    docker = _says(["docker", "info", "--format", "{{.ServerVersion}}"], environ) if "docker" in found else None
    return Machine(_system(), os.geteuid(), context or "", found, bool(docker), _isolates())


def _system() -> str:
    try:
        about = platform.freedesktop_os_release()
    except OSError:
        return sys.platform
    return f"{about['ID']} {about.get('VERSION_ID', '')}".strip()


def _isolates() -> bool:
    return os.access(CGROUPS, os.W_OK) and _says(["unshare", "--mount", "--net", "true"], os.environ) is not None


def _says(command: list[str], environ: Mapping[str, str]) -> str | None:
    try:
        done = subprocess.run(command, env=dict(environ), capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
