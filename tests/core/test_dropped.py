from typing import Any

import pytest

from serinus.core.dropped import explain_dropped, find_dropped


@pytest.mark.parametrize(
    ("sent", "kept", "found"),
    [
        ({}, None, None),
        ({"a": 1}, {"a": 1, "b": 2}, None),
        ({"a": 1}, {}, "status.a"),
        ({"a": 1}, None, "status.a"),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, "status.a.c"),
        ({"a": [{"b": 1}, {"b": 1, "c": 2}]}, {"a": [{"b": 1}, {"b": 1}]}, "status.a[1].c"),
        ({"a": [1, 2]}, {"a": [1, 2]}, None),
    ],
)
def test_what_was_not_kept_is_found(sent: Any, kept: Any, found: str | None) -> None:
    assert find_dropped(sent, kept, "status") == found


def test_the_field_and_the_cure_are_told() -> None:
    assert explain_dropped("modeldeployments", "status.phase") == (
        "status.phase: the CRD modeldeployments.serinus.dev is older than the operator and does not keep it;"
        " upgrade the CRDs to the operator's version"
    )
