"""Nothing secret is shown: secrets, addresses with credentials and bodies go down every path that ends in a line of the
log, a status or an Event, and none of them comes out."""

import asyncio
import base64
import gc
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration

from serinus.api.audit import HistoryEntry
from serinus.api.modeluri import Reference, parse_reference
from serinus.api.redact import redact
from serinus.api.status import LastCommand
from serinus.controllers.execute import build_revision_status
from serinus.controllers.inquiry import Inquiry
from serinus.core.plan import MarkRevision
from serinus.engine.store import Key
from serinus.engine.worker import Turn
from serinus.forge.access import GitAccess
from serinus.forge.change import Change
from serinus.forge.git import open_branch_commit
from serinus.forge.github import Draft, open_forge, propose
from serinus.forge.yamlfile import Edit
from serinus.kube.connection import Credentials, build_api_client
from serinus.kube.errors import KubeError
from serinus.kube.events import build_event
from serinus.kube.gateway import Kube
from serinus.kube.resources import EVENTS, LEASES, MODELDEPLOYMENTS, WATCHED
from serinus.kube.secrets import SECRETS
from serinus.metrics.prometheus import PrometheusSource
from serinus.metrics.source import Access
from serinus.net.transport import Transport
from serinus.registries.mlflow import read_alias
from serinus.registries.mlflow_api import MLflow
from serinus.registries.resolver import Registries, resolve
from serinus.settings import SettingsError, load_settings
from serinus.shell.logging import configure_logging, log_turn
from serinus.shell.receiver.app import Delivery, build_receiver
from serinus.shell.receiver.signature import sign
from serinus.shell.watch import run_kopf
from tests.audit.story import logged
from tests.controllers.stage import Stage, model_deployment
from tests.fakes.apiserver import FakeApiServer
from tests.fakes.clock import FakeClock

TOKEN = "tok-5ecret-0123456789abcdef"
PASSWORD = "pw-5ecret-h4rd"
BODY = "body-5ecret-of-somebody"
ALL = (TOKEN, PASSWORD, BODY, base64.b64encode(f"robot:{TOKEN}".encode()).decode())
ADDRESS = f"https://robot:{PASSWORD}@registry.example/v2/?X-Amz-Signature={TOKEN}"

# Stopped while it opens a session, kopf forgets to close it: the process is about to end, but the tests are not.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def shows(*texts: object) -> list[str]:
    """Which of the secrets can be read in any of the texts."""
    whole = "\n".join(str(text) for text in texts)
    return [one for one in ALL if one in whole]


