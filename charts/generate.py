"""Writes what is made from the chart: the table of values in its README, the descriptions in its schema, its copies of
rules and dashboard, and the plain manifest. Nothing here is part of the operator.

    python -m charts.generate            write
    python -m charts.generate --check    write nothing; exit status 1 where a file is not what it would become
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tests.cluster.helm import find_helm

CHARTS: Final = Path(__file__).parent
CHART: Final = CHARTS / "serinus"
EXAMPLES: Final = CHARTS.parent / "examples" / "observability"
NAMESPACE: Final = "serinus-system"

PASSED_ON: Final = frozenset(
    {"affinity", "nodeSelector", "podSecurityContext", "resources", "tolerations", "topologySpreadConstraints"}
)
"""Values that go into pods as they are: there null is the way to be without."""

_KEY: Final = re.compile(r"(?P<indent> *)(?P<name>[A-Za-z][A-Za-z0-9]*):(?P<rest>.*)")
_TABLE: Final = re.compile(r"(?<=<!-- values -->\n).*(?=<!-- end -->)", re.DOTALL)

Comments = dict[tuple[str, ...], str]


def read_comments(text: str) -> Comments:
    """The comment right above each key of values.yaml, by the key's path.

    Raises ValueError for a key that nobody has described: one without a comment, of its own or of what stands in it.
    """
    found: Comments = {}
    path: list[str] = []
    comment: list[str] = []
    silent: set[tuple[str, ...]] = set()
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith("#"):
            comment.append(bare.lstrip("# "))
            continue
        if key := _KEY.fullmatch(line):
            path[len(key["indent"]) // 2 :] = [key["name"]]
            place = tuple(path)
            if comment:
                found[place] = " ".join(comment)
            elif not any(place[:depth] in found for depth in range(1, len(place))):
                silent.add(place)
        comment = []
    silent -= {place[:depth] for place in found for depth in range(1, len(place))}
    if silent:
        raise ValueError(f"values.yaml: no comment above {', '.join('.'.join(place) for place in sorted(silent))}")
    return found


def render_table(comments: Comments, values: Mapping[str, Any]) -> str:
    """Rows of Markdown: value, default, what it is."""
    rows = ["| value | default | what |", "| --- | --- | --- |"]
    for place, text in comments.items():
        is_heading = any(other[:-1] == place for other in comments)
        default = "" if is_heading else f"`{json.dumps(_look_up(values, place))}`"
        cells = [f"`{'.'.join(place)}`", default, text]
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(rows) + "\n"


def _look_up(values: Mapping[str, Any], place: tuple[str, ...]) -> Any:
    found: Any = values
    for name in place:
        found = found[name]
    return found


def describe_schema(schema: dict[str, Any], comments: Comments) -> dict[str, Any]:
    """The same schema with the comments as descriptions; KeyError for a value that it does not know."""
    for place, text in comments.items():
        node = schema
        for name in place:
            node = node["properties"][name]
        node["description"] = text
    return schema


def require_defaults(schema: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The same schema, which refuses that a section, switch or number is taken away: Helm drops what is set to null,
    and templates would stumble over it, or read 0."""
    has = {name: value for name, value in values.items() if name in schema.get("properties", {})}
    wanted = [name for name, value in has.items() if not (value is None or isinstance(value, str) or name in PASSED_ON)]
    if wanted:
        schema["required"] = wanted
    for name in wanted:
        if isinstance(has[name], dict):
            require_defaults(schema["properties"][name], has[name])
    return schema


def render_install() -> str:
    """The chart with its own values as a plain manifest, for `kubectl apply`."""
    command = [str(find_helm()), "template", "serinus", str(CHART), "--namespace", NAMESPACE]
    done = subprocess.run([*command, "--set", "crds.keep=false"], capture_output=True, text=True, check=True)  # noqa: S603  (our own command)
    objects = [one for one in yaml.load_all(done.stdout, yaml.CSafeLoader) if one]
    for one in objects:
        _disown(one)
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": _RESTRICTED}}
    first = [space, *(one for one in objects if one["kind"] == "CustomResourceDefinition")]
    rest = [one for one in objects if one["kind"] != "CustomResourceDefinition"]
    head = "# Made from charts/serinus by: make docs\n# Do not edit.\n"
    return head + "---\n".join(yaml.safe_dump(one, sort_keys=False, width=120) for one in [*first, *rest])


_RESTRICTED: Final = {
    "app.kubernetes.io/part-of": "serinus",
    "pod-security.kubernetes.io/enforce": "restricted",
}


def _disown(node: Any) -> None:
    """Take away what says that Helm manages the object, wherever labels stand."""
    if isinstance(node, dict):
        labels = node.get("labels")
        if isinstance(labels, dict) and labels.get("app.kubernetes.io/managed-by") == "Helm":
            del labels["app.kubernetes.io/managed-by"]
            labels.pop("helm.sh/chart", None)
        for child in node.values():
            _disown(child)
    if isinstance(node, list):
        for child in node:
            _disown(child)


def render_all() -> Iterator[tuple[Path, str]]:
    """Every file with what it has to be."""
    text = (CHART / "values.yaml").read_text()
    comments = read_comments(text)
    readme, schema = CHART / "README.md", CHART / "values.schema.json"
    values = yaml.safe_load(text)
    table = render_table(comments, values)
    yield readme, _TABLE.sub(lambda _: table, readme.read_text())
    rules = require_defaults(describe_schema(json.loads(schema.read_text()), comments), values)
    yield schema, json.dumps(rules, indent=2) + "\n"
    yield CHART / "files" / "rules" / "models.yaml", (EXAMPLES / "rules.yaml").read_text()
    yield CHART / "files" / "dashboards" / "models.json", (EXAMPLES / "dashboard.json").read_text()
    yield CHARTS / "serinus-install" / "install.yaml", render_install()


def main(arguments: list[str]) -> int:
    """Write or compare; the exit status."""
    stale = [(path, text) for path, text in render_all() if not path.exists() or path.read_text() != text]
    if "--check" not in arguments:
        for path, text in stale:
            path.write_text(text)
        return 0
    for path, _ in stale:
        print(f"{path.relative_to(CHARTS.parent)} is not what the chart says: run make docs", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
