"""Go programs, built once and kept under a hash of what they are made from."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from tests.cluster.bootstrap import find_go
from tests.cluster.errors import ClusterError
from tests.cluster.paths import GO, cache, hold_lock

VERSION_VARIABLE = "TEST_KUBERNETES"
KUBERNETES = os.environ.get(VERSION_VARIABLE) or "v1.34.4"
"""Version of Kubernetes that the clusters have; the variable chooses another of VERSIONS."""
VERSIONS = {"v1.34.4": "kubernetes", "v1.37.2": "kubernetes-1.37"}
"""Version -> the folder of its Go module."""
COMPONENTS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
)
_STAMP = "k8s.io/component-base/version"
_PACKAGES = {
    "actionlint": "github.com/rhysd/actionlint/cmd/actionlint",
    "kwok": "sigs.k8s.io/kwok/cmd/kwok",
    "coredns": "github.com/coredns/coredns",
    "envoy-gateway": "github.com/envoyproxy/gateway/cmd/envoy-gateway",
    "metrics-server": "sigs.k8s.io/metrics-server/cmd/metrics-server",
}


def kubernetes_binaries() -> Path:
    """A folder with every Kubernetes component and etcd; KUBEBUILDER_ASSETS wins for the programs that it has."""
    if KUBERNETES not in VERSIONS:
        raise ClusterError(f"{VERSION_VARIABLE} is {KUBERNETES!r} and must be one of {', '.join(VERSIONS)}")
    built = build(VERSIONS[KUBERNETES])
    folder = built.parent
    assets = Path(os.environ.get("KUBEBUILDER_ASSETS") or "/nonexistent")
    key = hashlib.sha256(str(assets).encode()).hexdigest()[:8] if assets.is_dir() else "own"
    links = folder / key
    links.mkdir(exist_ok=True)
    for name in COMPONENTS:
        link = links / name
        target = assets / name if (assets / name).exists() else built
        if not link.exists():
            link.symlink_to(target)
    return links


def build(module: str) -> Path:
    """The program of `go/<module>`, built now if its sources, the Go version or the flags have changed."""
    source = GO / module
    go = find_go()
    flags = _flags(module)
    digest = _digest(source, go, flags)
    folder = cache() / "bin" / f"{module}-{digest}"
    program = folder / module
    with hold_lock(f"build-{module}"):
        if program.exists():
            return program
        print(f"building {module} (minutes the first time, kept in {folder})", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        work = cache() / "src" / f"{module}-{digest}"
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(source, work)
        output = folder / f"{module}.part"
        command = [go, "build", "-trimpath", "-ldflags", f"-s -w {flags}", "-o", str(output)]
        command.append(_PACKAGES.get(module, "."))
        environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false -mod=mod"}
        done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ClusterError(f"go build of {module} failed:\n{done.stderr[-2000:]}")
        output.rename(program)
        shutil.rmtree(work, ignore_errors=True)
    return program


def module_folder(module: str, version: str) -> Path:
    """The unpacked source of a Go module, in Go's own cache."""
    command = [find_go(), "mod", "download", "-json", f"{module}@{version}"]
    done = subprocess.run(command, cwd=GO / "pause", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(f"{module} {version} cannot be had: {done.stdout}{done.stderr}")
    return Path(json.loads(done.stdout)["Dir"])


def _flags(module: str) -> str:
    """What tells Kubernetes its version, which it does not know by itself."""
    version = next((version for version, folder in VERSIONS.items() if folder == module), None)
    if version is None:
        return ""
    major, minor, _ = version.removeprefix("v").split(".")
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return " ".join(f"-X {_STAMP}.{name}={value}" for name, value in stamps.items())


def _digest(source: Path, go: str, flags: str) -> str:
    version = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout
    digest = hashlib.sha256(f"{version}{flags}".encode())
    for path in sorted(source.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]
