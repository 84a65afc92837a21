"""A feature schema is read or refused, and what breaks callers is told apart from what does not."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serinus.core.features import LARGEST, compare_features, read_features


def schema(**properties: Any) -> str:
    return json.dumps({"type": "object", "properties": properties})


def read(text: str) -> Any:
    found = read_features(text)
    assert isinstance(found, dict), found
    return found


NUMBER, INTEGER, STRING = {"type": "number"}, {"type": "integer"}, {"type": "string"}


def test_names_and_types_are_read() -> None:
    text = json.dumps(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "amount": {"type": "number", "minimum": 0},
                "age": {"type": ["integer", "null"]},
                "country": {"enum": ["de", "fr"]},
                "address": {"type": "object", "properties": {"city": {"$ref": "#/$defs/name"}}},
                "tags": {"type": "array", "items": {"type": "string"}},
                "more": True,
            },
            "$defs": {"name": {"type": "string"}},
        }
    )
    found = read(text)
    assert found.pop("more") == ["array", "boolean", "integer", "null", "number", "object", "string"]
    assert found == {
        "amount": ["number"],
        "age": ["integer", "null"],
        "country": ["string"],
        "address": ["object"],
        "address.city": ["string"],
        "tags": ["array"],
        "tags[]": ["string"],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON: Expecting"),
        ("", "is not JSON: Expecting value"),
        ("[]", "must be an object, not list"),
        ('{"type": "float"}', "is not a JSON Schema: 'float' is not valid"),
        ('{"properties": {"x": {"type": "decimal"}}}', "at $.properties.x.type"),
        ('{"type": "array", "items": {}}', 'must have type "object" and properties'),
        ('{"type": "object"}', 'must have type "object" and properties'),
        ('{"amount": "number"}', 'must have type "object" and properties'),
        ('{"properties": {}}', "properties names none"),
        (
            '{"properties": {"x": {"$ref": "https://example.org/x"}}}',
            "x refers to 'https://example.org/x', which is not",
        ),
        ('{"properties": {"x": {"$ref": "#/$defs/y"}}}', "which is not in it"),
        ('{"properties": {"x": {"$ref": "#/properties/x"}}}', "x refers to itself"),
        ("[" * 100_000, "is nested too deeply"),
        (" " * (LARGEST + 1), "may have 262,144"),
        (schema(**{f"f{n}": NUMBER for n in range(2001)}), "names more than 2,000 features"),
        (
            '{"$schema": "http://json-schema.org/draft-03/schema#", "properties": {"x": {"type": ["string", {}]}}}',
            "x has type {}, and may have array, boolean",
        ),
        ('{"$schema": {}, "properties": {}}', "$schema must be a string, not dict"),
        ('{"$schema": [], "properties": {}}', "$schema must be a string, not list"),
        ('{"properties": {"x": {"$ref": "#/own/y"}}, "own": {"y": {"$ref": 5}}}', "x has a $ref that must be a string"),
        ('{"properties": {"x": {"$ref": "#/own/y"}}, "own": {"y": {"type": 5}}}', "x has type 5"),
        ('{"properties": {"x": {"$ref": "#/own/y"}}, "own": {"y": {"type": []}}}', "x has type null"),
        ('{"properties": {"x": {"pattern": "a{99999999999999999999}"}}}', "that can be checked: OverflowError"),
        ('{"properties": {"\\ud800": {}}}', "half of a surrogate pair"),
        ('{"properties": {"x": {"$ref": "\\ud800"}}}', "which is not in it"),
        (schema(**{"n" * 257: NUMBER}), "a feature's name may have 256 characters"),
        (schema(**{f"{n:0>100}": NUMBER for n in range(656)}), "more than 65,536 characters together"),
    ],
)
def test_what_is_no_feature_schema_is_said(text: str, said: str) -> None:
    found = read_features(text)
    assert isinstance(found, str)
    assert said in found
    assert found.encode()


def test_a_long_name_is_not_repeated_for_each_feature_within() -> None:
    inner = {f"f{number}": NUMBER for number in range(1_900)}
    text = schema(**{"n" * 200_000: {"type": "object", "properties": inner}})
    tracemalloc.start()
    found = read_features(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "256 characters" in str(found)
    assert peak < 32 * 2**20


def test_names_at_their_limits_are_read() -> None:
    assert len(read(schema(**{f"{n:0>256}": NUMBER for n in range(256)}))) == 256


_WORDS = st.sampled_from(
    (
        *("$schema", "$ref", "$defs", "$id", "type", "properties", "items", "enum", "const", "pattern", "format"),
        *("x", "object", "array", "any", "#", "#/x", "#/properties/x", "http://json-schema.org/draft-03/schema#"),
        *("regex", "a{99999999999999999999}", "(", "\ud800"),
    )
)
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | _WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_WORDS | st.text(max_size=4), inner, max_size=4),
    max_leaves=24,
)


@settings(deadline=None)
@given(st.dictionaries(_WORDS, _JSON, max_size=4), st.dictionaries(_WORDS, _JSON, min_size=1, max_size=4) | _JSON)
def test_whatever_stands_there_is_read_or_refused(more: dict[str, Any], properties: Any) -> None:
    for one in (more, {**more, "type": "object", "properties": properties}, properties):
        found = read_features(json.dumps(one))
        assert found
        json.dumps(found, ensure_ascii=False).encode()


def test_a_schema_that_holds_itself_ends() -> None:
    tree = {"type": "object", "properties": {"child": {"$ref": "#/properties/tree"}}}
    assert "nested deeper than 8 levels" in str(read_features(schema(tree=tree)))
    wide = {"type": "object", "properties": {f"f{number}": {"$ref": "#/properties/wide"} for number in range(50)}}
    assert "levels" in str(read_features(schema(wide=wide)))


@pytest.mark.parametrize(
    ("old", "new", "broken"),
    [
        ({"a": NUMBER}, {"a": NUMBER}, []),
        ({"a": NUMBER}, {"a": {"type": "number", "maximum": 1}, "b": STRING}, []),
        ({"a": INTEGER}, {"a": NUMBER}, []),
        ({"a": NUMBER}, {"a": {"type": ["number", "null"]}}, []),
        ({"a": STRING}, {"a": {}}, []),
        ({"a": NUMBER, "b": STRING}, {"a": NUMBER}, ["feature 'b' was removed"]),
        ({"a": NUMBER}, {"a": STRING}, ["feature 'a' was number and is string"]),
        ({"a": NUMBER}, {"a": INTEGER}, ["feature 'a' was number and is integer"]),
        ({"a": {}}, {"a": NUMBER}, ["feature 'a' was anything and is number"]),
        ({"a": {"type": ["number", "null"]}}, {"a": NUMBER}, ["feature 'a' was null or number and is number"]),
        ({"a": NUMBER}, {"b": NUMBER}, ["feature 'a' was removed"]),
        (
            {"a": {"type": "object", "properties": {"b": NUMBER}}},
            {"a": {"type": "object", "properties": {"b": STRING}}},
            ["feature 'a.b' was number and is string"],
        ),
        (
            {"a": {"type": "array", "items": NUMBER}},
            {"a": {"type": "array", "items": STRING}},
            ["feature 'a[]' was number and is string"],
        ),
    ],
)
def test_only_what_breaks_callers_counts(old: Any, new: Any, broken: list[str]) -> None:
    assert list(compare_features(read(schema(**old)), read(schema(**new)))) == broken
