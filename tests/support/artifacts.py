"""A registry of files: static manifests and blobs are all that one for public artifacts needs."""

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cluster import Cluster
from tests.loader.registry import LAYER, MANIFEST, pack


class Artifacts:
    """Serves artifacts at `host`, inside the network namespace of a cluster."""

    def __init__(self, cluster: Cluster, folder: Path, address: str, port: int) -> None:
        self.cluster = cluster
        self.root = folder
        self.host = f"{address}:{port}"
        self._listen = [str(port), "--bind", address, "--directory", str(folder)]
        self._process: Any = None
        folder.mkdir(parents=True)

    def push(self, tag: str, files: Mapping[str, bytes], repository: str = "fraud") -> str:
        """Let a tag mean an artifact with these files; its digest."""
        layer = pack(files)
        blob = self._write(repository, "blobs", _digest(layer), layer)
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": [{"mediaType": LAYER, "digest": blob.name}]}
        content = json.dumps(manifest).encode()
        self._write(repository, "manifests", tag, content)
        return self._write(repository, "manifests", _digest(content), content).name

    def alter(self, digest: str, files: Mapping[str, bytes], repository: str = "fraud") -> None:
        """Put other bytes in place of the layer of an artifact."""
        folder = self.root / "v2" / repository
        manifest = json.loads((folder / "manifests" / digest).read_text())
        (folder / "blobs" / manifest["layers"][0]["digest"]).write_bytes(pack(files))

    def start(self) -> None:
        self._process = self.cluster.popen([sys.executable, "-m", "http.server", *self._listen], stdout=-3, stderr=-3)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)

    def _write(self, repository: str, kind: str, name: str, content: bytes) -> Path:
        path = self.root / "v2" / repository / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
