"""Changes single values in the text of a YAML file and leaves every other character as it is.

Values are replaced where they stand in the text: nothing is written anew, so comments, order, quotes and indentation
stay, whatever the file looks like. Afterwards old and new text are compared event by event; where anything but the
wanted values has changed, the file is refused.
"""

import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import yaml

LARGEST: Final = 1024 * 1024
"""Characters of a file."""

_KEY: Final = r"""[^.\[\]"']+"""
_STEP: Final = re.compile(
    rf"""\.?(?:(?P<key>{_KEY})|"(?P<quoted>[^"]+)")|\[(?P<index>\d{{1,4}})\]|\[(?P<by>[\w-]+)=(?P<value>[^\]]+)\]"""
)

Value = str | int | float | bool


@dataclass(frozen=True)
class Edit:
    """`value` is wanted at `path` of the YAML file `file`, which must exist and have something there.

    `path`: keys with dots between (`spec.model.uri`), keys that hold dots in quotes (`metadata."a.b/c"`), items of
    lists by number or by a value in them (`containers[0]`, `env[name=URI].value`). `document`: KIND/NAME, where the
    file holds several.
    """

    file: str
    path: str
    value: Value
    document: str | None = None


@dataclass(frozen=True)
class Unfit:
    """Why a file cannot be changed so; the message names the path, not the file."""

    message: str


@dataclass(frozen=True)
class _Step:
    key: str | None = None
    index: int | None = None
    by: tuple[str, str] | None = None
    text: str = ""


def change_text(text: str, edits: Sequence[Edit]) -> str | Unfit:
    """`text` with the values of `edits` (all of one file); the same text where it has them."""
    if len(text) > LARGEST:
        return Unfit(f"has more than {LARGEST:,} characters")
    for edit in edits:
        changed = _change_one(text, edit)
        if isinstance(changed, Unfit):
            return changed
        text = changed
    return text


def _change_one(text: str, edit: Edit) -> str | Unfit:
    steps = _read_path(edit.path)
    if isinstance(steps, Unfit):
        return steps
    try:
        node = _find(text, edit, steps)
        if isinstance(node, Unfit) or _means(node, edit.value):
            return node if isinstance(node, Unfit) else text
        start, end = _place(node)
        if _is_shared(text, start):
            return Unfit(f"{edit.path} has an anchor, and an alias elsewhere: change it by hand")
        changed = text[:start] + _write(node, edit.value, text[start:end]) + text[end:]
        found = _find(changed, edit, steps)
        if isinstance(found, Unfit) or not _means(found, edit.value) or _count_changes(text, changed) != 1:
            return Unfit(f"{edit.path} cannot be changed without changing more: change it by hand")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return Unfit(f"is no YAML{'' if mark is None else f' (line {mark.line + 1})'}")
    except RecursionError:
        return Unfit("is nested too deep")
    return changed


def _read_path(path: str) -> list[_Step] | Unfit:
    steps, at = [], 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None or (at == 0 and path[0] == "."):
            return Unfit(f"path {path!r} cannot be read from {path[at:]!r} on; right would be a.b[0].c or a[name=x].b")
        key = match["key"] or match["quoted"]
        by = (match["by"], match["value"]) if match["by"] else None
        steps.append(_Step(key, int(match["index"]) if match["index"] else None, by, path[: match.end()]))
        at = match.end()
    return steps or Unfit("the path is empty")


def _find(text: str, edit: Edit, steps: Sequence[_Step]) -> yaml.ScalarNode | Unfit:
    document = _choose([node for node in yaml.compose_all(text, yaml.SafeLoader) if node is not None], edit.document)
    if isinstance(document, Unfit):
        return document
    node = document
    for step in steps:
        found = _descend(node, step)
        if isinstance(found, Unfit):
            return found
        node = found
    if not isinstance(node, yaml.ScalarNode):
        return Unfit(f"{edit.path} is no single value")
    return node


def _choose(documents: list[yaml.Node], wanted: str | None) -> yaml.Node | Unfit:
    if wanted is not None:
        documents = [node for node in documents if f"{_text(node, 'kind')}/{_text(node, 'metadata', 'name')}" == wanted]
    if len(documents) == 1:
        return documents[0]
    what = "documents" if wanted is None else f"documents {wanted}"
    return Unfit(f"holds {len(documents)} {what}; exactly one can be changed" + (": name it" * (wanted is None)))


