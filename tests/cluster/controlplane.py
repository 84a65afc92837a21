"""etcd, API server, controller-manager and scheduler."""

import subprocess
from pathlib import Path

from tests.cluster import netns
from tests.cluster.pki import NODE_ADDRESS
from tests.cluster.process import Processes

AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, users: ["system:kube-scheduler", "system:kube-controller-manager", "system:node:node0"]}
- {level: Metadata}
"""
"""Who asked for what: tests count the operator's writes here."""

STORE = ("kube-apiserver", "etcd")
"""What must end last: others still write when they stop."""

FAST = ["--kube-api-qps", "300", "--kube-api-burst", "600"]
"""The default client limit of 20 requests a second would be what a test measures."""


def start(processes: Processes, binaries: Path, keys: Path, gates: str = "") -> None:
    """Start the control plane and wait until the API server is ready; `gates` are feature gates of the API server."""
    folder = processes.folder
    (folder / "audit-policy.yaml").write_text(AUDIT_POLICY)
    etcd: list[str | Path] = [
        binaries / "etcd",
        "--data-dir",
        folder / "etcd",
        "--unsafe-no-fsync",
        "--log-level",
        "warn",
    ]
    for kind, port in (("client", 2379), ("peer", 2380)):
        etcd += [f"--listen-{kind}-urls", f"http://127.0.0.1:{port}"]
    etcd += ["--advertise-client-urls", "http://127.0.0.1:2379"]
    processes.start("etcd", etcd)
    flags = [*_apiserver_flags(folder, keys), *([f"--feature-gates={gates}"] if gates else [])]
    processes.start("kube-apiserver", [binaries / "kube-apiserver", *flags])
    processes.wait_for("API server ready", lambda: is_ready(processes, binaries, keys), "etcd", "kube-apiserver")
    manager: list[str | Path] = [
        binaries / "kube-controller-manager",
        "--kubeconfig",
        keys / "controller-manager.kubeconfig",
    ]
    manager += ["--service-account-private-key-file", keys / "sa.key", "--root-ca-file", keys / "ca.crt"]
    manager += ["--use-service-account-credentials", "--cluster-cidr", "10.244.0.0/16", "--allocate-node-cidrs=false"]
    manager += ["--flex-volume-plugin-dir", folder / "volume-plugins"]
    manager += ["--horizontal-pod-autoscaler-sync-period", "2s"]
    processes.start("kube-controller-manager", [*manager, "--leader-elect=false", *FAST])
    scheduler: list[str | Path] = [
        binaries / "kube-scheduler",
        "--kubeconfig",
        keys / "scheduler.kubeconfig",
        "--leader-elect=false",
    ]
    processes.start("kube-scheduler", [*scheduler, *FAST])


def is_ready(processes: Processes, binaries: Path, keys: Path) -> bool:
    command = [
        *netns.enter(processes.namespace),
        str(binaries / "kubectl"),
        "--kubeconfig",
        str(keys / "admin.kubeconfig"),
    ]
    asked = [*command, "get", "--raw", "/readyz"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def _apiserver_flags(folder: Path, keys: Path) -> list[str | Path]:
    return [
        "--etcd-servers=http://127.0.0.1:2379",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={keys / 'sa.key'}",
        f"--service-account-signing-key-file={keys / 'sa.key'}",
        "--authorization-mode=Node,RBAC",
        f"--client-ca-file={keys / 'ca.crt'}",
        f"--tls-cert-file={keys / 'apiserver.crt'}",
        f"--tls-private-key-file={keys / 'apiserver.key'}",
        "--allow-privileged",
        f"--advertise-address={NODE_ADDRESS}",
        f"--kubelet-client-certificate={keys / 'admin.crt'}",
        f"--kubelet-client-key={keys / 'admin.key'}",
        f"--kubelet-certificate-authority={keys / 'ca.crt'}",
        "--kubelet-preferred-address-types=InternalIP",
        # Aggregated APIs, such as that of metrics-server. Only this name may speak for others: the authority is shared.
        f"--requestheader-client-ca-file={keys / 'ca.crt'}",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={keys / 'front-proxy.crt'}",
        f"--proxy-client-key-file={keys / 'front-proxy.key'}",
        "--enable-aggregator-routing=true",
        f"--audit-policy-file={folder / 'audit-policy.yaml'}",
        f"--audit-log-path={folder / 'audit.log'}",
        "--audit-log-mode=batch",
        "--audit-log-maxsize=4096",
        "--audit-log-batch-max-wait=200ms",
    ]
