"""`helm template`, and what came out of it."""

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.helm import CHART, find_helm

CASES = sorted((CHART / "ci").glob("*-values.yaml"))
NAMESPACE = "serinus-system"

Manifest = dict[str, Any]


@cache
def run_template(*arguments: str, values: str = "", name: str = "serinus") -> subprocess.CompletedProcess[str]:
    """Render the chart as a release, with `values` as YAML."""
    command = [str(find_helm()), "template", name, str(CHART), "-n", NAMESPACE, "--values", "-", *arguments]
    return subprocess.run(command, input=values, capture_output=True, text=True, check=False)


def render(*arguments: str, values: str = "", name: str = "serinus", crds: bool = False) -> list[Manifest]:
    """Every object of the chart; without the CRDs unless they are asked for, as they take the most time by far."""
    without = () if crds else ("--set", "crds.install=false")
    done = run_template(*without, *arguments, values=values, name=name)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.load_all(done.stdout, yaml.CSafeLoader) if one]


@cache
def render_case(path: Path) -> tuple[Manifest, ...]:
    """The same with one of the files in ci/; not to be changed."""
    return tuple(render(values=path.read_text(), crds=True))


def refuse(values: str) -> str:
    """What Helm says of values that it must not take."""
    done = run_template(values=values)
    assert done.returncode != 0, "Helm took it"
    assert done.stdout == ""
    return done.stderr


def find(objects: list[Manifest] | tuple[Manifest, ...], kind: str, name: str = "") -> Manifest:
    """The one object of a kind (and name)."""
    found = [one for one in objects if one["kind"] == kind and name in ("", one["metadata"]["name"])]
    assert len(found) == 1, f"{len(found)} of {kind} {name}"
    return found[0]


def find_all(objects: list[Manifest] | tuple[Manifest, ...], kind: str) -> Iterator[Manifest]:
    return (one for one in objects if one["kind"] == kind)


def read_environment(deployment: Manifest) -> dict[str, str]:
    """Variables of the operator that have a value of their own."""
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    names = [variable["name"] for variable in container["env"]]
    assert len(names) == len(set(names)), "a variable stands there twice, and server-side apply refuses that"
    return {variable["name"]: variable["value"] for variable in container["env"] if "value" in variable}
