"""What a GitOps tool works with: a Git repository of this machine, and an Argo CD Application that is watched."""

import itertools
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.argocd import NAMESPACE
from tests.cluster.cluster import Cluster
from tests.support.model import PATIENCE, Raw, wait_for

_numbers = itertools.count(1)
_COLUMNS = "{.status.sync.revision} {.status.sync.status} {.status.health.status}"


class Repository:
    """A Git repository with one branch, main; people are played by `commit` and `revert`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self._git("init", "--quiet", "--initial-branch=main")
        self._git("config", "user.name", "ada")
        self._git("config", "user.email", "ada@example.com")

    @property
    def url(self) -> str:
        return f"file://{self.folder}"

    def commit(self, *manifests: Raw) -> str:
        """Commit manifests, a file for each; the commit."""
        for one in manifests:
            file = self.folder / f"{one['kind'].lower()}-{one['metadata']['name']}.json"
            file.write_text(json.dumps(one, indent=1))
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", "a change")
        return self._git("rev-parse", "HEAD")

    def revert(self) -> str:
        """Take back the last commit; the commit that does so."""
        self._git("revert", "--no-edit", "HEAD")
        return self._git("rev-parse", "HEAD")

    def _git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@dataclass(frozen=True)
class Sight:
    """What an Application said of itself at one moment."""

    revision: str
    sync: str
    health: str


@dataclass(frozen=True)
class Application:
    """An Application that syncs a whole repository by itself, with prune and self-heal on."""

    cluster: Cluster
    name: str
    namespace: str
    repository: Repository

    def create(self, *options: str) -> None:
        """Make it, with further options of syncing."""
        spec = {
            "project": "default",
            "source": {"repoURL": self.repository.url, "path": ".", "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": self.namespace},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}, "syncOptions": list(options)},
        }
        body = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": self.name, "namespace": NAMESPACE},
            "spec": spec,
        }
        self.cluster.apply(json.dumps(body))

    def delete(self) -> None:
        """Remove it and leave alone what it has made."""
        self._kubectl("delete", "application", self.name, "--wait=false")

    def get(self) -> Raw:
        return dict(self.cluster.get("application", self.name, "-n", NAMESPACE))

    def sight(self) -> Sight:
        status = self.get().get("status") or {}
        sync = status.get("sync") or {}
        health = (status.get("health") or {}).get("status", "")
        return Sight(sync.get("revision", ""), sync.get("status", ""), health)

    def refresh(self) -> None:
        """Look at Git now: there is no webhook that would say so."""
        self._kubectl("annotate", "application", self.name, "--overwrite", "argocd.argoproj.io/refresh=normal")

    def await_sight(self, revision: str, health: str, patience: float = PATIENCE) -> None:
        """Wait until a commit is synced and everything together has this health."""
        wanted = Sight(revision, "Synced", health)
        wait_for(f"{wanted}", lambda: self.sight() == wanted, self.explain, patience)

    def sync_again(self) -> None:
        """Sync the same commit once more, as a person does with the button; waits for the end of it."""
        # Its times have whole seconds; who asked tells one sync from the next.
        user = f"ada-{next(_numbers)}"
        operation = {"initiatedBy": {"username": user}, "sync": {"syncOptions": ["ServerSideApply=true"]}}
        patch = json.dumps({"operation": operation})
        self._kubectl("patch", "application", self.name, "--type=merge", "-p", patch)

        def is_over() -> bool:
            state = self.get()["status"].get("operationState") or {}
            asked = (state.get("operation") or {}).get("initiatedBy", {}).get("username")
            return asked == user and state["phase"] not in ("Running", "Terminating")

        wait_for("the end of a sync", is_over, self.explain)
        assert self.get()["status"]["operationState"]["phase"] == "Succeeded", self.explain()

    def explain(self) -> str:
        status = self.get().get("status") or {}
        parts = ("sync", "health", "operationState", "conditions", "resources")
        return json.dumps({name: status.get(name) for name in parts}, indent=1)[:4000]

    @contextmanager
    def watch(self, folder: Path) -> Iterator["Watch"]:
        """Every sight of it meanwhile."""
        file = folder / f"{self.name}.sights"
        jsonpath = f'jsonpath={_COLUMNS}{{"\\n"}}'
        command = [str(self.cluster.kubectl_path), "--kubeconfig", str(self.cluster.kubeconfig)]
        command += ["get", "application", self.name, "-n", NAMESPACE, "--watch", "-o", jsonpath]
        with file.open("w") as output:
            process = self.cluster.popen(command, stdout=output)
            try:
                yield Watch(file)
            finally:
                process.terminate()
                process.wait(10)

    def _kubectl(self, *arguments: str) -> None:
        self.cluster.kubectl(*arguments, "-n", NAMESPACE)


@dataclass(frozen=True)
class Watch:
    """The sights of an Application in the order of their coming."""

    file: Path

    def sights(self) -> list[Sight]:
        rows = (line.split(" ") for line in self.file.read_text().splitlines())
        return [Sight(*row) for row in rows if len(row) == 3 and all(row)]

    def healths(self, revision: str) -> list[str]:
        """The healths since a commit was synced, each change once."""
        found: list[str] = []
        for sight in self.sights():
            if (sight.revision, sight.sync) == (revision, "Synced") and found[-1:] != [sight.health]:
                found.append(sight.health)
        return found

    def drifts(self) -> list[Sight]:
        """Sights that say that the cluster differs from a commit that it was in sync with before."""
        synced: set[str] = set()
        found = []
        for sight in self.sights():
            if sight.sync == "Synced":
                synced.add(sight.revision)
            elif sight.sync == "OutOfSync" and sight.revision in synced:
                found.append(sight)
        return found


def find_health(application: Raw, kind: str, name: str) -> dict[str, Any]:
    """What an Application has recorded of the health of one of its resources."""
    found = (one for one in application["status"]["resources"] if (one["kind"], one["name"]) == (kind, name))
    return next((dict(one.get("health") or {}) for one in found), {})
