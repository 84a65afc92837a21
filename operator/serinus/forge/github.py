"""Pull requests by GitHub's REST API, as GitHub and GitHub Enterprise Server speak it (others speak it in part).

Every call may be repeated: what is there is found before anything is made.
"""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from serinus.api.redact import quote_server
from serinus.forge.access import SETTING, GitAccess
from serinus.forge.outcome import Away, Closed, PullRequest, Refused, State
from serinus.forge.status import explain_status
from serinus.net.hosts import check_address
from serinus.net.transport import Reply, Transport

VERSION: Final = "2022-11-28"
LARGEST_BODY: Final = 60_000
"""Characters of a description; GitHub takes 65,536."""
PAGES: Final = 5
"""Pages of 100 open pull requests that are looked through."""


@dataclass(frozen=True)
class Draft:
    """A pull request as it should be. `body` is Markdown; too long a one is cut. `commit`: the tip of `head`."""

    head: str
    base: str
    title: str
    body: str
    commit: str


@dataclass(frozen=True)
class Forge:
    """Where to ask; made by `open_forge`. `repository`: OWNER/NAME."""

    transport: Transport
    api: str
    repository: str
    token: str = field(repr=False)
    trust: ssl.SSLContext | None = None

    @property
    def host(self) -> str:
        return urlsplit(self.api).netloc


def open_forge(transport: Transport, access: GitAccess, hosts: Mapping[str, str]) -> Forge | Refused | None:
    """The forge of a repository; None where the Secret names none, so that a person opens the pull request."""
    if access.api is None:
        return None
    why = check_address(access.api, hosts, SETTING)
    if why is not None:
        return why
    owner, _, name = access.path.partition("/")
    if not owner or not name or "/" in name:
        return Refused("key url of the Secret does not end with OWNER/NAME, as GitHub's API wants it")
    try:
        trust = ssl.create_default_context(cadata=access.authorities) if access.authorities else None
    except (ssl.SSLError, ValueError):
        return Refused("key ca.crt of the Secret holds no certificates in PEM form", access=True)
    return Forge(transport, access.api, access.path, access.token, trust)


async def propose(forge: Forge, draft: Draft) -> PullRequest | Away | Refused:
    """The pull request for `draft.head`, made or brought up to date. One that was merged, or closed by a person, is
    told as it is and not opened again, unless the branch has another commit since: then it was for an earlier time that
    the same was wanted."""
    found = await find_by_head(forge, draft.head, draft.base)
    if isinstance(found, PullRequest) and found.state != "open" and found.commit != draft.commit:
        found = None
    if found is None:
        made = await _make(forge, draft)
        if not isinstance(made, Refused):
            return made
        # Another may have made it meanwhile, or an answer of ours was lost.
        found = await find_by_head(forge, draft.head, draft.base)
        if found is None:
            return made
    if isinstance(found, PullRequest) and found.state == "open":
        wanted = {"title": draft.title, "body": _cut(draft.body)}
        return _read(forge, await _ask(forge, "PATCH", f"pulls/{found.number}", wanted))
    return found


async def find_by_head(forge: Forge, head: str, base: str | None = None) -> PullRequest | Away | Refused | None:
    """The newest pull request of a branch of the repository itself, the open one first; None where there is none."""
    owner = forge.repository.partition("/")[0]
    asked = {"head": f"{owner}:{head}", "state": "all", "per_page": "100", **({"base": base} if base else {})}
    said = await _ask(forge, "GET", f"pulls?{urlencode(asked)}")
    if not isinstance(said, list):
        return said if isinstance(said, Away | Refused) else _odd(forge)
    found = [one for one in (_parse(item) for item in said) if one is not None and one.head == head]
    found.sort(key=lambda one: (one.state == "open", one.number))
    return found[-1] if found else None


async def read_state(forge: Forge, number: int) -> PullRequest | Away | Refused:
    """How a pull request stands."""
    return _read(forge, await _ask(forge, "GET", f"pulls/{number}"))


