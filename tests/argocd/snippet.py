"""The health scripts and actions as what an administrator adds to the ConfigMap argocd-cm.

python -m tests.argocd.snippet charts/serinus/argocd/argocd-cm.yaml
python -m tests.argocd.snippet --check charts/serinus/argocd/argocd-cm.yaml
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.argocd.customizations import GROUP, KINDS, read_actions, read_discovery, read_health

HEAD = """\
# Made by `make docs` from the Lua files beside it; edit there. What it does: docs/gitops.md.
#
#   kubectl patch configmap argocd-cm -n argocd --patch-file charts/serinus/argocd/argocd-cm.yaml
#
# With the chart argo-cd, put `data` under configs.cm of its values.
"""


class _Text(str):
    """Written as a block, as a person would."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(_Text, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|"))


def build_data() -> dict[str, str]:
    """The keys of argocd-cm, each with its text."""
    data: dict[str, str] = {}
    for kind in KINDS:
        data[f"resource.customizations.health.{GROUP}_{kind}"] = read_health(kind)
        discovery = read_discovery(kind)
        if discovery is not None:
            actions = [{"name": name, "action.lua": _Text(text)} for name, text in read_actions(kind).items()]
            said = _dump({"discovery.lua": _Text(discovery), "definitions": actions})
            data[f"resource.customizations.actions.{GROUP}_{kind}"] = said
    return data


def build_snippet() -> str:
    """The whole file."""
    metadata = {
        "name": "argocd-cm",
        "namespace": "argocd",
        "labels": {"app.kubernetes.io/name": "argocd-cm", "app.kubernetes.io/part-of": "argocd"},
    }
    data = {name: _Text(text) for name, text in build_data().items()}
    return HEAD + _dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def _dump(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=120)


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the snippet for argocd-cm.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--check", action="store_true", help="fail if the file is not what would be written")
    arguments = parser.parse_args()
    wanted = build_snippet()
    if not arguments.check:
        arguments.file.write_text(wanted)
        return 0
    if not arguments.file.exists() or arguments.file.read_text() != wanted:
        print(f"{arguments.file} is not what the Lua files say: run make docs", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
