"""The house rules that no import contract can state."""

import ast
import operator
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "operator" / "serinus"

ONLY_IN = {
    "kopf": "shell",
    "kubernetes": "kube",
    "prometheus_api_client": "metrics",
    "dulwich": "forge",
}


def imported_by(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_the_folder_named_operator_does_not_hide_the_standard_library() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()
    assert operator.__file__ is not None
    assert Path(operator.__file__).parent == Path(sysconfig.get_path("stdlib"))


@pytest.mark.parametrize(("library", "ring"), ONLY_IN.items())
def test_each_client_library_is_imported_in_one_package_only(library: str, ring: str) -> None:
    importers = {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if library in imported_by(path)}
    assert importers, f"nobody imports {library}: the test looks in the wrong place"
    assert {path.parts[0] for path in importers} == {ring}


def test_every_package_is_a_package() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []
