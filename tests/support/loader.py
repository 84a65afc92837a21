"""The sample loader image, built from examples/loader as its Containerfile does it."""

from pathlib import Path
from typing import Final

from tests.cluster.images import python_image
from tests.cluster.paths import REPOSITORY

LOADER: Final = "localhost/serinus-loader:1"
SOURCE: Final = REPOSITORY / "examples" / "loader"


def requirements() -> list[str]:
    lines = (SOURCE / "requirements.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def loader_image() -> Path:
    return python_image(
        "serinus-loader",
        "1",
        requirements=requirements(),
        files={"/app/serinus_loader": SOURCE / "serinus_loader"},
        command=["/usr/bin/python3", "-m", "serinus_loader"],
    )
