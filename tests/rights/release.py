"""The chart's roles as Helm renders them."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any, Final

import yaml

from tests.cluster.helm import CHART, find_helm
from tests.rights.rules import rules_for

Raw = dict[str, Any]

NAMESPACE: Final = "serinus-system"
NAME: Final = "serinus"
ACCOUNT: Final = f"system:serviceaccount:{NAMESPACE}:{NAME}"
"""Who the operator of the tests is, in the audit log."""

_GROUP: Final = "rbac.authorization.k8s.io/"


def render_roles(values: Raw) -> list[Raw]:
    """Roles and bindings of a release with these values."""
    command = [str(find_helm()), "template", NAME, str(CHART), "--namespace", NAMESPACE, "--values", "-"]
    done = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError(done.stderr.strip())
    return [one for one in yaml.safe_load_all(done.stdout) if one and one["apiVersion"].startswith(_GROUP)]


def render_rules(values: Raw) -> Iterator[Raw]:
    """The rules that the operator has."""
    return rules_for(render_roles(values), NAME)
