"""What the README shows is what there is, and what Serinus would take."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import yaml

from examples.checks.sample.server import respond
from examples.checks.serinus_checks.config import Check, Model
from examples.checks.serinus_checks.metrics import FAIRNESS, METRICS
from serinus.api.modeldeployment import ModelDeploymentSpec
from serinus.api.validate import check_model_deployment
from tests.checks.bench import SAMPLE, go
from tests.checks.conftest import Serve

FOLDER = SAMPLE.parent
README = (FOLDER / "README.md").read_text()


@pytest.mark.parametrize("file", ["sample/checks.yaml", "modeldeployment.yaml"])
def test_the_readme_shows_the_file_as_it_is(file: str) -> None:
    assert f"```yaml\n{(FOLDER / file).read_text()}```" in README


def test_the_readme_names_every_kind_and_every_metric() -> None:
    kinds: list[type[Model]] = list(get_args(get_args(Check)[0]))
    assert len(kinds) == 7
    for kind in kinds:
        assert f"\n| {get_args(kind.model_fields['kind'].annotation)[0]} | " in README
    assert [name for name in METRICS if name not in README] == []
    assert [name for name in FAIRNESS if name.rpartition("_")[0] not in README] == []


def test_the_model_deployment_is_valid_and_bounds_values_that_the_sample_reports(serve: Serve, tmp_path: Path) -> None:
    document = yaml.safe_load((FOLDER / "modeldeployment.yaml").read_text())
    spec = check_model_deployment(document["metadata"]["name"], document["spec"])
    assert isinstance(spec, ModelDeploymentSpec), spec
    assert spec.rollout is not None
    bounds = {name: bound for one in spec.rollout.validation or () for name, bound in (one.bounds or {}).items()}
    values = go(serve(respond), SAMPLE / "checks.yaml", tmp_path / "results").values
    assert bounds
    assert bounds.keys() <= values.keys()


def run_own(folder: Path, old: str, new: str) -> tuple[int, str]:
    """The tests of own/ with one change in the code they test."""
    shutil.copytree(FOLDER / "own", folder / "own", ignore=shutil.ignore_patterns("__pycache__"))
    code = folder / "own" / "preprocess.py"
    assert old in code.read_text()
    code.write_text(code.read_text().replace(old, new))
    results = folder / "results"
    env = {**os.environ, "SERINUS_RESULTS": str(results), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run([sys.executable, folder / "own" / "run.py"], env=env, capture_output=True, check=False)
    return done.returncode, results.read_text() if results.exists() else ""


@pytest.mark.parametrize(
    ("old", "new", "ended"),
    [
        ("log1p", "log1p", (0, "")),
        (
            '.astimezone(ZoneInfo(payment["time_zone"]))',
            "",
            (1, "1 tests failed: test_the_hour_is_that_of_the_card_in_summer_too"),
        ),
        ("def build_features", "def make_features", (64, "")),
    ],
    ids=["passes", "fails", "cannot be run"],
)
def test_own_tests_end_in_the_way_that_serinus_understands(
    tmp_path: Path, old: str, new: str, ended: tuple[int, str]
) -> None:
    code, told = run_own(tmp_path, old, new)
    assert code == ended[0]
    assert ended[1] in told
