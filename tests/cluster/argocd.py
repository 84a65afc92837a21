"""A real Argo CD beside the cluster: application controller, repository server and API server as processes of the node.

It has the rights of its own manifests and no others, its state in Redis without a disk, and no way to the outside: what
it syncs are Git repositories of this machine. See `add_argocd`, and `ArgoCD` for what a test may do with it."""

import base64
import hashlib
import hmac
import json
import secrets
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from tests.argocd.snippet import build_data
from tests.cluster.bootstrap import install_packages
from tests.cluster.build import build, module_folder
from tests.cluster.cluster import Cluster

VERSION: Final = "v3.2.11"
"""The newest 3.2 that builds: 3.2.12 lacks a function of its own."""
MODULE: Final = "github.com/argoproj/argo-cd/v3"
NAMESPACE: Final = "argocd"
CONTROLLER, REPOSITORIES, SERVER = "argocd-application-controller", "argocd-repo-server", "argocd-server"
COMPONENTS: Final = (CONTROLLER, REPOSITORIES, SERVER)
REDIS: Final = "argocd-redis"
API: Final = "http://127.0.0.1:18080"

_ISSUED: Final = 1_700_000_000
_ENVIRONMENT: Final = {
    # The cluster that it runs in is that of the kubeconfig, not one that is told to pods.
    "ARGOCD_FAKE_IN_CLUSTER": "true",
    "ARGOCD_GPG_ENABLED": "false",
}
_PORTS: Final = {"redis": 16379, "repositories": 18081}
_KEPT: Final = frozenset(
    {
        "ConfigMap",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "Role",
        "RoleBinding",
        "Secret",
        "ServiceAccount",
    }
)
"""What is taken from its manifests; the rest are pods, which run as processes here."""
_CLIENT: Final = """
import json, sys, urllib.error, urllib.request as u
url, method, token, body = sys.argv[1:]
headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
try:
    said = u.urlopen(u.Request(url, body.encode() or None, headers, method=method), timeout=15)
except urllib.error.HTTPError as error:
    said = error
print(said.status, said.read().decode())
"""


