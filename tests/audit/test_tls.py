"""Whoever cannot show a certificate that is trusted, for the name that was asked for, is sent nothing at all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from serinus.api.modeluri import Reference, parse_reference
from serinus.forge.access import GitAccess
from serinus.forge.change import Change
from serinus.forge.git import open_branch_commit
from serinus.forge.github import Draft, Forge, open_forge, propose
from serinus.forge.yamlfile import Edit
from serinus.kube.connection import build_api_client
from serinus.kube.errors import Unavailable
from serinus.kube.gateway import Kube
from serinus.kube.resources import MODELDEPLOYMENTS
from serinus.metrics.prometheus import PrometheusSource
from serinus.metrics.source import Access, Failure
from serinus.net.transport import Transport
from serinus.registries.mlflow import read_alias
from serinus.registries.mlflow_api import MLflow
from serinus.registries.outcome import Away
from serinus.registries.resolver import Registries, resolve
from tests.fakes.certificates import Authority

TOKEN = "tok-5ecret-0123456789abcdef"


@asynccontextmanager
async def server(authority: Authority, name: str = "127.0.0.1") -> AsyncIterator[tuple[str, list[str]]]:
    """A server with a certificate of `authority` for `name`; the requests that came through are noted."""
    seen: list[str] = []

    async def serve(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.server_context(name)).start()
        yield f"127.0.0.1:{runner.addresses[0][1]}", seen
    finally:
        await runner.cleanup()


async def ask_provider(host: str, pem: str | None) -> tuple[bool, str]:
    async def access(renew: bool) -> Access:
        return Access(TOKEN, pem)

    source = PrometheusSource(f"https://{host}", timeout=20.0, access=access)
    said = await source.fetch_series("up[15s]")
    source.close()
    assert isinstance(said, Failure)
    return said.reason == "UntrustedCertificate", said.message


async def ask_registry(host: str, pem: str | None, uri: str = "") -> tuple[bool, str]:
    transport = Transport(20.0)
    address = f"https://{host}"
    reference = parse_reference(uri.format(host=host))
    assert isinstance(reference, Reference)
    said = await resolve(transport, Registries({host: "https"}, address, None, address), reference)
    await transport.close()
    return isinstance(said, Away) and "the certificate is not trusted" in said.message, str(said)


async def ask_oci(host: str, pem: str | None) -> tuple[bool, str]:
    return await ask_registry(host, pem, "oci://{host}/models/fraud:1")


async def ask_models(host: str, pem: str | None) -> tuple[bool, str]:
    return await ask_registry(host, pem, "models:/fraud/7")


async def ask_hub(host: str, pem: str | None) -> tuple[bool, str]:
    return await ask_registry(host, pem, "hf://acme/fraud")


async def ask_mlflow(host: str, pem: str | None) -> tuple[bool, str]:
    transport = Transport(20.0)
    said = await read_alias(MLflow(transport, f"https://{host}"), "fraud", "champion")
    await transport.close()
    return isinstance(said, Away) and "the certificate is not trusted" in said.message, str(said)


async def ask_git(host: str, pem: str | None) -> tuple[bool, str]:
    access = GitAccess(f"https://{host}/acme/fraud", "robot", TOKEN, authorities=pem)
    change = Change("serinus/x", (Edit("a.yaml", "spec.x", "1"),), "text", ("Serinus", "s@example.com"), 0, "main")
    said = await open_branch_commit(access, {host: "https"}, change)
    return "no certificate that is trusted" in str(said), str(said)


async def ask_forge(host: str, pem: str | None) -> tuple[bool, str]:
    transport = Transport(20.0)
    access = GitAccess(f"https://{host}/acme/fraud", "robot", TOKEN, f"https://{host}", authorities=pem)
    forge = open_forge(transport, access, {host: "https"})
    assert isinstance(forge, Forge)
    said = await propose(forge, Draft("serinus/x", "main", "title", "text", "0" * 40))
    await transport.close()
    return isinstance(said, Away) and "the certificate is not trusted" in said.message, str(said)


async def ask_api_server(host: str, pem: str | None, folder: Path | None = None) -> tuple[bool, str]:
    configuration = Configuration(host=f"https://{host}")
    configuration.api_key["BearerToken"] = f"bearer {TOKEN}"
    if pem is not None and folder is not None:
        (folder / "ca.pem").write_text(pem)
        configuration.ssl_ca_cert = str(folder / "ca.pem")
    kube = Kube(build_api_client(configuration), timeout=20.0)
    try:
        await kube.get(MODELDEPLOYMENTS, "ml", "fraud")
    except Unavailable as error:
        return "the certificate is not trusted" in str(error), str(error)
    finally:
        await kube.close()
    return False, "it answered"


ASKERS = (
    ask_provider,
    ask_oci,
    ask_models,
    ask_hub,
    ask_mlflow,
    ask_git,
    ask_forge,
    ask_api_server,
)
OWN_AUTHORITIES = (ask_provider, ask_git, ask_forge)
"""Those that may be told whom to trust."""


@pytest.mark.parametrize("ask", ASKERS)
async def test_a_certificate_of_nobody_in_particular_is_refused(ask: Any, tmp_path: Path) -> None:
    async with server(Authority(tmp_path)) as (host, seen):
        refused, said = await ask(host, None)
        assert seen == []
    assert refused, said
    assert TOKEN not in said


@pytest.mark.parametrize("ask", OWN_AUTHORITIES)
async def test_a_certificate_for_another_name_is_refused_though_its_authority_is_trusted(
    ask: Any, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    async with server(authority, "127.0.0.2") as (host, seen):
        refused, said = await ask(host, authority.pem)
        assert seen == []
    assert refused, said


@pytest.mark.parametrize("ask", OWN_AUTHORITIES)
async def test_the_authority_that_was_named_is_trusted(ask: Any, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with server(authority) as (host, seen):
        refused, said = await ask(host, authority.pem)
        assert seen, "the same server is asked where its authority is trusted"
    assert not refused, said


async def test_of_the_api_server_only_its_own_authority_is_trusted(tmp_path: Path) -> None:
    right, wrong = Authority(tmp_path, "right"), Authority(tmp_path, "wrong")
    async with server(right) as (host, seen):
        refused, said = await ask_api_server(host, wrong.pem, tmp_path)
        assert (refused, seen) == (True, []), said
        refused, said = await ask_api_server(host, right.pem, tmp_path)
        assert not refused, said
        assert seen
    async with server(right, "127.0.0.2") as (host, seen):
        refused, said = await ask_api_server(host, right.pem, tmp_path)
        assert (refused, seen) == (True, []), said
