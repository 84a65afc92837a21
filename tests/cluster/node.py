"""A real node: containerd, kubelet and kube-proxy, and how to leave nothing of them behind."""

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import yaml

from tests.cluster import netns
from tests.cluster.pki import NODE_ADDRESS
from tests.cluster.process import Processes

NODE = "node0"
PAUSE_IMAGE = "localhost/pause:1"


def start(processes: Processes, binaries: Path, keys: Path) -> None:
    """Start the node's three programs; the node is Ready a few seconds later."""
    folder = processes.folder
    _make_cgroups(processes)
    _write_configs(processes, keys)
    (folder / "pod-namespaces").write_text("\n".join(netns.pod_namespaces()))
    processes.start("containerd", ["containerd", "-c", folder / "containerd.toml"])
    socket = folder / "containerd.sock"
    processes.wait_for("containerd", lambda: socket.exists() and _ctr(folder, "version") is not None, "containerd")
    kubelet = [binaries / "kubelet", "--config", folder / "kubelet.yaml", "--kubeconfig", keys / "node.kubeconfig"]
    kubelet += ["--node-ip", NODE_ADDRESS, "--hostname-override", NODE, "--root-dir", folder / "kubelet"]
    processes.start("kubelet", kubelet)
    proxy = [binaries / "kube-proxy", "--kubeconfig", keys / "proxy.kubeconfig", "--proxy-mode", "nftables"]
    proxy += ["--cluster-cidr", "10.244.0.0/16", "--hostname-override", NODE, "--conntrack-max-per-core", "0"]
    processes.start("kube-proxy", proxy)


def import_image(folder: Path, archive: Path) -> None:
    """Make the images of an OCI archive known to the node."""
    command = ["ctr", "-a", str(folder / "containerd.sock"), "-n", "k8s.io", "image", "import", str(archive)]
    subprocess.run(command, check=True, capture_output=True)


def stop(processes: Processes) -> None:
    """Stop the node with every pod on it: containers, shims, mounts, cgroups and network namespaces."""
    folder = processes.folder
    processes.stop("kubelet")
    processes.stop("kube-proxy")
    if processes.pid("containerd") is not None:
        for task in (_ctr(folder, "-n", "k8s.io", "task", "ls", "-q") or "").split():
            _ctr(folder, "-n", "k8s.io", "task", "kill", "-a", "-s", "SIGKILL", task)
    processes.stop("containerd")
    for pid in _shims(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _unmount_below(folder)
    before = set((folder / "pod-namespaces").read_text().split()) if (folder / "pod-namespaces").exists() else set()
    for name in netns.pod_namespaces() - before:
        subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
    _remove_cgroups(processes)


def _ctr(folder: Path, *arguments: str) -> str | None:
    command = ["ctr", "-a", str(folder / "containerd.sock"), "--timeout", "5s", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def _shims(folder: Path) -> list[int]:
    """containerd's shims outlive it; they are known by the socket they were started with."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().decode(errors="replace")
            if "containerd-shim" in line and str(folder / "containerd.sock") in line:
                found.append(int(path.parent.name))
    return found


def _unmount_below(folder: Path) -> None:
    for _ in range(20):
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        ours = [mount for mount in mounts if mount.startswith(f"{folder}/")]
        if not ours:
            return
        for mount in reversed(ours):
            subprocess.run(["umount", mount], check=False, capture_output=True)
        time.sleep(0.1)


def _cgroups(processes: Processes) -> list[Path]:
    """This cluster's own cgroup in every hierarchy: a kubelet kills pods in its cgroup that it does not know."""
    top = Path("/sys/fs/cgroup")
    if (top / "cgroup.controllers").exists():
        return [top / processes.namespace]
    # Hybrid and v1 hosts; links such as cpu -> cpu,cpuacct name the same hierarchy twice.
    hierarchies = {path.resolve() for path in top.iterdir() if path.is_dir() and path.name != "unified"}
    return sorted(path / processes.namespace for path in hierarchies)


def _make_cgroups(processes: Processes) -> None:
    for path in _cgroups(processes):
        path.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            # A v1 cpuset is born empty, and nothing can run in an empty one.
            if (path / name).exists() and not (path / "cgroup.controllers").exists():
                (path / name).write_text((path.parent / name).read_text())
        if (path / "cgroup.controllers").exists():
            enable = " ".join(f"+{name}" for name in (path / "cgroup.controllers").read_text().split())
            with contextlib.suppress(OSError):
                (path.parent / "cgroup.subtree_control").write_text(enable)
            (path / "cgroup.subtree_control").write_text(enable)


def _remove_cgroups(processes: Processes) -> None:
    # runc also makes one in the unified hierarchy of a hybrid host.
    for root in {*_cgroups(processes), Path("/sys/fs/cgroup/unified") / processes.namespace}:
        for path in [*sorted(root.rglob("*"), reverse=True), root] if root.exists() else []:
            if path.is_dir():
                with contextlib.suppress(OSError):
                    path.rmdir()


def _write_configs(processes: Processes, keys: Path) -> None:
    folder = processes.folder
    network = folder / "cni" / "net.d"
    network.mkdir(parents=True, exist_ok=True)
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": "10.244.0.0/16"}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(folder / "cni" / "ipam"),
    }
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": False, "hairpinMode": True, "ipam": ipam}
    port_map = {"type": "portmap", "capabilities": {"portMappings": True}}
    config = {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, port_map]}
    (network / "10-bridge.conflist").write_text(json.dumps(config))
    (folder / "containerd.toml").write_text(_containerd(folder))
    (folder / "kubelet.yaml").write_text(yaml.safe_dump(_kubelet(processes, keys)))


def _containerd(folder: Path) -> str:
    # restrict_oom_score_adj: where the capability SYS_RESOURCE is missing, sandboxes could not start otherwise.
    return f"""\
version = 2
root = "{folder}/containerd/root"
state = "{folder}/containerd/state"
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


def _kubelet(processes: Processes, keys: Path) -> dict[str, object]:
    folder = processes.folder
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{folder}/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{processes.namespace}",
        "failSwapOn": False,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(keys / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDomain": "cluster.local",
        "clusterDNS": ["10.96.0.10"],
        "tlsCertFile": str(keys / "node.crt"),
        "tlsPrivateKeyFile": str(keys / "node.key"),
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "registerNode": True,
        "resolvConf": "/dev/null",
        "maxPods": 250,
        # The default of 50/100 makes a burst of pods wait for the kubelet's own client.
        "kubeAPIQPS": 200,
        "kubeAPIBurst": 400,
    }
