"""The assumptions of the adapters, checked against a real API server."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import Cluster


@pytest.mark.apiserver
def test_a_real_api_server_answers_as_the_adapters_expect(bare_control_plane: Cluster) -> None:
    story = bare_control_plane.run(
        [sys.executable, "-m", "tests.kube.apiserver_story", str(bare_control_plane.kubeconfig)],
        cwd=Path(__file__).parents[2],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert story.returncode == 0, story.stdout.decode()
