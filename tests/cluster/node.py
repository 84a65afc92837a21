"""A real node: containerd, kubelet and kube-proxy, and how to leave nothing of them behind."""

import json
import subprocess
from pathlib import Path

import yaml

from tests.cluster import sandbox
from tests.cluster.errors import ClusterError
from tests.cluster.pki import NODE_ADDRESS
from tests.cluster.process import Processes

NODE = "node0"
PAUSE_IMAGE = "localhost/pause:1"
PROGRAMS = ("kubelet", "kube-proxy", "containerd")


def start(processes: Processes, binaries: Path, keys: Path) -> None:
    """Start the node's three programs; the node is Ready a few seconds later."""
    folder = processes.folder
    sandbox.create(processes)
    inside = sandbox.enter(processes)
    _write_configs(processes, keys)
    processes.start("containerd", [*inside, "containerd", "-c", folder / "containerd.toml"])
    socket = folder / "containerd.sock"
    processes.wait_for("containerd", lambda: socket.exists() and _ctr(folder, "version") is not None, "containerd")
    kubelet: list[str | Path] = [
        binaries / "kubelet",
        "--config",
        folder / "kubelet.yaml",
        "--kubeconfig",
        keys / "node.kubeconfig",
    ]
    kubelet += ["--node-ip", NODE_ADDRESS, "--hostname-override", NODE, "--root-dir", folder / "kubelet"]
    processes.start("kubelet", [*inside, *kubelet])
    proxy: list[str | Path] = [
        binaries / "kube-proxy",
        "--kubeconfig",
        keys / "proxy.kubeconfig",
        "--proxy-mode",
        "nftables",
    ]
    proxy += ["--cluster-cidr", "10.244.0.0/16", "--hostname-override", NODE, "--conntrack-max-per-core", "0"]
    # A pod's answer to another pod must come back through the node. Elsewhere the module br_netfilter sees to that, but
    # loading it would change every bridge of this machine.
    proxy.append("--masquerade-all")
    processes.start("kube-proxy", proxy)


def import_image(folder: Path, archive: Path) -> None:
    """Make the images of an OCI archive known to the node."""
    command = ["ctr", "-a", str(folder / "containerd.sock"), "-n", "k8s.io", "image", "import", str(archive)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(f"the node cannot take the image {archive.name}: {done.stderr.strip()[-500:]}")


def stop(processes: Processes) -> None:
    """Stop the node with every pod on it: containers, shims, mounts, cgroups and network namespaces."""
    processes.stop(*PROGRAMS, patience=5)
    sandbox.destroy(processes)


def _ctr(folder: Path, *arguments: str) -> str | None:
    command = ["ctr", "-a", str(folder / "containerd.sock"), "--timeout", "5s", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


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
        "podLogsDir": str(folder / "pod-logs"),
        "volumePluginDir": str(folder / "volume-plugins"),
        "maxPods": 250,
        # The default of 50/100 makes a burst of pods wait for the kubelet's own client.
        "kubeAPIQPS": 200,
        "kubeAPIBurst": 400,
    }
