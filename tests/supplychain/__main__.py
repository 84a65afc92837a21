"""`python -m tests.supplychain`: what can be said of our own supply chain without a network. Prints what is wrong.

`python -m tests.supplychain count FILE...`: checks passed and failed of manifests, by the same rules as for ours.
`python -m tests.supplychain baseline`: write .secrets.baseline anew, after each finding was looked at."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.cluster.paths import REPOSITORY
from tests.supplychain.render import render
from tests.supplychain.tools import find

BUILD = REPOSITORY / "build" / "supplychain"
BASELINE = ".secrets.baseline"
LOCK = "operator/requirements.txt"

SKIPPED = {
    "CKV_K8S_11": "no CPU limit: a throttled operator rolls back late; memory has a limit, and CPU a request",
    "CKV_K8S_38": "the service account's token is mounted: an operator talks to the API server",
    "CKV_K8S_21": "a Role in namespace default: Events about cluster-scoped objects have to stand there",
}
"""Checks of checkov that we do not follow, whatever the values, and why."""
SKIPPED_BY_DEFAULT = SKIPPED | {
    "CKV_K8S_15": "IfNotPresent: tags of releases are never moved; set image.pullPolicy if yours are",
    "CKV_K8S_43": "image by tag: a release sets image.digest in its notes, which wins; the full values have it",
    "CKV2_K8S_6": "NetworkPolicy off: nobody but the admin knows where API server and Prometheus are; the full values"
    " have it on",
}
"""The same for the values that are the default."""


class WrongError(Exception):
    """What a tool found."""


def run(command: str, *arguments: str | Path, words: str = "", allowed: Iterable[int] = (0,)) -> str:
    """Run a tool in the repository; WrongError with what it says unless it ends well."""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "NO_COLOR": "1"}
    asked = [str(find(command)), *map(str, arguments)]
    done = subprocess.run(asked, cwd=REPOSITORY, capture_output=True, text=True, check=False, env=environment)
    if done.returncode not in allowed:
        raise WrongError(f"{(done.stdout + done.stderr).strip()[-6000:]}\n{words}".strip())
    return done.stdout


def list_files(*patterns: str) -> list[str]:
    """Files that are, or would be, under version control."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    names = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout.split("\n")
    return sorted(name for name in names if name and (REPOSITORY / name).is_file())


def check_code() -> str:
    run("bandit", "-q", "-r", "operator", "examples", "-c", "pyproject.toml", "--severity-level", "medium")
    return "no finding of medium or high severity"


def check_dependencies() -> str:
    """Whether the lock has every dependency with its hashes. Known vulnerabilities need PyPI or OSV: see ci.yaml."""
    run("pip-audit", "--disable-pip", "--require-hashes", "--dry-run", "-r", LOCK, "--progress-spinner", "off")
    return "the lock is whole and hashed; vulnerabilities are looked up in CI only, which needs the internet"


def check_secrets() -> str:
    words = "a real one: take it out and revoke it; a false alarm: make secrets-baseline, and look at what it adds"
    run("detect-secrets-hook", "--baseline", BASELINE, "--no-verify", *list_files(), words=words)
    return "nothing beyond the baseline"


def check_containerfiles() -> str:
    files = list_files("*Containerfile*")
    run("hadolint", *files)
    return f"{len(files)} Containerfiles"


def check_workflows() -> str:
    files = list_files(".github/workflows/*.yaml")
    run("actionlint", "-shellcheck=", "-pyflakes=", *files)
    run("zizmor", "--offline", "--persona", "pedantic", "--no-progress", ".github")
    return f"{len(files)} workflows"


def check_yaml(rendered: dict[str, Path]) -> str:
    files = list_files("*.yaml", "*.yml")
    run("yamllint", "--strict", "--format", "parsable", *files, *rendered.values())
    return f"{len(files)} files and {len(rendered)} renderings"


def check_schemas(rendered: dict[str, Path]) -> str:
    """Against the schemas of the oldest and of the newest server that they are meant for."""
    for version in ("1.34.0", "1.37.0"):
        options = ["--strict", "--quiet", "--no-warn", "-k", version]
        run("kubernetes-validate", *options, *rendered.values())
    return f"{len(rendered)} renderings"


def count_checks(files: Iterable[Path], skipped: Iterable[str] = ()) -> dict[str, Any]:
    """Passed and failed checks of checkov, and which failed."""
    arguments = [part for file in files for part in ("-f", str(file))]
    skips = ["--skip-check", ",".join(skipped)] if skipped else []
    options = ["--framework", "kubernetes", "--skip-download", "--compact", "--quiet", "-o", "json"]
    found = json.loads(run("checkov", *arguments, *options, *skips, allowed=(0, 1)))
    summary = found.get("summary", found)
    failed = found.get("results", {}).get("failed_checks", [])
    return {
        "passed": summary["passed"],
        "failed": summary["failed"],
        "which": [f"{one['check_id']} {one['resource']}: {one['check_name']}" for one in failed],
    }


def check_manifests(rendered: dict[str, Path]) -> str:
    told = []
    for name, file in rendered.items():
        counted = count_checks([file], SKIPPED if name == "full" else SKIPPED_BY_DEFAULT)
        if counted["failed"]:
            raise WrongError("\n".join([f"helm template with {name} values:", *counted["which"]]))
        told.append(f"{name} {counted['passed']} passed")
    return f"{', '.join(told)}, none failed; {len(SKIPPED_BY_DEFAULT)} checks skipped, with reasons"


EXCLUDED = ("--exclude-files", r"(go\.sum|requirements\.txt|\.secrets\.baseline|testdata/.*|\.txt|\.jsonl)$")


def write_baseline() -> int:
    """Note what looks like a secret and is none, in tests mostly."""
    command = [str(find("detect-secrets-hook")).replace("-hook", ""), "scan", "--no-verify", *EXCLUDED, *list_files()]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    said.pop("generated_at")
    for found in said["results"].values():
        for one in found:
            one["is_secret"] = False
    (REPOSITORY / BASELINE).write_text(json.dumps(said, indent=2) + "\n")
    print(f"{sum(map(len, said['results'].values()))} findings, all marked as no secrets: look at git diff {BASELINE}")
    return 0


def main() -> int:
    if sys.argv[1:2] == ["count"]:
        print(json.dumps(count_checks(map(Path, sys.argv[2:])), indent=2))
        return 0
    if sys.argv[1:2] == ["baseline"]:
        return write_baseline()
    rendered = render(BUILD)
    checks: dict[str, Callable[[], str]] = {
        "checkov": lambda: check_manifests(rendered),
        "bandit": check_code,
        "detect-secrets": check_secrets,
        "kubernetes-validate": lambda: check_schemas(rendered),
        "yamllint": lambda: check_yaml(rendered),
        "hadolint": check_containerfiles,
        "actionlint, zizmor": check_workflows,
        "pip-audit": check_dependencies,
    }
    begun = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        wrong = [name for name, well in zip(checks, pool.map(_tell, checks.items()), strict=True) if not well]
    print(f"supply chain: {len(checks) - len(wrong)} of {len(checks)} well, {time.monotonic() - begun:.0f} s")
    return 1 if wrong else 0


def _tell(check: tuple[str, Callable[[], str]]) -> bool:
    name, work = check
    try:
        print(f"{name}: {work()}", flush=True)
    except WrongError as error:
        print(f"{name}: WRONG\n{error}", flush=True)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
