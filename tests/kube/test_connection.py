import base64
import json
from pathlib import Path

import pytest

from serinus.kube.connection import fetch_credentials, load_configuration


def write_kubeconfig(path: Path) -> str:
    ca = base64.b64encode(b"-----BEGIN CERTIFICATE-----").decode()
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "clusters": [
            {"name": "c1", "cluster": {"server": "https://one:6443", "certificate-authority-data": ca}},
            {"name": "c2", "cluster": {"server": "https://two:6443", "insecure-skip-tls-verify": True}},
        ],
        "users": [{"name": "u", "user": {"token": "t0ken"}}],
        "contexts": [
            {"name": "one", "context": {"cluster": "c1", "user": "u"}},
            {"name": "two", "context": {"cluster": "c2", "user": "u"}},
        ],
    }
    path.write_text(json.dumps(document))
    return str(path)


async def test_a_kubeconfig_gives_the_credentials_of_its_context(tmp_path: Path) -> None:
    kubeconfig = write_kubeconfig(tmp_path / "config")
    one = await fetch_credentials(await load_configuration(kubeconfig))
    assert (one.server, one.token, one.insecure) == ("https://one:6443", "t0ken", False)
    assert one.ca_path is not None
    with open(one.ca_path) as file:  # noqa: ASYNC230
        assert file.read().startswith("-----BEGIN")
    two = await fetch_credentials(await load_configuration(kubeconfig, "two"))
    assert (two.server, two.insecure) == ("https://two:6443", True)
    assert "t0ken" not in repr(two)


async def test_no_way_to_the_api_server_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConnectionError, match="no way to the API server"):
        await load_configuration(str(tmp_path / "missing"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    with pytest.raises(ConnectionError, match="no way to the API server"):
        await load_configuration()