class RefusedError(Exception):
    """The API server of Argo CD said no; `status` is that of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclass(frozen=True)
class ArgoCD:
    """A running Argo CD."""

    cluster: Cluster
    key: str = field(repr=False)

    def call(self, user: str, method: str, path: str, body: Any = None) -> Any:
        """Ask its API as a user; the answer, parsed. Raises RefusedError."""
        text = "" if body is None else json.dumps(body)
        command = [sys.executable, "-c", _CLIENT, API + path, method, sign_token(self.key, user), text]
        said = self.cluster.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
        status, _, answer = said.partition(" ")
        if int(status) >= 400:
            raise RefusedError(int(status), answer.strip())
        return json.loads(answer)

    def run_action(self, user: str, application: str, obj: dict[str, Any], action: str, **parameters: str) -> None:
        """Run a resource action on a live object, as its page does. Raises RefusedError."""
        group, _, version = obj["apiVersion"].partition("/")
        body = {
            "namespace": obj["metadata"].get("namespace", ""),
            "resourceName": obj["metadata"]["name"],
            "group": group,
            "version": version,
            "kind": obj["kind"],
            "action": action,
            "resourceActionParameters": [{"name": name, "value": value} for name, value in parameters.items()],
        }
        self.call(user, "POST", f"/api/v1/applications/{application}/resource/actions/v2", body)

    def list_actions(self, user: str, application: str, obj: dict[str, Any]) -> set[str]:
        """The actions that it offers for an object now."""
        group, _, version = obj["apiVersion"].partition("/")
        metadata = obj["metadata"]
        asked = f"namespace={metadata.get('namespace', '')}&resourceName={metadata['name']}"
        asked += f"&group={group}&version={version}&kind={obj['kind']}"
        said = self.call(user, "GET", f"/api/v1/applications/{application}/resource/actions?{asked}")
        return {one["name"] for one in said.get("actions") or () if not one.get("disabled")}

    def tree(self, user: str, application: str) -> dict[tuple[str, str], str]:
        """Health of everything below an application, children included, by kind and name."""
        said = self.call(user, "GET", f"/api/v1/applications/{application}/resource-tree")
        return {(one["kind"], one["name"]): one.get("health", {}).get("status", "") for one in said.get("nodes") or ()}


def add_argocd(cluster: Cluster, *, users: tuple[str, ...], policy: str) -> ArgoCD:
    """Install and start it; it ends with the cluster. `users` are accounts of its API, `policy` is its policy.csv."""
    install_packages()
    program = build("argocd")
    manifests = module_folder(MODULE, VERSION) / "manifests"
    key = secrets.token_hex(16)
    cluster.apply(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}))
    _install(cluster, manifests / "install.yaml", _settings(key, users, policy))
    _start(cluster, program)
    return ArgoCD(cluster, key)


def remove_argocd(cluster: Cluster) -> None:
    """Stop it and take away its rights; what it has synced stays."""
    cluster.processes.stop(*COMPONENTS, REDIS)
    roles = [f"{kind}/{name}" for kind in ("clusterrole", "clusterrolebinding") for name in (CONTROLLER, SERVER)]
    cluster.kubectl("delete", *roles, f"namespace/{NAMESPACE}", "--wait=false")


def sign_token(key: str, user: str) -> str:
    """The API key of an account: a JSON Web Token (HS256)."""
    claims = {"iss": "argocd", "sub": f"{user}:apiKey", "jti": user, "iat": _ISSUED, "nbf": _ISSUED}
    parts = (_encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    text = ".".join(parts)
    return f"{text}.{_encode(hmac.digest(key.encode(), text.encode(), hashlib.sha256))}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _settings(key: str, users: tuple[str, ...], policy: str) -> dict[str, dict[str, str]]:
    """What goes into its ConfigMaps and its Secret, by name."""
    tokens = {f"accounts.{user}.tokens": json.dumps([{"id": user, "iat": _ISSUED}]) for user in users}
    accounts = {f"accounts.{user}": "apiKey" for user in users}
    return {
        "argocd-cm": {"admin.enabled": "false", **accounts, **build_data()},
        "argocd-rbac-cm": {"policy.csv": policy},
        "argocd-secret": {"server.secretkey": key, **tokens},
    }


def _install(cluster: Cluster, manifest: Path, settings: dict[str, dict[str, str]]) -> None:
    """Its CRDs, its rights and its settings, as its own manifest has them; the default project allows everything."""
    kept = [one for one in yaml.safe_load_all(manifest.read_text()) if one and one["kind"] in _KEPT]
    for one in kept:
        if one["kind"] in ("ConfigMap", "Secret"):
            data = settings.get(one["metadata"]["name"], {})
            one["data" if one["kind"] == "ConfigMap" else "stringData"] = {**one.get("data", {}), **data}
    text = yaml.safe_dump_all(kept)
    cluster.kubectl("apply", "--server-side", "-n", NAMESPACE, "-f", "-", input=text, timeout=120)
    # `kubectl wait` fails on a CRD that has no condition yet.
    kinds = ",".join(f"{name}.argoproj.io" for name in ("applications", "appprojects", "applicationsets"))

    def is_served() -> bool:
        return cluster.kubectl("get", kinds, "-n", NAMESPACE, check=False).returncode == 0

    cluster.processes.wait_for("the kinds of Argo CD", is_served, "kube-apiserver")
    anything = {"group": "*", "kind": "*"}
    project = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": "default", "namespace": NAMESPACE},
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"server": "*", "namespace": "*"}],
            "clusterResourceWhitelist": [anything],
        },
    }
    cluster.apply(json.dumps(project))


def _start(cluster: Cluster, program: Path) -> None:
    folder = cluster.folder / "argocd"
    folder.mkdir(exist_ok=True)
    redis = f"127.0.0.1:{_PORTS['redis']}"
    serve = ["redis-server", "--bind", "127.0.0.1", "--port", _PORTS["redis"], "--save", "", "--appendonly", "no"]
    cluster.processes.start(REDIS, list(map(str, serve)), cwd=folder)
    common = ["--redis", redis, "--loglevel", "info", "--logformat", "text"]
    reach = ["--repo-server", f"127.0.0.1:{_PORTS['repositories']}", "--repo-server-plaintext"]
    repositories = ["--address", "127.0.0.1", "--port", str(_PORTS["repositories"]), "--disable-tls"]
    repositories += ["--metrics-address", "127.0.0.1", "--metrics-port", "18084"]
    controller = ["--metrics-port", "18082", "--app-resync", "0", "--persist-resource-health"]
    server = ["--insecure", "--address", "127.0.0.1", "--port", API.rpartition(":")[2]]
    server += ["--metrics-port", "18083", "--staticassets", str(folder)]
    flags = {CONTROLLER: [*reach, *controller], REPOSITORIES: repositories, SERVER: [*reach, *server]}
    for name in COMPONENTS:
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(program)
        access = cluster.kubeconfig_for(name, NAMESPACE)
        own = [] if name == REPOSITORIES else ["--kubeconfig", str(access), "--namespace", NAMESPACE]
        environment = {**_ENVIRONMENT, "KUBECONFIG": str(access), "HOME": str(folder), "TMPDIR": str(folder)}
        environment |= {"ARGOCD_ASK_PASS_SOCK": str(folder / "ask.sock")}
        cluster.processes.start(name, [link, *own, *flags[name], *common], env=environment, cwd=folder)
    cluster.processes.wait_for("Argo CD", lambda: _is_up(cluster), *COMPONENTS, REDIS)


def _is_up(cluster: Cluster) -> bool:
    ask = "import sys, urllib.request as u; [u.urlopen(url, timeout=2) for url in sys.argv[1:]]"
    urls = [f"{API}/healthz", "http://127.0.0.1:18082/healthz", "http://127.0.0.1:18084/healthz"]
    return cluster.run([sys.executable, "-c", ask, *urls], capture_output=True, check=False).returncode == 0
