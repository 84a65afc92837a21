"""Hands a candidate over by a pull request, and opens another to take it back."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from serinus.api import retrainreasons as words
from serinus.api.retrainstatus import ModelState
from serinus.api.runplan import PullRequestSpec
from serinus.api.runstatus import RunModel
from serinus.controllers.inquiry import Later
from serinus.controllers.retrain.desk import Order
from serinus.core.retrain.proposal import Written, describe_proposal, title_of, write_edits
from serinus.core.retrain.runview import Handed
from serinus.core.snapshot import Problem
from serinus.forge.access import GitAccess, read_git_secret
from serinus.forge.change import Change, name_branch, name_branches
from serinus.forge.git import drop_superseded, open_branch_commit
from serinus.forge.github import Draft, Forge, close_superseded, find_by_head, open_forge, propose
from serinus.forge.outcome import Away, Committed, PullRequest, Refused, UpToDate
from serinus.forge.yamlfile import Edit
from serinus.net.transport import Transport

Raw = dict[str, Any]
FetchSecret = Callable[[str, str], Awaitable[Raw | Away | Refused]]

AUTHOR: Final = ("Serinus", "serinus@serinus.dev")
NEWER: Final = "Replaced by a newer candidate of the same RetrainPolicy."
TAKEN_BACK: Final = "The candidate is not to be served any more: its run has ended."


@dataclass(frozen=True)
class PullRequestCarrier:
    """`fetch_secret` gives a Secret by namespace and name, `hosts` says who may be asked."""

    transport: Transport
    hosts: Mapping[str, str]
    fetch_secret: FetchSecret

    async def hand_over(self, order: Order) -> Handed | Later:
        """One pull request of the policy is open afterwards: this one."""
        spec, model = order.spec.plan.promotion.pull_request, order.status.model
        if spec is None or model is None:
            return _refused("spec.promotion.pullRequest or the model is missing")
        return await self._ask_for(order, spec, model, back=False)

    async def watch(self, order: Order, reference: str) -> Handed | Later:
        """Whether people have merged or closed it. What is served is seen on the ModelDeployment, not here."""
        spec, model = order.spec.plan.promotion.pull_request, order.status.model
        written = write_edits(spec.edits, model) if spec is not None and model is not None else ""
        if spec is None or isinstance(written, str):
            return Handed(reference)
        access = await self._open(order, spec)
        if isinstance(access, Later):
            return access
        forge = open_forge(self.transport, access, self.hosts)
        if not isinstance(forge, Forge):
            return Handed(reference) if forge is None else _say(forge)
        head = _name_head(order, spec, _edits(written))
        found = await find_by_head(forge, head, spec.base)
        if isinstance(found, Away | Refused):
            return _say(found)
        if found is not None and found.state == "open":
            return Later(Problem(words.WAITING, f"{found.url} is open"))
        return Handed(reference, closed=found is not None and found.state == "closed")

    async def restore(self, order: Order) -> bool | Later:
        """Close what is open, and ask for the champion's values where git has the candidate's."""
        spec, champion = order.spec.plan.promotion.pull_request, order.spec.champion
        if spec is None:
            return True
        access = await self._open(order, spec)
        if isinstance(access, Later):
            return access
        prefix = name_branches(order.namespace, order.spec.policy.name)
        if champion is None:
            return await self._clear(access, prefix, "", TAKEN_BACK) or True
        back = await self._ask_for(order, spec, champion, back=True)
        return back if isinstance(back, Later) else True

    async def _ask_for(
        self, order: Order, spec: PullRequestSpec, model: RunModel | ModelState, *, back: bool
    ) -> Handed | Later:
        written = write_edits(spec.edits, model)
        if isinstance(written, str):
            return _refused(written)
        access = await self._open(order, spec)
        if isinstance(access, Later):
            return access
        edits = _edits(written)
        head, prefix = _name_head(order, spec, edits), name_branches(order.namespace, order.spec.policy.name)
        title = title_of(order.spec.policy.name, model, back=back)
        body = describe_proposal(order.namespace, order.run, order.spec, order.status, back=back)
        message = f"{title}\n\nRetrainRun: {order.namespace}/{order.run}"
        taken_back = write_edits(spec.edits, order.status.model) if back and order.status.model is not None else ()
        replaces = () if isinstance(taken_back, str) else _edits(taken_back)
        at = int(order.spec.decided_at.timestamp())
        change = Change(head, edits, message, AUTHOR, at, spec.base, replaces)
        made = await open_branch_commit(access, self.hosts, change)
        if isinstance(made, Away | Refused):
            return _say(made)
        if isinstance(made, UpToDate):
            # What is wanted stands there already: whoever is open asks for something else.
            return await self._clear(access, prefix, "", TAKEN_BACK if back else NEWER) or Handed(
                f"{made.base}@{made.commit[:12]}"
            )
        return await self._propose(access, made, Draft(head, spec.base, title, body, made.commit), prefix, back=back)

    async def _propose(
        self, access: GitAccess, made: Committed, draft: Draft, prefix: str, *, back: bool
    ) -> Handed | Later:
        forge = open_forge(self.transport, access, self.hosts)
        if isinstance(forge, Refused):
            return _say(forge)
        reference = f"branch {made.branch} of {access.path} at {urlsplit(access.url).netloc}"
        if forge is not None:
            found = await propose(forge, draft)
            if not isinstance(found, PullRequest):
                return _say(found)
            if found.state == "closed":
                return Handed(found.url, closed=True)
            reference = found.url
        later = await self._clear(access, prefix, made.branch, TAKEN_BACK if back else NEWER)
        return later or Handed(reference[:512])

    async def _clear(self, access: GitAccess, prefix: str, keep: str, why: str) -> Later | None:
        """Close the other pull requests of the policy, and remove their branches."""
        forge = open_forge(self.transport, access, self.hosts)
        if isinstance(forge, Forge):
            closed = await close_superseded(forge, prefix, keep, why)
            if isinstance(closed, Away | Refused):
                return _say(closed)
        dropped = await drop_superseded(access, self.hosts, prefix, keep)
        return _say(dropped) if isinstance(dropped, Away) else None

    async def _open(self, order: Order, spec: PullRequestSpec) -> GitAccess | Later:
        secret = await self.fetch_secret(order.namespace, spec.secret)
        access = secret if isinstance(secret, Away | Refused) else read_git_secret(secret, self.hosts)
        return access if isinstance(access, GitAccess) else _say(access)


def _edits(written: Iterable[Written]) -> tuple[Edit, ...]:
    return tuple(Edit(one.file, one.path, one.value) for one in written)


def _name_head(order: Order, spec: PullRequestSpec, edits: tuple[Edit, ...]) -> str:
    return name_branch(order.namespace, order.spec.policy.name, spec.base, edits)


def _say(outcome: Away | Refused) -> Later:
    """What is away, or wants better credentials, is waited for: what was trained is not lost for that."""
    if isinstance(outcome, Away):
        return Later(Problem(words.WAITING, outcome.message), soon=True)
    return Later(Problem(words.WAITING if outcome.access else words.PROMOTION_REFUSED, outcome.message))


def _refused(message: str) -> Later:
    return Later(Problem(words.PROMOTION_REFUSED, message))
