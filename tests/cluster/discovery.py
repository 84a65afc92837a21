"""Tells Prometheus which pods to scrape: Debian's build has no Kubernetes discovery, so this process writes its target
file.

`python -m tests.cluster.discovery KEYS TARGETS`: every half second, the running pods annotated
prometheus.io/scrape=true."""

import json
import ssl
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

INTERVAL = 0.5


def find_targets(pods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Prometheus target groups, labelled with namespace and pod as most installations do."""
    groups = []
    for pod in pods:
        metadata, status = pod["metadata"], pod.get("status", {})
        wishes = metadata.get("annotations") or {}
        if wishes.get("prometheus.io/scrape") != "true" or status.get("phase") != "Running" or not status.get("podIP"):
            continue
        address = f"{status['podIP']}:{wishes.get('prometheus.io/port', '8080')}"
        labels = {"namespace": metadata["namespace"], "pod": metadata["name"]}
        if "prometheus.io/path" in wishes:
            labels["__metrics_path__"] = wishes["prometheus.io/path"]
        groups.append({"targets": [address], "labels": labels})
    return groups


def main(keys: Path, target: Path) -> None:
    """Keep the target file true until killed."""
    context = ssl.create_default_context(cafile=str(keys / "ca.crt"))
    context.load_cert_chain(keys / "admin.crt", keys / "admin.key")
    last = ""
    while True:
        try:
            url = "https://127.0.0.1:6443/api/v1/pods"
            with urllib.request.urlopen(url, context=context, timeout=2) as answer:
                text = json.dumps(find_targets(json.load(answer)["items"]), sort_keys=True)
        except OSError as error:
            print(f"API server: {error}", flush=True)
        else:
            if text != last:
                part = target.with_suffix(".part")
                part.write_text(text)
                part.rename(target)
                last = text
        time.sleep(INTERVAL)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
