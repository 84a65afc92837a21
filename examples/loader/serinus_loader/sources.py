"""Where models come from, one function for each scheme. Libraries are imported by the function that needs them, so that
a slimmer image may leave some out."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import requests

from .errors import AwayError, ConfigError, MissingError
from .files import ARCHIVES, CHUNK, TIMEOUT, expect, place, unpack, write
from .oci import load_oci


def load_model(uri: str, target: Path, scratch: Path, signature: str | None, env: Mapping[str, str]) -> None:
    """Load what `uri` names into `target`; `signature` is fetched from beside the model where that is one file."""
    scheme = uri.partition(":")[0]
    if scheme == "https":
        _load_https(uri, target, scratch, signature)
    elif scheme == "oci":
        load_oci(uri, target, scratch, env)
    elif scheme in ("s3", "gs"):
        _load_bucket(scheme, uri, target, signature)
    elif scheme == "hf":
        _load_huggingface(uri, target)
    elif scheme == "models":
        _load_mlflow(uri, target)
    else:
        raise ConfigError(f"{uri}: this loader does not know {scheme}")
    if not any(path.is_file() for path in target.rglob("*") if scratch not in path.parents):
        raise MissingError(f"{uri} holds no file")


def _load_https(uri: str, target: Path, scratch: Path, signature: str | None) -> None:
    """One file, or an archive that is unpacked; with #sha256=HEX it must have that digest."""
    parts = urlsplit(uri)
    name = PurePosixPath(parts.path).name or "model"
    packed = name.endswith(ARCHIVES)
    path = scratch / "file" if packed else place(target, name)
    found = _download(uri, path)
    if parts.fragment:
        expect(uri.partition("#")[0], found, parts.fragment.removeprefix("sha256="))
    if packed:
        unpack(path, target, name)
    elif signature is not None:
        _download(f"{uri.partition('#')[0].rpartition('/')[0]}/{signature}", place(target, signature))


def _download(url: str, path: Path) -> str:
    try:
        with requests.get(url.partition("#")[0], stream=True, timeout=TIMEOUT) as answer:
            if not answer.url.startswith("https://"):
                raise ConfigError(f"{url} leads to {answer.url}, which is not https")
            if answer.status_code in (404, 410):
                raise MissingError(f"{url}: HTTP {answer.status_code}")
            if answer.status_code != 200:
                raise AwayError(f"{url}: HTTP {answer.status_code}")
            return write(path, answer.iter_content(CHUNK))
    except requests.RequestException as error:
        raise AwayError(f"{url}: {error}") from error


def _load_bucket(scheme: str, uri: str, target: Path, signature: str | None) -> None:
    """One object, or everything below a prefix; with ?versionId=ID or #GENERATION that version of the object."""
    import fsspec

    path = uri.partition("://")[2]
    versioned = "?versionId=" in path or (scheme == "gs" and "#" in path)
    plain = path.partition("?versionId=")[0] if scheme == "s3" else path.partition("#")[0]
    files: Any = fsspec.filesystem(scheme, version_aware=versioned, asynchronous=False)
    try:
        if versioned or files.isfile(plain):
            files.get_file(path, str(place(target, PurePosixPath(plain).name)))
            if signature is not None:
                files.get_file(f"{plain.rpartition('/')[0]}/{signature}", str(place(target, signature)))
            return
        for found in files.find(plain):
            name = str(found).removeprefix(plain.rstrip("/")).lstrip("/")
            files.get_file(found, str(place(target, name)))
    except FileNotFoundError as error:
        raise MissingError(f"{uri}: there is no {error}") from error
    except PermissionError as error:
        raise ConfigError(f"{uri}: {error}") from error
    except OSError as error:
        raise AwayError(f"{uri}: {error}") from error


def _load_huggingface(uri: str, target: Path) -> None:
    """All files of a repository at one commit."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    name, _, revision = uri.removeprefix("hf://").partition("@")
    try:
        snapshot_download(name, revision=revision or None, local_dir=str(target))
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise MissingError(f"{uri}: {error}") from error
    except (HfHubHTTPError, OSError) as error:
        raise AwayError(f"{uri}: {error}") from error
    # What the library keeps for its own sake is no part of the model.
    shutil.rmtree(target / ".cache", ignore_errors=True)


def _load_mlflow(uri: str, target: Path) -> None:
    """The artifacts of a version; MLFLOW_TRACKING_URI says where MLflow is."""
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        download_artifacts(artifact_uri=uri, dst_path=str(target))
    except MlflowException as error:
        missing = error.error_code in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")
        raise (MissingError if missing else AwayError)(f"{uri}: {error}") from error
