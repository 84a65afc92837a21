"""What goes into the operator's image, in four steps that the Containerfile runs and that run without it as well.

`root` unpacks Debian's Python and nothing that could start something else; `packages` installs what is locked, without
what is never loaded; `code` copies and compiles the operator; `sbom` lists it all. Needs Debian 12 and Python 3.11, and
nothing besides. No step looks at this machine's own packages."""

import argparse
import compileall
import json
import os
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

DEBIAN = (
    "base-files",
    "ca-certificates",
    "gcc-12-base",
    "libbz2-1.0",
    "libc6",
    "libcrypt1",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libssl3",
    "libstdc++6",
    "libuuid1",
    "media-types",
    "netbase",
    "python3.11-minimal",
    "zlib1g",
)
"""With what they need, and without shell, package manager and everything else that runs."""

KEPT = ("bin", "etc", "lib", "lib64", "sbin", "usr", "var")
NEEDLESS = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/lintian",
    "usr/lib/valgrind",
    "usr/sbin",
    "var/lib/systemd",
)
ACCOUNTS = "root:x:0:0:root:/root:/usr/sbin/nologin\nserinus:x:65532:65532:serinus:/app:/usr/sbin/nologin\n"
GROUP = "root:x:0:\nserinus:x:65532:\n"

GENERATED = (
    "kubernetes/client/api",
    "kubernetes/client/models",
    "kubernetes/aio/client/api",
    "kubernetes/aio/client/models",
)
"""Typed calls and models of every kind there is, loaded one by one when they are first asked for. The operator speaks
in raw dicts, so only those stay that the package itself loads at once."""

LOADED = "import sys, kubernetes.aio; print(*(getattr(m, '__file__', None) or '' for m in sys.modules.values()))"


def build_root(folder: Path) -> None:
    """Debian's packages, unpacked. Each leaves its control file where scanners look for it."""
    with tempfile.TemporaryDirectory() as downloads:
        # apt hands downloads to a user who may not write everywhere.
        _run("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *DEBIAN, cwd=Path(downloads))
        known = folder / "var/lib/dpkg/status.d"
        known.mkdir(parents=True)
        for archive in sorted(Path(downloads).glob("*.deb")):
            _run("dpkg-deb", "--extract", str(archive), str(folder), cwd=folder)
            control = _run("dpkg-deb", "--field", str(archive), cwd=folder)
            name = _read_field(control, "Package")
            (known / name).write_text(f"{control.rstrip()}\nStatus: install ok installed\n")
    for path in folder.iterdir():
        if path.name not in KEPT:
            shutil.rmtree(path)
    for needless in NEEDLESS:
        shutil.rmtree(folder / needless, ignore_errors=True)
    _finish_root(folder)


def _finish_root(folder: Path) -> None:
    """What the packages' own scripts would do."""
    (folder / "etc/passwd").write_text(ACCOUNTS)
    (folder / "etc/group").write_text(GROUP)
    authorities = sorted((folder / "usr/share/ca-certificates/mozilla").glob("*.crt"))
    (folder / "etc/ssl/certs").mkdir(parents=True, exist_ok=True)
    (folder / "etc/ssl/certs/ca-certificates.crt").write_text("".join(path.read_text() for path in authorities))
    shutil.rmtree(folder / "usr/share/ca-certificates")
    (folder / "usr/bin/python3").symlink_to("python3.11")
    for empty in ("app", "tmp", "proc", "sys", "dev"):
        (folder / empty).mkdir(exist_ok=True)
    (folder / "tmp").chmod(0o1777)
    _compile(folder / "usr/lib/python3.11")


def install_packages(folder: Path, requirements: Path) -> None:
    """What is locked, by hash, for the Python of the image."""
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--root-user-action=ignore",
    ]
    pip += ["--no-cache-dir", "--no-compile", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    _run(*pip, "--python-version", "3.11", "--target", str(folder), "-r", str(requirements), cwd=requirements.parent)
    shutil.rmtree(folder / "bin", ignore_errors=True)
    for path in folder.glob("*.md"):
        path.unlink()
    loaded = set(_run(sys.executable, "-B", "-c", LOADED, cwd=folder, PYTHONPATH=str(folder)).split())
    for generated in GENERATED:
        for path in (folder / generated).glob("*.py"):
            if str(path) not in loaded:
                path.unlink()
    _compile(folder)


def copy_code(folder: Path, source: Path) -> None:
    """The package `serinus` and nothing that lies beside it or came out of it."""
    shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    _compile(folder)


def write_sbom(file: Path, root: Path, packages: Path, version: str) -> None:
    """CycloneDX 1.6: the operator, Python packages, Debian packages."""
    operator = {"type": "application", "bom-ref": "serinus", "name": "serinus", "version": version}
    operator |= {"licenses": [{"license": {"id": "Apache-2.0"}}]}
    components = [*_list_python(packages), *_list_debian(root / "var/lib/dpkg/status.d")]
    components.sort(key=lambda component: component["purl"])
    needed = [component["bom-ref"] for component in components]
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": operator},
        "components": components,
        "dependencies": [{"ref": "serinus", "dependsOn": needed}],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(bom, indent=1) + "\n")


