"""The network namespace of a cluster: loopback, one veth pair that carries the node's address, and no way out."""

import subprocess
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.pki import NODE_ADDRESS


def path_of(name: str) -> Path:
    return Path("/run/netns") / name


def enter(name: str) -> list[str]:
    """The command prefix that runs something inside; nothing for the empty name, which is this machine's own network.

    `ip netns exec` would remount /sys and hide the cgroups."""
    return [] if not name else ["nsenter", f"--net={path_of(name)}"]


def create(name: str) -> None:
    """Make the namespace with its addresses; one that is left over is replaced."""
    delete(name)
    _ip("netns", "add", name)
    inside = ["-n", name]
    _ip(*inside, "link", "set", "lo", "up")
    _ip(*inside, "link", "add", "node0", "type", "veth", "peer", "name", "node0p")
    _ip(*inside, "link", "set", "node0p", "up")
    _ip(*inside, "addr", "add", f"{NODE_ADDRESS}/24", "dev", "node0")
    _ip(*inside, "link", "set", "node0", "up")
    # Without a default route the service addresses would be unreachable before kube-proxy can rewrite them.
    _ip(*inside, "route", "add", "default", "dev", "node0")
    subprocess.run([*enter(name), "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"], check=True)


def delete(name: str) -> None:
    if path_of(name).exists():
        _ip("netns", "delete", name)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
