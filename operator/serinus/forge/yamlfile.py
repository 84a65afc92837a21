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

from serinus.api.statuspath import Every, Field, Index, Path, Where, parse_path

LARGEST: Final = 1024 * 1024
"""Characters of a file."""

Value = str | int | float | bool


@dataclass(frozen=True)
class Edit:
    """`value` is wanted at `path` of the YAML file `file`, which must exist and have something there.

    `path`: as in `serinus.api.statuspath`, to exactly one place. `document`: KIND/NAME, where the file holds several.
    """

    file: str
    path: str
    value: Value
    document: str | None = None


@dataclass(frozen=True)
class Unfit:
    """Why a file cannot be changed so; the message names the path, not the file."""

    message: str


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
    steps = parse_path(edit.path)
    if isinstance(steps, str):
        return Unfit(f"path {edit.path!r} {steps}")
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


def _find(text: str, edit: Edit, steps: Path) -> yaml.ScalarNode | Unfit:
    document = _choose([node for node in yaml.compose_all(text, yaml.SafeLoader) if node is not None], edit.document)
    if isinstance(document, Unfit):
        return document
    nodes = [document]
    for number, step in enumerate(steps):
        nodes = [below for node in nodes for below in _descend(node, step)]
        if not nodes:
            return Unfit(f"has no {_say(steps[: number + 1])}")
    if len(nodes) > 1:
        return Unfit(f"has {edit.path} {len(nodes)} times")
    node = nodes[0]
    return node if isinstance(node, yaml.ScalarNode) else Unfit(f"{edit.path} is no single value")


def _choose(documents: list[yaml.Node], wanted: str | None) -> yaml.Node | Unfit:
    if wanted is not None:
        documents = [node for node in documents if f"{_text(node, 'kind')}/{_text(node, 'metadata', 'name')}" == wanted]
    if len(documents) == 1:
        return documents[0]
    what = "documents" if wanted is None else f"documents {wanted}"
    return Unfit(f"holds {len(documents)} {what}; exactly one can be changed" + (": name it" * (wanted is None)))


def _text(node: yaml.Node, *keys: str) -> str | None:
    nodes = [node]
    for key in keys:
        nodes = [below for node in nodes for below in _descend(node, Field(key))]
    return str(nodes[0].value) if len(nodes) == 1 and isinstance(nodes[0], yaml.ScalarNode) else None


def _descend(node: yaml.Node, step: Field | Index | Every | Where) -> list[yaml.Node]:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    items = node.value if isinstance(node, yaml.SequenceNode) else []
    match step:
        case Field(name):
            return [value for key, value in pairs if isinstance(key, yaml.ScalarNode) and key.value == name]
        case Index(place):
            return [items[place]] if -len(items) <= place < len(items) else []
        case Every():
            return [*items, *(value for _, value in pairs)]
        case Where(wanted):
            entries = [*items, *(value for _, value in pairs)]
            return [entry for entry in entries if all(_text(entry, key) == value for key, value in wanted)]


def _say(steps: Path) -> str:
    """A path as people write it."""
    said = ""
    for step in steps:
        match step:
            case Field(name):
                said += f".{name}" if re.fullmatch(r"[\w-]+", name, re.ASCII) else f"['{name}']"
            case Index(place):
                said += f"[{place}]"
            case Every():
                said += "[*]"
            case Where(wanted):
                said += f"[{','.join(f'{key}={value}' for key, value in wanted)}]"
    return said.removeprefix(".")


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