def _list_python(folder: Path) -> Iterator[dict[str, Any]]:
    for found in distributions(path=[str(folder)]):
        name = re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower()
        yield _describe(f"pkg:pypi/{name}@{found.version}", name, found.version) | _read_licenses(found)


def _read_licenses(found: Distribution) -> dict[str, Any]:
    # What stands in the older field is free text and, at worst, the whole licence.
    expression, text = found.metadata.get("License-Expression"), found.metadata.get("License") or ""
    if expression:
        return {"licenses": [{"expression": expression}]}
    return {"licenses": [{"license": {"name": text}}]} if text and "\n" not in text else {}


def _list_debian(folder: Path) -> Iterator[dict[str, Any]]:
    for path in folder.iterdir():
        control = path.read_text()
        name, version = _read_field(control, "Package"), _read_field(control, "Version")
        where = f"?arch={_read_field(control, 'Architecture')}&distro=debian-12"
        yield _describe(f"pkg:deb/debian/{quote(name)}@{quote(version)}{where}", name, version)


def _describe(purl: str, name: str, version: str) -> dict[str, Any]:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _read_field(control: str, name: str) -> str:
    found = re.search(rf"^{name}: (.*)$", control, re.MULTILINE)
    if found is None:
        raise SystemExit(f"image: a Debian package without the field {name}:\n{control}")
    return found[1].strip()


def _compile(folder: Path) -> None:
    """For a root that cannot be written to. Python is told never to look whether a source is newer, so the bytes are
    the same at every build."""
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    # Files that are made to be broken come with some packages.
    compileall.compile_dir(folder, quiet=2, invalidation_mode=mode, stripdir=str(folder), prependdir="/", workers=0)


def _run(*command: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"image: {' '.join(command[:4])} … failed:\n{(done.stderr or done.stdout).strip()[-1500:]}")
    return done.stdout


def main() -> int:
    """Run one step."""
    parser = argparse.ArgumentParser(prog="image.py", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    for step in ("root", "packages", "code", "sbom"):
        one = steps.add_parser(step)
        one.add_argument("target", type=Path, help="what to make")
        for name in {"packages": ["requirements"], "code": ["source"], "sbom": ["root", "packages"]}.get(step, []):
            one.add_argument(name, type=Path)
        if step == "sbom":
            one.add_argument("version")
    given = parser.parse_args()
    target = given.target.absolute()
    (target.parent if given.step == "sbom" else target).mkdir(parents=True, exist_ok=True)
    match given.step:
        case "root":
            build_root(target)
        case "packages":
            install_packages(target, given.requirements.absolute())
        case "code":
            copy_code(target, given.source.absolute())
        case "sbom":
            write_sbom(target, given.root, given.packages, given.version)
    return 0


if __name__ == "__main__":
    sys.exit(main())
