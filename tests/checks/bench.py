"""A run of the checks in a folder of its own, against a model that a test makes up."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from examples.checks.serinus_checks.run import run

SAMPLE = Path(__file__).parents[2] / "examples" / "checks" / "sample"

Row = Mapping[str, Any]

JSON = {
    "protocol": "JSON",
    "path": "/predict",
    "healthPath": "/",
    "reachableWithinSeconds": 0,
    "timeoutSeconds": 5,
}


@dataclass(frozen=True)
class Run:
    code: int
    said: str
    log: tuple[str, ...]

    @property
    def values(self) -> dict[str, float]:
        values: dict[str, float] = json.loads(self.said)
        return values

    def find(self, text: str) -> str:
        """The line of the log with this text."""
        found = [line for line in self.log if text in line]
        assert found, f"no line has {text!r}:\n" + "\n".join(self.log)
        return found[0]


def go(url: str, config: Path, results: Path, **env: str) -> Run:
    lines: list[str] = []
    given = {"SERINUS_TARGET_URL": url, "SERINUS_CHECKS_CONFIG": str(config), "SERINUS_RESULTS": str(results), **env}
    code = run(given, lines.append)
    return Run(code, results.read_text() if results.exists() else "", tuple("\n".join(lines).splitlines()))


def check(
    tmp_path: Path,
    url: str,
    checks: Sequence[Mapping[str, Any]],
    rows: Sequence[Row],
    env: Mapping[str, str],
    **more: Any,
) -> Run:
    """Run `checks`, each on the same `rows` with the feature x and the label y; `more` goes into the configuration."""
    config = {
        "target": JSON,
        "features": {"x": "FP64"},
        "data": {"rows": {"file": "rows.jsonl", "label": "y"}},
        "checks": [{"name": "c", "data": "rows", **one} for one in checks],
        **more,
    }
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "checks.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return go(url, tmp_path / "checks.yaml", tmp_path / "results", **env)
