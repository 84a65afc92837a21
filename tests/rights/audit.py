"""What an account asked for, read from the API server's audit log (lines of JSON, `audit.k8s.io/v1`, level Metadata or
above)."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from tests.rights.rules import Right

Raw = dict[str, Any]

_DECISION: Final = "authorization.k8s.io/decision"
_DENIED: Final = re.compile(r'cannot (?P<verb>[a-z]+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"')


@dataclass(frozen=True)
class Asked:
    """What an account asked for: `used` was allowed, `denied` was not, each with how often."""

    used: Counter[Right]
    denied: Counter[Right]

    def dump(self, account: str) -> Raw:
        """As JSON: lists of group, resource, verb and count."""
        lists = {name: [[*right, count] for right, count in sorted(getattr(self, name).items())] for name in _LISTS}
        return {"account": account, **lists}


_LISTS: Final = ("used", "denied")


def read_asked(lines: Iterable[str], account: str) -> Asked:
    """Everything that `account` (such as system:serviceaccount:NAMESPACE:NAME) asked of resources. Half a last line is
    passed over; paths without a resource are not a matter of roles for an operator. While a release is uninstalled, its
    bindings go before its pods, and what these are denied then is no right that the chart forgot."""
    asked = Asked(Counter(), Counter())
    gone: set[str] = set()
    release = account.rpartition(":")[2]
    for line in lines:
        if account not in line and not ("rolebindings" in line and release in line):
            continue
        try:
            event: Raw = json.loads(line)
        except ValueError:
            continue
        _note_binding(event, release, gone)
        if event.get("user", {}).get("username") != account or "impersonatedUser" in event:
            continue
        for right, is_allowed in _read(event):
            if is_allowed:
                asked.used[right] += 1
            elif not gone:
                asked.denied[right] += 1
    return asked


def _note_binding(event: Raw, release: str, gone: set[str]) -> None:
    """Keep in `gone` which bindings of the release are deleted and not yet made again."""
    what, code = event.get("objectRef") or {}, (event.get("responseStatus") or {}).get("code", 0)
    place, name = str(what.get("resource")), str(what.get("name") or "")
    if place not in ("rolebindings", "clusterrolebindings") or not name.startswith(release) or code not in (200, 201):
        return
    key = f"{place}/{what.get('namespace', '')}/{name}"
    if event["verb"] == "delete":
        gone.add(key)
    elif event["verb"] in ("create", "patch", "update"):
        gone.discard(key)


def load_asked(summaries: Iterable[Raw], account: str) -> Asked:
    """The sum of what `Asked.dump` gave for this account."""
    asked = Asked(Counter(), Counter())
    for summary in summaries:
        if summary["account"] != account:
            continue
        for name in _LISTS:
            for group, resource, verb, count in summary[name]:
                getattr(asked, name)[Right(group, resource, verb)] += count
    return asked


def _read(event: Raw) -> Iterator[tuple[Right, bool]]:
    what = event.get("objectRef") or {}
    # A watch is told of when it begins and when it ends, and a log may end before it does.
    if event.get("stage") not in ("ResponseStarted", "ResponseComplete") or not what.get("resource"):
        return
    resource = "/".join(part for part in (what["resource"], what.get("subresource")) if part)
    asked = Right(what.get("apiGroup", ""), resource, event["verb"])
    if (event.get("annotations") or {}).get(_DECISION) == "forbid":
        yield asked, False
        return
    yield asked, True
    # A server-side apply of what is not there asks for a second right, of which the log has no line of its own.
    answer = event.get("responseStatus") or {}
    if event["verb"] == "patch" and answer.get("code") == 201:
        yield asked._replace(verb="create"), True
    denied = _DENIED.search(str(answer.get("message") or "")) if answer.get("code") == 403 else None
    if denied is not None:
        yield Right(denied["group"], denied["resource"], denied["verb"]), False
