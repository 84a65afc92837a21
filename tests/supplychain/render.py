"""What the chart makes: with the values that are the default, and with the others that it is tried with."""

import subprocess
from pathlib import Path

from tests.cluster.helm import CHART, find_helm

APIS = ("monitoring.coreos.com/v1",)


def render(folder: Path) -> dict[str, Path]:
    """Write `helm template` for each set of values in charts/serinus/ci into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for values in sorted((CHART / "ci").glob("*-values.yaml")):
        name = values.name.removesuffix("-values.yaml")
        apis = [part for api in APIS for part in ("--api-versions", api)]
        command = [str(find_helm()), "template", "serinus", str(CHART), "--namespace", "serinus-system", *apis]
        done = subprocess.run([*command, "-f", str(values)], check=True, capture_output=True, text=True)
        files[name] = folder / f"{name}.yaml"
        files[name].write_text(done.stdout)
    return files