async def close_superseded(forge: Forge, prefix: str, keep: str, why: str) -> Closed | Away | Refused:
    """Close the open pull requests whose branch begins with `prefix` and is not `keep`, each with the comment `why`.
    Their branches stay; see `serinus.forge.git.drop_superseded`."""
    numbers: list[int] = []
    for page in range(1, PAGES + 1):
        said = await _ask(forge, "GET", f"pulls?{urlencode({'state': 'open', 'per_page': '100', 'page': page})}")
        if not isinstance(said, list):
            return said if isinstance(said, Away | Refused) else _odd(forge)
        numbers += [item["number"] for item in said if _is_superseded(forge, item, prefix, keep)]
        if len(said) < 100:
            break
    for number in numbers:
        for method, path, body in (
            ("POST", f"issues/{number}/comments", {"body": _cut(why)}),
            ("PATCH", f"pulls/{number}", {"state": "closed"}),
        ):
            done = await _ask(forge, method, path, body)
            if isinstance(done, Away | Refused):
                return done
    return Closed(tuple(numbers))


def _is_superseded(forge: Forge, item: Any, prefix: str, keep: str) -> bool:
    """Whether it is of a branch of the repository itself; in a fork anybody may name a branch like ours."""
    found = _parse(item)
    if found is None or not found.head.startswith(prefix) or found.head == keep:
        return False
    origin = (item["head"].get("repo") or {}).get("full_name")
    return isinstance(origin, str) and origin.lower() == forge.repository.lower()


async def _make(forge: Forge, draft: Draft) -> PullRequest | Away | Refused:
    wanted = {"title": draft.title, "head": draft.head, "base": draft.base, "body": _cut(draft.body)}
    return _read(forge, await _ask(forge, "POST", "pulls", wanted))


async def _ask(forge: Forge, method: str, path: str, body: object = None) -> Any:
    """The parsed answer, Away or Refused."""
    url = f"{forge.api}/repos/{quote(forge.repository)}/{path}"
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {forge.token}",
        "X-GitHub-Api-Version": VERSION,
        "User-Agent": "serinus",
    }
    reply = await forge.transport.send(method, url, headers, body, forge.trust)
    if isinstance(reply, Away):
        return reply
    parsed = reply.parsed()
    why = _explain(forge, reply, parsed)
    return why if why is not None else parsed if parsed is not None else _odd(forge)


def _explain(forge: Forge, reply: Reply, parsed: Any) -> Away | Refused | None:
    why = explain_status(forge.host, reply.status, reply.headers)
    if isinstance(why, Refused) and reply.status == 422:
        return Refused(f"{forge.host} refuses: {_quote(forge, parsed)}")
    return why


def _quote(forge: Forge, parsed: Any) -> str:
    """What is wrong with a request, in the forge's words."""
    said = parsed if isinstance(parsed, dict) else {}
    errors: Sequence[Any] = said["errors"] if isinstance(said.get("errors"), list) else ()
    details = [str(error.get("message") or error.get("field") or "") for error in errors if isinstance(error, dict)]
    text = "; ".join(part for part in (str(said.get("message", "HTTP 422")), *details) if part)
    return quote_server(text, forge.token)


def _read(forge: Forge, said: Any) -> PullRequest | Away | Refused:
    if isinstance(said, Away | Refused):
        return said
    return _parse(said) or _odd(forge)


def _odd(forge: Forge) -> Away:
    return Away(f"{forge.host} answers otherwise than GitHub's API")


def _parse(item: Any) -> PullRequest | None:
    try:
        merged = item.get("merged_at") is not None
        number, open_or_closed = item["number"], item["state"]
        head, commit, url = item["head"]["ref"], item["head"]["sha"], item["html_url"]
        merge = item.get("merge_commit_sha") if merged else None
    except (AttributeError, KeyError, TypeError):
        return None
    texts = all(isinstance(text, str) for text in (head, commit, url))
    if not texts or open_or_closed not in ("open", "closed") or type(number) is not int:
        return None
    state: State = "merged" if merged else "open" if open_or_closed == "open" else "closed"
    return PullRequest(number, url[:1000], state, head, commit, merge if isinstance(merge, str) else None)


def _cut(body: str) -> str:
    return body if len(body) <= LARGEST_BODY else f"{body[:LARGEST_BODY]}\n\n(cut)"
