"""What the chart makes: with the values that are the default, and with everything switched on."""

import subprocess
from pathlib import Path

from tests.cluster.helm import CHART, find_helm

FULL = Path(__file__).parent / "values-full.yaml"
NAMESPACED = Path(__file__).parent / "values-namespaced.yaml"
APIS = ("monitoring.coreos.com/v1",)


def render(folder: Path) -> dict[str, Path]:
    """Write `helm template` for each set of values into `folder`; the CRDs, checked elsewhere, come in the first."""
    folder.mkdir(parents=True, exist_ok=True)
    sets = {"default": [], "full": ["-f", str(FULL)], "namespaced": ["-f", str(NAMESPACED)]}
    files = {}
    for name, values in sets.items():
        apis = [part for api in APIS for part in ("--api-versions", api)]
        command = [str(find_helm()), "template", "serinus", str(CHART), "--namespace", "serinus-system", *apis, *values]
        files[name] = folder / f"{name}.yaml"
        files[name].write_text(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return files