@asynccontextmanager
async def answering(raw: bytes) -> AsyncIterator[str]:
    """A server that answers every request with these bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(64 * 1024)
        writer.write(raw)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def http(status: int, body: str, **headers: str) -> bytes:
    told = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body.encode())}\r\n{told}\r\n{body}".encode()


ECHO = json.dumps(
    {
        "error": f"what you sent was Bearer {TOKEN}",
        "error_code": "INVALID_STATE",
        "message": f"bad credentials robot:{TOKEN}, Basic {ALL[3]} at {ADDRESS}",
        "errors": [{"message": f"token {TOKEN}"}],
        "data": BODY,
    }
)
ANSWERS = {
    "not HTTP": f"HTTP/9.9 {BODY} {TOKEN}\r\n\r\n".encode(),
    "a header that is none": f"HTTP/1.1 200 OK\r\n{BODY}\r\n\r\n".encode(),
    "garbage": BODY.encode(),
    "an error page": http(500, f"<html>{BODY} {ADDRESS}</html>"),
    "refused, with an echo": http(403, ECHO, WWW_Authenticate=f"Bearer realm={BODY}"),
    "wrong, with an echo": http(422, ECHO),
    "another echo": http(400, ECHO),
    "no JSON": http(200, f'{{"status": "{BODY}'),
    "other JSON": http(200, json.dumps({"status": "success", "data": BODY, "alias": BODY, "model_version": BODY})),
    "git that is none": http(200, f"zzzz{BODY}", Content_Type="application/x-git-upload-pack-advertisement"),
    "a redirect": http(302, BODY, Location=ADDRESS),
}


@pytest.fixture(params=["json", "console"])
def stream(request: pytest.FixtureRequest) -> Iterator[Any]:
    """All that is logged at the most talkative level."""
    with logged("debug") as stream:
        configure_logging("debug", request.param, stream)
        yield stream


@pytest.mark.parametrize("name", ANSWERS)
async def test_what_others_answer_is_not_shown(name: str, stream: Any, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(f"robot:{TOKEN}")
    transport = Transport(timeout=20.0)
    async with answering(ANSWERS[name]) as host:
        hosts, address = {host: "http"}, f"http://{host}"
        said: list[object] = []

        async def access(renew: bool) -> Access:
            return Access(TOKEN)

        source = PrometheusSource(address, timeout=20.0, access=access)
        said.append(await source.fetch_series("up[15s]"))
        said.append(await source.fetch_instant("up"))
        source.close()
        registries = Registries(hosts, address, tmp_path / "credentials", address)
        for uri in (f"oci://{host}/models/fraud:1", "models:/fraud/7", "models:/fraud@champion", "hf://acme/fraud"):
            reference = parse_reference(uri)
            assert isinstance(reference, Reference)
            said.append(await resolve(transport, registries, reference))
        said.append(await read_alias(MLflow(transport, address, tmp_path / "credentials"), "fraud", "champion"))
        git = GitAccess(f"{address}/acme/fraud", "robot", TOKEN, address)
        edit = Edit("a.yaml", "spec.x", "1")
        change = Change("serinus/x", (edit,), "text", ("Serinus", "s@example.com"), 0, "main")
        said.append(await open_branch_commit(git, hosts, change))
        forge = open_forge(transport, git, hosts)
        said.append(forge)
        draft = Draft("serinus/x", "main", "title", "text", "0" * 40)
        said.append(await propose(forge, draft))  # type: ignore[arg-type]
        configuration = Configuration(host=address)
        configuration.api_key["BearerToken"] = f"bearer {TOKEN}"
        kube = Kube(build_api_client(configuration), timeout=20.0)
        for resource, where in ((SECRETS, "ml"), (MODELDEPLOYMENTS, "ml")):
            try:
                await kube.get(resource, where, "x")
            except KubeError as error:
                log_turn(Turn(Key("ModelDeployment", "ml", "x"), 0.1, error, 1, 1.0))
                said.append(error)
        await kube.close()
    await transport.close()
    statuses = [
        HistoryEntry.model_validate({"at": FakeClock().now(), "action": "x", "message": str(one)}) for one in said
    ]
    assert shows(*said, *(repr(one) for one in said), *statuses) == []
    assert shows(stream.getvalue()) == []


async def test_secrets_that_are_read_are_not_logged_by_any_library_at_any_level(stream: Any) -> None:
    async def serve(request: web.Request) -> web.Response:
        data = {"token": base64.b64encode(TOKEN.encode()).decode(), "plain": TOKEN}
        return web.json_response({"kind": "Secret", "metadata": {"name": "x"}, "data": data, "stringData": {"p": BODY}})

    app = web.Application()
    app.router.add_get("/{tail:.*}", serve)
    async with TestServer(app, host="127.0.0.1") as server:
        configuration = Configuration(host=f"http://127.0.0.1:{server.port}")
        configuration.api_key["BearerToken"] = f"bearer {PASSWORD}"
        kube = Kube(build_api_client(configuration))
        assert (await kube.get(SECRETS, "ml", "x"))["data"]["plain"] == TOKEN
        await kube.close()
    assert shows(stream.getvalue()) == []
    structlog.get_logger("serinus.x").debug("this is on")
    assert "this is on" in stream.getvalue()


async def test_kopf_shows_neither_objects_nor_what_went_wrong_in_full(stream: Any) -> None:
    resources = [*(entry.resource for entry in WATCHED), EVENTS, LEASES]
    seen: list[str] = []
    stop, ready = asyncio.Event(), asyncio.Event()

    def sink(kind: str, event_type: str | None, obj: Any) -> None:
        seen.append(obj["metadata"]["name"])
        raise ValueError(f"{BODY}: {obj}")

    async def fetch() -> Credentials:
        return Credentials(server.url, token=TOKEN)

    async with FakeApiServer(resources).running() as server:
        server.fail(
            lambda request: request.query.get("watch") == "true",
            status=500,
            body={"kind": "Status", "code": 500, "message": f"{BODY} {ADDRESS}"},
            times=4,
        )
        template = {"env": [{"name": "PASSWORD", "value": PASSWORD}]}
        await server.put(MODELDEPLOYMENTS, {"metadata": {"name": "fraud", "namespace": "ml"}, "spec": template})
        task = asyncio.create_task(run_kopf(sink, fetch, stop, ready=ready))
        async with asyncio.timeout(60):
            await ready.wait()
            while not seen:  # noqa: ASYNC110  kopf works in another thread
                await asyncio.sleep(0.05)
            await asyncio.sleep(1.0)
        stop.set()
        await asyncio.gather(task, return_exceptions=True)
    gc.collect()
    assert "fraud" in seen
    assert "ValueError" in stream.getvalue(), "what went wrong is said all the same"
    assert shows(stream.getvalue()) == []


async def test_the_receiver_shows_no_body_and_no_key_whatever_happens(stream: Any) -> None:
    clock = FakeClock()

    async def deliver(namespace: str, policy: str, event: Any) -> Delivery:
        raise ValueError(f"{BODY} {event} {ADDRESS}")

    async def keys() -> dict[str, str]:
        return {"ml": TOKEN}

    body = json.dumps(
        {"specversion": "1.0", "id": "42", "source": ADDRESS, "type": "data.arrived", "subject": BODY, "data": BODY}
    )
    right = body.replace(ADDRESS, "//ci/train")
    at = str(int(clock.now().timestamp()))
    async with TestServer(web_app := build_receiver(deliver, keys, clock), host="127.0.0.1") as server:
        assert web_app is not None
        async with ClientSession() as session:
            texts = []
            for sent, signed in ((body, body), (right, right), (right, "other")):
                headers = {
                    "Content-Type": "application/cloudevents+json",
                    "X-Serinus-Timestamp": at,
                    "X-Serinus-Signature": sign(TOKEN.encode(), f"{at}.{signed}".encode()),
                    "Authorization": f"Bearer {PASSWORD}",
                }
                url = f"http://127.0.0.1:{server.port}/events/ml/fraud"
                async with session.post(url, data=sent.encode(), headers=headers) as answer:
                    texts.append((answer.status, await answer.text()))
    assert [status for status, _ in texts] == [400, 500, 401]
    assert shows(*(text for _, text in texts)) == []
    assert "ValueError" in stream.getvalue()
    assert shows(stream.getvalue()) == []


async def test_errors_of_ours_say_where_and_not_what(stream: Any) -> None:
    key = Key("ModelDeployment", "ml", "fraud")
    try:
        try:
            json.loads(f'{{"password": "{PASSWORD}", ')
        except ValueError as inner:
            raise RuntimeError(f"cannot read {BODY}") from inner
    except RuntimeError as error:
        log_turn(Turn(key, 0.1, error, 1, 1.0))
        structlog.get_logger("serinus.x").exception(
            "broken", address=ADDRESS, headers={"Authorization": f"Bearer {TOKEN}"}
        )
        logging.getLogger("kopf.objects").exception("from %s", ADDRESS)

    async def fail() -> None:
        raise ValueError(BODY)

    async def ask(key: Key, question: object) -> Any:
        raise ValueError(f"{BODY} {ADDRESS}")

    lost = asyncio.create_task(fail())
    await asyncio.sleep(0)
    del lost
    gc.collect()
    inquiry: Any = Inquiry(ask, lambda key, urgent: None)
    answer = await inquiry._try(key, "question")
    text = stream.getvalue()
    assert "RuntimeError" in text
    assert "JSONDecodeError" in text
    assert "test_secrets.py" in text
    assert shows(text, answer) == []


async def test_no_status_and_no_event_of_a_release_shows_credentials_that_somebody_put_in_the_wrong_place() -> None:
    stage = Stage()
    with logged("debug") as stream:
        wrong = model_deployment()
        wrong["spec"]["model"] = {"from": {"uri": ADDRESS}, "version": "x"}
        wrong["metadata"]["annotations"] = {
            "serinus.dev/command": f"pause fraud-1 see {ADDRESS}",
            "serinus.dev/command-by": f"https://robot:{PASSWORD}@x.example",
        }
        stage.apply(wrong)
        await stage.settle()
        stage.kube.put({"kind": "MetricsProvider", "metadata": {"name": "default"}, "spec": {"address": ADDRESS}})
        await stage.settle()
    notes = [build_event(stage.object(), **_event(message)) for _, _, message in stage.events]
    await stage.analyst.close()
    assert stage.object()["status"]["conditions"]
    assert notes
    assert shows(stage.object()["status"], notes, stream.getvalue()) == []


def _event(message: str) -> dict[str, Any]:
    about = {"event_type": "Normal", "reason": "X", "action": "X", "component": "c", "instance": "i"}
    return {**about, "message": message, "now": FakeClock().now()}


def test_the_record_of_a_revision_shows_no_credentials_of_an_address_that_a_pod_failed_on() -> None:
    mark = MarkRevision("fraud-1", "Rejected", "ImagePullFailed", f"0 of 2 pods ready: cannot pull {ADDRESS}")
    status = build_revision_status(mark, "2026-11-23T10:00:00Z")
    assert status["message"].startswith("0 of 2 pods ready: cannot pull https://***@registry.example/")
    assert shows(status) == []


def test_settings_that_cannot_be_used_do_not_show_what_they_hold() -> None:
    for name in ("SERINUS_MLFLOW_URL", "SERINUS_HUGGINGFACE_URL", "SERINUS_HTTP_PORT"):
        with pytest.raises(SettingsError) as wrong:
            load_settings({name: ADDRESS})
        assert name in str(wrong.value)
        assert shows(str(wrong.value)) == []


_PART = "aB3" * 12
TOKENS = (
    *(f"gh{kind}_{_PART}" for kind in "pousr"),
    f"github_pat_{_PART}_{_PART}",
    *(f"{kind}-{_PART[:20]}" for kind in ("glpat", "gldt", "glrt", "glcbt", "glptt")),
    f"glpat-{_PART}.01.{_PART[:9]}",
    f"hf_{_PART[:34]}",
    f"AKIA{_PART[:16].upper()}",
    f"ASIA{_PART[:16].upper()}",
    *(f"xox{kind}-123456789012-{_PART}" for kind in "abeoprs"),
    f"eyJ{_PART}.eyJ{_PART}.{_PART}",
    f"eyJ{_PART}..{_PART}.{_PART}.{_PART}",
)
"""Of the forms that the issuers document, of no issuer; the last two are a signed and an encrypted JSON web token."""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at https://u:p@h.example/x", "at https://***@h.example/x"),
        ("git clone ssh://u@h/x and http://h/x@y", "git clone ssh://***@h/x and http://h/x@y"),
        ("https://h/x?a=1&sig=abc&b=2", "https://h/x?a=1&sig=***&b=2"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("{'authorization': 'Basic dTpw'}", "{'authorization': '***'}"),
        ("sent Bearer abc123456789", "sent Bearer ***"),
        ("sent BEARER abc.def.ghi", "sent BEARER ***"),
        ("sent Basic dTE6cDEyMzQ=", "sent Basic ***"),
        ("X-API-KEY: abc123", "X-API-KEY: ***"),
        ("COOKIE: abc; d", "COOKIE: ***"),
        ("{b'Authorization': b'Bearer abcdefgh'}", "{b'Authorization': b'***'}"),
        (f"https://oauth2:{'e' * 900}@h/x", "https://***@h/x"),
        ("https://h/x?private_token=abc&refresh_token=d", "https://h/x?private_token=***&refresh_token=***"),
        ("POST client?a=b&client_secret=abc", "POST client?a=b&client_secret=***"),
        ("-----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY----- x", "*** x"),
        ("-----BEGIN PRIVATE KEY-----\nabc", "***"),
        *((f"note: {token}, and {token}.", "note: ***, and ***.") for token in TOKENS),
        *((f"({token})\n", "(***)\n") for token in TOKENS),
        ("hf_transfer and hf_hub_download", "hf_transfer and hf_hub_download"),
        ("ghp_short glpat-short xoxb-x eyJhbGciOi", "ghp_short glpat-short xoxb-x eyJhbGciOi"),
        ("fraud-ghp-7c9d4e5f6a7b8c9d0e1f2a3b4c5d", "fraud-ghp-7c9d4e5f6a7b8c9d0e1f2a3b4c5d"),
        ("ASIA-PACIFIC, model ASIATICBASELINEMODELS", "ASIA-PACIFIC, model ASIATICBASELINEMODELS"),
        (f"sha256:{'ab' * 32} at eyJ.example.com", f"sha256:{'ab' * 32} at eyJ.example.com"),
        (
            "errors 4.1% on fraud-7c9d (52 of 1,268) against 0.4%",
            "errors 4.1% on fraud-7c9d (52 of 1,268) against 0.4%",
        ),
        (
            'needs approval: serinus.dev/command="approve fraud-7c9d"',
            'needs approval: serinus.dev/command="approve fraud-7c9d"',
        ),
        ("oci://registry.example/fraud@sha256:abc", "oci://registry.example/fraud@sha256:abc"),
        ("models:/fraud@champion basic and bearer things", "models:/fraud@champion basic and bearer things"),
        ("use Basic authentication.", "use Basic authentication."),
        ("the bearer credentials.", "the bearer credentials."),
        ("image basic v1.2.3-release, basic model_v2_final", "image basic v1.2.3-release, basic model_v2_final"),
    ],
)
def test_what_looks_like_a_credential_is_taken_out_and_nothing_else(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert redact(shown) == shown


def test_a_command_is_known_again_though_something_was_taken_out_of_it() -> None:
    text = f"pause fraud-1 {ADDRESS}"
    assert LastCommand(text=text).text == LastCommand(text=LastCommand(text=text).text).text
    assert shows(LastCommand(text=text).text) == []
