"""What is known of the kind of an object: from the table, or from the rules of a policy."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from serinus.api.runplan import OutcomeRules, StatusRule
from serinus.api.statuspath import Path, find_first, parse_path, to_text
from serinus.core.retrain.kindrules import Kind, Test
from serinus.core.retrain.kindtable import ANY, KINDS


def find_kind(template: Mapping[str, Any]) -> Kind | None:
    """What is known of the kind of an object; None where nothing is."""
    return KINDS.get(key_of(template))


def key_of(template: Mapping[str, Any]) -> str:
    """Group and kind of an object: batch/Job; `core/Pod` for the group without a name."""
    group, slash, _ = str(template.get("apiVersion") or "").partition("/")
    return f"{group if slash else 'core'}/{template.get('kind') or ''}"


def resolve_kind(template: Mapping[str, Any], outcome: OutcomeRules | None) -> Kind | None:
    """How objects made from the template tell their outcome: by the policy's rules, else by what is known."""
    known = find_kind(template)
    if outcome is None:
        return known
    group, _, kind = key_of(template).partition("/")
    base = known or replace(ANY, group=group, kind=kind)
    return replace(
        base,
        success=(tuple(_read(rule) for rule in outcome.success_when),),
        failure=tuple((_read(rule),) for rule in outcome.failure_when),
        error=(),
        waiting=tuple((_read(rule),) for rule in outcome.waiting_when) or base.waiting,
    )


def find_told(obj: Any, paths: tuple[Path, ...]) -> str:
    """The first text that is told at one of the paths."""
    told = (to_text(find_first(obj, path)) for path in paths)
    return next((text for text in told if text), "")


def _read(rule: StatusRule) -> Test:
    path = parse_path(rule.path)
    # A rule that cannot be read is refused with the policy; should it get here, it never holds.
    return Test((), "DoesNotExist") if isinstance(path, str) else Test(path, rule.operator or "In", rule.values)
