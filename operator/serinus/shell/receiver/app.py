"""The receiver's HTTP: one path, small bodies, and an answer that tells the sender whether to try again.

    202 taken, or known already      400 no event       401 not believed      404 no such policy
    413 too large                    429 too many       501 extra missing     503 not now

Whoever has no key learns nothing but 401, and costs a bounded body, one HMAC and no query.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from aiohttp import web

from serinus.engine.clock import Clock
from serinus.kube.secrets import SecretProblem
from serinus.shell.receiver.memory import Rates, Seen
from serinus.shell.receiver.reading import Echo, EventIn, Missing, Unreadable, read_event
from serinus.shell.receiver.signature import MLFLOW, SERINUS, WINDOW, Unsigned, choose_keys, verify

LARGEST: Final = 256 * 1024
"""Bytes of a body."""
PATIENCE: Final = 5.0
"""Seconds for a body to come in, and for an event to be handed on."""
AT_ONCE: Final = 32
"""Requests under way."""

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")

Delivery = Literal["taken", "unknown", "away"]
"""What became of an event: it counts, there is no such policy, or it cannot be noted now and should come again."""
Deliver = Callable[[str, str, EventIn], Awaitable[Delivery]]
ReadKeys = Callable[[], Awaitable[Mapping[str, str] | SecretProblem]]
Report = Callable[[int], None]


@dataclass
class Receiver:
    """What the handler needs; `report` is told the status of every answer."""

    deliver: Deliver
    read_keys: ReadKeys
    clock: Clock
    report: Report = lambda _: None
    under_way: int = 0

    def __post_init__(self) -> None:
        # A request may be as old as the window says, and as far in the future.
        self.seen = Seen(2.0 * WINDOW)
        self.rates = Rates()


def build_receiver(
    deliver: Deliver, read_keys: ReadKeys, clock: Clock, report: Report = lambda _: None
) -> web.Application:
    """The application; `read_keys` gives the Secret's keys, and `deliver` hands an event to its policy."""
    receiver = Receiver(deliver, read_keys, clock, report)

    async def receive(request: web.Request) -> web.Response:
        if receiver.under_way >= AT_ONCE:
            status, text = 429, "too many requests at once"
        else:
            receiver.under_way += 1
            try:
                status, text = await _receive(receiver, request)
            finally:
                receiver.under_way -= 1
        receiver.report(status)
        headers = {"Retry-After": "10"} if status in (429, 503) else None
        return web.Response(status=status, text=f"{text}\n", headers=headers)

    app = web.Application(client_max_size=LARGEST)
    app.router.add_post("/events/{namespace}/{policy}", receive)
    return app


async def _receive(receiver: Receiver, request: web.Request) -> tuple[int, str]:
    namespace, policy = request.match_info["namespace"], request.match_info["policy"]
    if not _NAME.fullmatch(namespace) or "." in namespace or not _NAME.fullmatch(policy):
        return 400, "the path is /events/NAMESPACE/POLICY"
    headers = _read_headers(request)
    if headers is None:
        return 400, "a header of the event is there twice"
    if "content-encoding" in headers:
        return 400, "bodies are taken as they are, without Content-Encoding"
    body = await _read_body(request)
    if isinstance(body, tuple):
        return body
    keys = await receiver.read_keys()
    if isinstance(keys, SecretProblem):
        return 503, "the keys cannot be read now"
    signed = verify(headers, body, choose_keys(keys, namespace, policy), receiver.clock.now().timestamp())
    if isinstance(signed, Unsigned):
        return 401, signed.why
    event = read_event(headers, body, signed)
    if isinstance(event, Unreadable | Missing):
        return 400 if isinstance(event, Unreadable) else 501, event.why
    if isinstance(event, Echo):
        return 202, "passed over: a run of ours has done this"
    return await _hand_on(receiver, namespace, policy, event)


async def _hand_on(receiver: Receiver, namespace: str, policy: str, event: EventIn) -> tuple[int, str]:
    key, now = (namespace, policy, event.key), receiver.clock.monotonic()
    if not receiver.seen.add(key, now):
        return 202, "known already"
    if not receiver.rates.take((namespace, policy), now):
        receiver.seen.forget(key)
        return 429, "too many events for this policy"
    became: Delivery = "away"
    try:
        async with asyncio.timeout(PATIENCE):
            became = await receiver.deliver(namespace, policy, event)
    except TimeoutError:
        pass
    finally:
        if became != "taken":
            receiver.seen.forget(key)
    answers = {"taken": (202, "taken"), "unknown": (404, f"there is no RetrainPolicy {namespace}/{policy}")}
    return answers.get(became, (503, "the event cannot be noted now"))


def _read_headers(request: web.Request) -> dict[str, str] | None:
    """Headers by their names in lower case; None where one that counts is ambiguous."""
    found: dict[str, str] = {}
    for name, value in request.headers.items():
        lower = name.lower()
        if lower in found and (lower.startswith(("ce-", MLFLOW, SERINUS)) or lower == "content-type"):
            return None
        found[lower] = value
    return found


async def _read_body(request: web.Request) -> bytes | tuple[int, str]:
    if (request.content_length or 0) > LARGEST:
        return 413, f"the body has more than {LARGEST} bytes"
    try:
        async with asyncio.timeout(PATIENCE):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        return 413, f"the body has more than {LARGEST} bytes"
    except TimeoutError:
        return 400, f"the body did not come in within {PATIENCE:g} s"
