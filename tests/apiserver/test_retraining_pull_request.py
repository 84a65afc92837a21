"""A candidate goes to production by a pull request: git and forge are asked by the operator, a person merges, and what
is then applied is observed to its end."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dulwich.repo import Repo

from tests.cluster.paths import REPOSITORY
from tests.cluster.serinus import restart_operator
from tests.forge.gitserver import GitServer
from tests.support.loop import Loop, build_results, digest
from tests.support.model import Model, wait_for
from tests.support.rights import grant_secret

pytestmark = pytest.mark.apiserver

TOKEN = "t0ken-that-nobody-may-see"
FILE = "fraud.yaml"
BEFORE = f"https://models.example/fraud/0.bin#sha256={'0' * 64}"
AFTER = f"https://models.example/fraud/a.bin#sha256={'a' * 64}"
MANIFEST = f"spec:\n  model:\n    from: {{uri: '{BEFORE}'}}   # the champion\n"


@pytest.fixture
def git(model: Model, tmp_path: Path) -> Iterator[GitServer]:
    """A repository and a forge beside the API server, and the Secret for both."""
    cluster = model.cluster
    command = [sys.executable, "-m", "tests.apiserver.forge", str(tmp_path), FILE]
    process = cluster.popen(command, stdin=subprocess.PIPE, text=True, cwd=REPOSITORY)
    try:
        assert process.stdin is not None
        process.stdin.write(MANIFEST)
        process.stdin.close()
        hosts = tmp_path / "hosts"
        wait_for("the forge", lambda: process.poll() is None and hosts.exists(), str)
        found = json.loads(hosts.read_text())
        restart_operator(cluster, git_hosts=",".join(f"http://{host}" for host in found.values()))
        secret = {
            "url": f"http://{found['git']}/payments/deploy.git",
            "token": TOKEN,
            "api": f"http://{found['github']}/api/v3",
        }
        metadata = {"name": "deploy", "namespace": model.namespace, "labels": {"serinus.dev/credentials": "git"}}
        cluster.apply(json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": secret}))
        grant_secret(cluster, metadata["namespace"], metadata["name"])
        yield GitServer(tmp_path, "dulwich")
    finally:
        process.terminate()
        process.wait(timeout=10)
        restart_operator(cluster)


def test_a_pull_request_is_opened_and_what_a_person_merges_is_observed(model: Model, git: GitServer) -> None:
    loop = Loop(model)
    loop.model.spec["model"] = {"from": {"uri": BEFORE}}
    edits = [{"file": FILE, "path": "spec.model.from.uri"}]
    loop.spec["promotion"] = {"target": "PullRequest", "pullRequest": {"secret": "deploy", "edits": edits}}
    first = loop.serve_first()
    results = build_results("a")
    results["model"]["uri"] = AFTER
    run = loop.train(1, results)
    loop.await_phase(run, "Promoting", 30)
    wait_for("the pull request", lambda: "reference" in loop.run(run)["status"].get("promotion", {}), loop.explain)
    promotion = loop.run(run)["status"]["promotion"]
    assert promotion["reference"] == "https://github.example/payments/deploy/pull/1"
    assert promotion["reference"] in promotion["message"]
    wait_for("it is told", lambda: loop.condition("PromotionHeld").get("status") == "False", loop.explain)
    assert "candidate" not in loop.status(), "whoever merges releases it"
    assert loop.model.stable() == first

    [branch] = [name for name in git.branches() if name != "main"]
    proposed = git.read(git.branches()[branch], FILE).decode()
    assert proposed == MANIFEST.replace(BEFORE, AFTER)
    with Repo(str(git.repository)) as repo:
        assert f"RetrainRun: {loop.namespace}/{run}" in repo[git.branches()[branch].encode()].message.decode()

    loop.model.spec["model"] = {"from": {"uri": AFTER}}
    loop.model.apply("v1")
    status = loop.await_phase(run, "Succeeded", 60)
    assert status["promotion"]["revision"] == loop.model.stable() != first
    told = loop.await_policy("the champion", lambda s: (s.get("champion") or {}).get("run") == run)
    assert told["champion"]["uri"] == AFTER
    assert told["lastTrained"]["digest"] == digest("a")
    logs = (loop.cluster.log_dir / "operator.log").read_text()
    assert TOKEN not in logs
