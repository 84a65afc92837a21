"""Tokens and authorities: sent to whom they are meant for, renewed when refused, never shown."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from serinus.metrics.prometheus import PrometheusSource
from serinus.metrics.source import Access, Answer, Failure
from tests.fakes.certificates import Authority
from tests.fakes.prometheus import MATRIX, TIMEOUT, FakePrometheus, success

SECRET = "s3cr3t-t0ken"


class Vault:
    """Hands out an Access; what it is renewed to comes from `next`."""

    def __init__(self, first: Access | Failure, *following: Access | Failure) -> None:
        self.now = first
        self.next = list(following)
        self.asked: list[bool] = []

    async def fetch(self, renew: bool) -> Access | Failure:
        self.asked.append(renew)
        if renew and self.next:
            self.now = self.next.pop(0)
        return self.now


@contextlib.contextmanager
def reading(url: str, vault: Vault, **options: Any) -> Iterator[PrometheusSource]:
    source = PrometheusSource(url, timeout=TIMEOUT, access=vault.fetch, **options)
    try:
        yield source
    finally:
        source.close()


def wants(token: str, status: int = 401) -> Any:
    async def handle(request: web.Request) -> web.Response:
        sent = request.headers.get("Authorization")
        if sent == f"Bearer {token}":
            return await success(MATRIX)
        return web.json_response({"error": f"refused {sent}"}, status=status)

    return handle


def sent_to(fake: FakePrometheus) -> list[str | None]:
    return [request.headers.get("Authorization") for request in fake.requests]


async def test_a_token_that_rotates_is_sent_as_it_is_now(prometheus: FakePrometheus) -> None:
    vault = Vault(Access("one"))
    with reading(prometheus.url, vault) as source:
        await source.fetch_series("up[15s]")
        vault.now = Access("two")
        await source.fetch_series("up[15s]")
        vault.now = Access()
        await source.fetch_series("up[15s]")
    assert sent_to(prometheus) == ["Bearer one", "Bearer two", None]


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_token_is_read_again_at_once(prometheus: FakePrometheus, status: int) -> None:
    prometheus.handler = wants("new", status)
    vault = Vault(Access("old"), Access("new"))
    results: list[object] = []
    with reading(prometheus.url, vault, on_result=results.append) as source:
        answer = await source.fetch_series("up[15s]")
    assert isinstance(answer, Answer)
    assert vault.asked == [False, True]
    assert sent_to(prometheus) == ["Bearer old", "Bearer new"]
    assert results == [answer]


@pytest.mark.parametrize("status", [401, 403])
async def test_a_token_that_is_still_the_same_is_not_sent_again(prometheus: FakePrometheus, status: int) -> None:
    prometheus.handler = wants("other", status)
    with reading(prometheus.url, Vault(Access(SECRET))) as source:
        failure = await source.fetch_series("up[15s]")
    assert isinstance(failure, Failure)
    assert failure.reason == "Unauthorized"
    assert len(prometheus.requests) == 1


async def test_without_a_secret_nothing_is_asked(prometheus: FakePrometheus) -> None:
    missing = Failure("SecretNotFound", "there is no Secret a/b")
    outcomes: list[str] = []
    results: list[object] = []
    vault = Vault(missing)
    with reading(
        prometheus.url, vault, on_query=lambda outcome, _: outcomes.append(outcome), on_result=results.append
    ) as source:
        assert await source.fetch_series("up[15s]") == missing
        vault.now = Access("x")
        assert isinstance(await source.fetch_series("up[15s]"), Answer)
    assert len(prometheus.requests) == 1
    assert outcomes == ["Answer"]
    assert results[0] == missing


async def test_a_secret_that_is_gone_when_it_is_read_again_is_the_reason(prometheus: FakePrometheus) -> None:
    prometheus.handler = wants("new")
    missing = Failure("SecretNotFound", "there is no Secret a/b")
    with reading(prometheus.url, Vault(Access("old"), missing)) as source:
        assert await source.fetch_series("up[15s]") == missing


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_never_gets_the_token(prometheus: FakePrometheus, status: int) -> None:
    async with FakePrometheus().running() as thief:
        location = f"{thief.url}/steal?token={SECRET}"

        async def redirect(request: web.Request) -> web.Response:
            return web.Response(status=status, headers={"Location": location})

        prometheus.handler = redirect
        with reading(prometheus.url, Vault(Access(SECRET))) as source:
            failure = await source.fetch_series("up[15s]")
    assert isinstance(failure, Failure)
    assert failure.reason == "Unreachable"
    assert "redirected" in failure.message
    assert location not in failure.message
    assert thief.requests == []
    assert len(prometheus.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 422, 429, 500, 503])
async def test_a_server_that_repeats_the_token_does_not_get_it_into_a_message(
    prometheus: FakePrometheus, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    prometheus.handler = wants("other", status)
    vault = Vault(Access(SECRET))
    with reading(prometheus.url, vault) as source:
        failure = await source.fetch_series("up[15s]")
    assert isinstance(failure, Failure)
    assert SECRET not in repr(failure)
    assert SECRET not in repr(vault.now)
    assert SECRET not in caplog.text


async def test_a_token_that_is_no_header_is_not_told_either(prometheus: FakePrometheus) -> None:
    with reading(prometheus.url, Vault(Access(f"{SECRET}\nX: y"))) as source:
        failure = await source.fetch_series("up[15s]")
    assert isinstance(failure, Failure)
    assert SECRET not in failure.message
    assert prometheus.requests == []


async def test_only_the_given_authority_is_trusted(tmp_path: Path) -> None:
    right, wrong = Authority(tmp_path, "right"), Authority(tmp_path, "wrong")
    async with FakePrometheus().running(right.server_context()) as prometheus:
        for authorities, reason in (
            (wrong.pem, "UntrustedCertificate"),
            (None, "UntrustedCertificate"),
            ("no PEM", "InvalidSecret"),
        ):
            with reading(prometheus.url, Vault(Access(SECRET, authorities))) as source:
                failure = await source.fetch_series("up[15s]")
            assert isinstance(failure, Failure), failure
            assert failure.reason == reason
        assert prometheus.requests == []
        with reading(prometheus.url, Vault(Access(SECRET, right.pem))) as source:
            assert isinstance(await source.fetch_series("up[15s]"), Answer)
        with reading(prometheus.url, Vault(Access(SECRET, wrong.pem + right.pem))) as source:
            assert isinstance(await source.fetch_series("up[15s]"), Answer)


async def test_a_certificate_for_another_host_is_not_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with FakePrometheus().running(authority.server_context("127.0.0.2")) as prometheus:
        with reading(prometheus.url, Vault(Access(SECRET, authority.pem))) as source:
            failure = await source.fetch_series("up[15s]")
        assert prometheus.requests == []
    assert isinstance(failure, Failure)
    assert failure.reason == "UntrustedCertificate"


async def test_a_new_authority_is_read_at_once_and_old_connections_are_given_up(tmp_path: Path) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    async with FakePrometheus().running(new.server_context()) as prometheus:
        vault = Vault(Access(None, old.pem), Access(None, new.pem))
        with reading(prometheus.url, vault) as source:
            assert isinstance(await source.fetch_series("up[15s]"), Answer)
            assert vault.asked == [False, True]
            vault.now = Access(None, old.pem)
            assert isinstance(await source.fetch_series("up[15s]"), Failure)


async def test_https_asked_of_a_server_of_http_says_so(prometheus: FakePrometheus) -> None:
    with reading(prometheus.url.replace("http:", "https:"), Vault(Access())) as source:
        failure = await source.fetch_series("up[15s]")
    assert isinstance(failure, Failure)
    assert failure.reason == "Unreachable"
    assert "TLS" in failure.message
