"""`python -m tests.cluster.lock`: lock what the operator's image installs; with --check, see that the lock is of the
dependencies that pyproject.toml has now. Making it needs the package index, checking it does not."""

import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.cluster.bootstrap import python_tools
from tests.cluster.paths import REPOSITORY

UV = "uv==0.13.9"
LOCK = REPOSITORY / "operator" / "requirements.txt"
EXTRAS = ("git", "events")
MARK = "# for dependencies sha256:"


def digest_dependencies(project: Path) -> str:
    """A hash over what the lock was made from."""
    table = tomllib.loads(project.read_text())["project"]
    wanted = [table["requires-python"], table["dependencies"], *(table["optional-dependencies"][e] for e in EXTRAS)]
    return hashlib.sha256(json.dumps(wanted).encode()).hexdigest()


def is_current(lock: Path, project: Path) -> bool:
    """Whether a lock was made from the dependencies that a project has now."""
    return f"{MARK}{digest_dependencies(project)}" in lock.read_text().splitlines()


def write_lock() -> None:
    """Lock for every platform, with the hash of each file that may be installed and without saying where from."""
    project = REPOSITORY / "pyproject.toml"
    command = [str(python_tools(UV) / "uv"), "pip", "compile", str(project), "--upgrade", "--quiet", "--universal"]
    command += ["--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url"]
    command += [part for extra in EXTRAS for part in ("--extra", extra)]
    locked = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    LOCK.write_text(f"# Made by `make lock`. With the extras {', '.join(EXTRAS)};\n")
    with LOCK.open("a") as file:
        file.write(f"{MARK}{digest_dependencies(project)}\n{locked}")


def main() -> int:
    """Write the lock, or with --check say whether it is current."""
    if sys.argv[1:] != ["--check"]:
        write_lock()
        return 0
    if is_current(LOCK, REPOSITORY / "pyproject.toml"):
        return 0
    print(f"{LOCK.relative_to(REPOSITORY)} is not of these dependencies: run `make lock`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
