"""The customizations of the chart, in the layout in which Argo CD keeps its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from tests.cluster.paths import REPOSITORY

ARGOCD: Final = REPOSITORY / "charts" / "serinus" / "argocd"
EXAMPLES: Final = REPOSITORY / "examples" / "argocd"
GROUP: Final = "serinus.dev"
FOLDER: Final = ARGOCD / "resource_customizations" / GROUP
KINDS: Final = (
    "MetricsProvider",
    "ModelApproval",
    "ModelDeployment",
    "ModelRevision",
    "RetrainPolicy",
    "RetrainRun",
)


def read_health(kind: str) -> str:
    """The health script of a kind."""
    return (FOLDER / kind / "health.lua").read_text()


def read_discovery(kind: str) -> str | None:
    """The script that says which actions a kind has; None where it has none."""
    file = FOLDER / kind / "actions" / "discovery.lua"
    return file.read_text() if file.exists() else None


def read_actions(kind: str) -> dict[str, str]:
    """The script of each action of a kind, by name."""
    return {file.parent.name: file.read_text() for file in sorted((FOLDER / kind / "actions").glob("*/action.lua"))}


def read_yaml(path: Path) -> Any:
    """The only document of a file."""
    return yaml.safe_load(path.read_text())


def list_objects(kind: str) -> Iterator[Path]:
    """Every object that the tests of a kind look at."""
    yield from sorted((FOLDER / kind / "testdata").glob("*.yaml"))
