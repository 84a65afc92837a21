"""The snippet for argocd-cm says what the files say."""

import subprocess
import sys
from pathlib import Path

import yaml

from tests.argocd.customizations import ARGOCD, FOLDER, KINDS, read_actions, read_health, read_yaml


def test_it_is_fresh_and_a_stale_one_is_noticed(tmp_path: Path) -> None:
    stale = tmp_path / "argocd-cm.yaml"
    stale.write_text((ARGOCD / "argocd-cm.yaml").read_text().replace("Suspended", "Healthy"))
    for file, status in ((ARGOCD / "argocd-cm.yaml", 0), (stale, 1), (tmp_path / "missing.yaml", 1)):
        command = [sys.executable, "-m", "tests.argocd.snippet", "--check", str(file)]
        assert subprocess.run(command, capture_output=True, check=False).returncode == status


def test_argo_cd_reads_from_it_what_the_files_hold() -> None:
    data = read_yaml(ARGOCD / "argocd-cm.yaml")["data"]
    healths = {f"resource.customizations.health.serinus.dev_{kind}": read_health(kind) for kind in KINDS}
    assert {name: text for name, text in data.items() if ".health." in name} == healths
    for kind in KINDS:
        said = data.get(f"resource.customizations.actions.serinus.dev_{kind}")
        assert (said is not None) == (FOLDER / kind / "actions").exists()
        if said is not None:
            actions = yaml.safe_load(said)
            assert {one["name"]: one["action.lua"] for one in actions["definitions"]} == read_actions(kind)
            assert actions["discovery.lua"] == (FOLDER / kind / "actions" / "discovery.lua").read_text()