def _text(node: yaml.Node, *keys: str) -> str | None:
    for key in keys:
        found = _descend(node, _Step(key=key))
        if isinstance(found, Unfit):
            return None
        node = found
    return str(node.value) if isinstance(node, yaml.ScalarNode) else None


def _descend(node: yaml.Node, step: _Step) -> yaml.Node | Unfit:
    missing = Unfit(f"has no {step.text}")
    if step.key is not None:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = [value for key, value in pairs if isinstance(key, yaml.ScalarNode) and key.value == step.key]
    elif not isinstance(node, yaml.SequenceNode):
        return Unfit(f"has no list for {step.text}")
    elif step.index is not None:
        found = node.value[step.index : step.index + 1]
    elif step.by is not None:
        key, value = step.by
        found = [item for item in node.value if _text(item, key) == value]
    if len(found) > 1:
        return Unfit(f"has {step.text} {len(found)} times")
    return found[0] if found else missing


def _means(node: yaml.ScalarNode, value: Value) -> bool:
    said = yaml.SafeLoader("").construct_object(node) if _is_plain(node) else node.value
    return type(said) is type(value) and said == value


def _is_plain(node: yaml.ScalarNode) -> bool:
    return node.tag.rpartition(":")[2] in ("bool", "int", "float", "null", "str")


def _is_shared(text: str, start: int) -> bool:
    """Whether the value at `start` is meant by an alias as well."""
    events = list(yaml.parse(text, yaml.SafeLoader))
    aliases = {event.anchor for event in events if isinstance(event, yaml.AliasEvent)}
    covering = [
        event
        for event in events
        if getattr(event, "anchor", None) in aliases
        and not isinstance(event, yaml.AliasEvent)
        and _place(event)[0] <= start < _end_of(events, event)
    ]
    return bool(covering)


def _end_of(events: list[yaml.Event], event: yaml.Event) -> int:
    """Where what begins with `event` ends."""
    if isinstance(event, yaml.ScalarEvent):
        return _place(event)[1]
    depth = 0
    for later in itertools.dropwhile(lambda one: one is not event, events):
        depth += isinstance(later, yaml.CollectionStartEvent) - isinstance(later, yaml.CollectionEndEvent)
        if depth == 0:
            return _place(later)[1]
    return 0


def _place(one: yaml.Node | yaml.Event) -> tuple[int, int]:
    """From which character to which it goes."""
    return int(one.start_mark.index), int(one.end_mark.index)  # type: ignore[union-attr]


def _write(node: yaml.ScalarNode, value: Value, old: str) -> str:
    """`value` in the style of what stood there, as long as it means the same to YAML 1.1 and 1.2."""
    if not isinstance(value, str):
        new = json.dumps(value)
    elif node.style == "'" and value.isprintable():
        new = "'" + value.replace("'", "''") + "'"
    elif node.style is None and re.fullmatch(r"[A-Za-z/][\w./@:+-]*[\w/]", value) and _is_string(value):
        new = value
    else:
        new = f'"{"".join(map(_escape, value))}"'
    if not old:
        return f" {new}"
    return new + old[len(old.rstrip("\r\n")) :]


def _escape(character: str) -> str:
    if character in '\\"':
        return f"\\{character}"
    number = ord(character)
    return character if " " <= character <= "~" else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _is_string(value: str) -> bool:
    try:
        return isinstance(yaml.safe_load(value), str)
    except yaml.YAMLError:
        return False


def _count_changes(old: str, new: str) -> int:
    """How many values differ; -1 where more than values does."""
    changes = 0
    pairs = itertools.zip_longest(yaml.parse(old, yaml.SafeLoader), yaml.parse(new, yaml.SafeLoader))
    for before, after in pairs:
        same = type(before) is type(after)
        if not same or any(getattr(before, name, None) != getattr(after, name, None) for name in ("anchor", "tag")):
            return -1
        if isinstance(before, yaml.ScalarEvent) and isinstance(after, yaml.ScalarEvent):
            changes += (before.value, before.implicit) != (after.value, after.implicit)
    return changes
