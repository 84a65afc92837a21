"""promtool comes with Debian's Prometheus, like that of the clusters."""

import os
import shutil

import pytest

from tests.cluster import bootstrap


@pytest.fixture(scope="session")
def promtool() -> str:
    if os.environ.get("CI"):
        bootstrap.install_packages()
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is missing: apt-get install prometheus")
    return found
