"""docs/rights.md: the chart's list of rights as a table, with the number of pairs."""

from collections.abc import Iterable
from typing import Any, Final

import yaml

from tests.cluster.helm import CHART
from tests.rights.rules import Right

Raw = dict[str, Any]

_LIST: Final = CHART / "files" / "rights.yaml"
_PAGE: Final = CHART.parents[1] / "docs" / "rights.md"
_BEGIN: Final = "<!-- Made by `make docs` from charts/serinus/files/rights.yaml; edit there. -->"
_END: Final = "<!-- end -->"
_SCOPES: Final = {
    "namespaces": "watched namespaces",
    "gateways": "watched namespaces",
    "events": "watched namespaces",
    "cluster": "cluster",
    "own": "own namespace",
}


def load_rights() -> list[Raw]:
    """The chart's list."""
    return list(yaml.safe_load(_LIST.read_text()))


def count_pairs(entries: Iterable[Raw], features: Iterable[str]) -> int:
    """Different pairs of resource and verb with these features on."""
    on = {None, *features}
    return len(
        {
            Right(one["group"], one["resource"], verb)
            for one in entries
            if one.get("feature") in on
            for verb in one["verbs"]
        }
    )


def render_page() -> str:
    """The page as it should be: what stands around the made part is kept."""
    entries = load_rights()
    features = list(dict.fromkeys(one["feature"] for one in entries if "feature" in one))
    default = count_pairs(entries, ())
    lines = [
        _BEGIN,
        "",
        f"The default install has **{default} pairs**, with every feature below {count_pairs(entries, features)}.",
        "",
        "| group | resource | verbs | where | why |",
        "| --- | --- | --- | --- | --- |",
        *(_row(one) for one in entries if "feature" not in one),
        "",
        "Each feature brings its own rights, and is off until its value is set:",
        "",
        "| value | pairs | group | resource | verbs | where | why |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for feature in features:
        more = count_pairs(entries, [feature]) - default
        mine = [one for one in entries if one.get("feature") == feature]
        lines += [f"| {f'`{feature}` | +{more}' if one is mine[0] else '|'} {_row(one)}" for one in mine]
    before, _, rest = _PAGE.read_text().partition(_BEGIN)
    return "\n".join([before + lines[0], *lines[1:], "", _END]) + rest.partition(_END)[2]


def _row(one: Raw) -> str:
    named = ", by name" if "names" in one else ""
    group = one["group"] or "core"
    return (
        f"| {group} | {one['resource']} | {', '.join(one['verbs'])} | {_SCOPES[one['scope']]}{named} | {one['why']} |"
    )
