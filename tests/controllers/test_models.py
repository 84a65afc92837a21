"""A reference is asked once, remembered for as long as its text stays, and asked again only where nobody knew."""

import asyncio
from collections.abc import Callable

import pytest

from serinus.api import reasons
from serinus.api.modeluri import Reference
from serinus.api.status import ResolvedModel
from serinus.controllers.models import ModelResolver
from serinus.core.snapshot import Problem
from serinus.engine.store import Key
from serinus.registries.outcome import Away, NotFound, Outcome, Pinned, Refused, Unpinned

KEY = Key("ModelDeployment", "ml", "fraud")
URI = "oci://host/fraud:7"
PINNED = Pinned("oci://host/fraud@sha256:1", "sha256:1")
KNOWN = ResolvedModel(uri=URI, resolved=PINNED.uri, digest=PINNED.digest)


class Registry:
    """Answers in their order; the last one goes on for ever."""

    def __init__(self, *answers: Outcome) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.told = 0
        self.resolver = ModelResolver(self.resolve, self.tell, pauses=(0.001,), slowly=0.001)

    async def resolve(self, reference: Reference) -> Outcome:
        await asyncio.sleep(0)
        self.asked.append(reference.uri)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def tell(self, key: Key, urgent: bool) -> None:
        assert key == KEY
        self.told += 1


async def until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not check():  # noqa: ASYNC110  the state is the resolver's own
            await asyncio.sleep(0.001)


async def test_it_is_asked_once_and_told_when_known() -> None:
    registry = Registry(PINNED)
    assert registry.resolver.observe(KEY, URI, None) is None
    assert registry.resolver.observe(KEY, URI, None) is None
    await until(lambda: registry.told)
    assert registry.resolver.observe(KEY, URI, None) == KNOWN
    assert registry.asked == [URI]


async def test_what_the_status_remembers_is_not_asked_again() -> None:
    registry = Registry(PINNED)
    assert registry.resolver.observe(KEY, URI, KNOWN) == KNOWN
    assert registry.resolver.observe(KEY, None, KNOWN) is None
    await asyncio.sleep(0.01)
    assert registry.asked == []


async def test_another_text_is_asked_and_what_was_known_of_the_old_one_does_not_count() -> None:
    registry = Registry(PINNED)
    assert registry.resolver.observe(KEY, "oci://host/fraud:8", KNOWN) is None
    await until(lambda: registry.told)
    found = registry.resolver.observe(KEY, "oci://host/fraud:8", KNOWN)
    assert isinstance(found, ResolvedModel)
    assert found.uri == "oci://host/fraud:8"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Away("host does not answer"), reasons.REGISTRY_AWAY),
        (NotFound("there is no host/fraud:7"), reasons.MODEL_NOT_FOUND),
        (Refused("HTTP 403"), reasons.REGISTRY_REFUSED),
    ],
)
async def test_what_nobody_knew_is_said_and_asked_again(answer: Outcome, reason: str) -> None:
    registry = Registry(answer)
    registry.resolver.observe(KEY, URI, None)
    await until(lambda: isinstance(registry.resolver.observe(KEY, URI, None), Problem))
    problem = registry.resolver.observe(KEY, URI, None)
    assert isinstance(problem, Problem)
    assert problem.reason == reason
    assert problem.message.startswith("spec.model.from: ")
    registry.answers = [PINNED]
    await until(lambda: registry.resolver.observe(KEY, URI, None) == KNOWN)
    asked = len(registry.asked)
    await asyncio.sleep(0.02)
    assert len(registry.asked) == asked


async def test_what_cannot_be_pinned_says_why() -> None:
    registry = Registry(Unpinned("s3://bucket/a", "may change"))
    registry.resolver.observe(KEY, "s3://bucket/a", None)
    await until(lambda: registry.told)
    found = registry.resolver.observe(KEY, "s3://bucket/a", None)
    assert found == ResolvedModel(uri="s3://bucket/a", resolved="s3://bucket/a", message="may change")


async def test_a_model_that_is_gone_is_not_asked_for_any_more() -> None:
    registry = Registry(Away("host does not answer"))
    registry.resolver.observe(KEY, URI, None)
    await until(lambda: registry.asked)
    registry.resolver.forget(KEY)
    asked = len(registry.asked)
    await asyncio.sleep(0.02)
    assert len(registry.asked) <= asked + 1
    await registry.resolver.close()
