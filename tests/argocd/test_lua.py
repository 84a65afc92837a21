"""The Lua itself: it offers what Argo CD's does, and no more."""

import pytest

from tests.argocd.lua import LuaError, build_patch, run_action, run_health

HEALTHY = 'return {status = "Healthy", message = tostring(%s)}'


@pytest.mark.parametrize(
    "name", ["string", "math", "io", "debug", "print", "load", "loadstring", "dofile", "python", "jit", "os.execute"]
)
def test_what_argo_cd_does_not_offer_is_not_there(name: str) -> None:
    assert run_health(HEALTHY % name, {})["message"] == "nil"


@pytest.mark.parametrize("expression", ['("a"):upper()', 'require("string").upper("a")', "obj:nothing()"])
def test_nor_by_another_way(expression: str) -> None:
    with pytest.raises(LuaError):
        run_health(HEALTHY % expression, {"a": 1})


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("table.concat({1, 2})", "12"),
        ("#obj.list", "2"),
        ("obj.number == 3", "true"),
        ("obj.nothing", "nil"),
        ('require("os").date ~= nil', "true"),
    ],
)
def test_what_it_offers_is(expression: str, value: str) -> None:
    obj = {"list": ["a", "b"], "number": 3, "nothing": None}
    assert run_health(HEALTHY % expression, obj)["message"] == value


@pytest.mark.parametrize(
    "script", ["return 1", "return {}", 'return {status = "Fine"}', "return nil", "this is no Lua"]
)
def test_what_is_no_health_is_refused(script: str) -> None:
    with pytest.raises(LuaError):
        run_health(script, {})


def test_objects_come_back_as_they_went() -> None:
    obj = {"a": {}, "b": [], "c": [{"d": {}}, {}], "e": {"f": 1, "g": True}, "h": ""}
    assert run_action("return obj", obj) == obj


@pytest.mark.parametrize(
    ("after", "patch"),
    [
        ({"a": {"b": 1}, "c": 2}, {}),
        ({"a": {"b": 2}, "c": 2}, {"a": {"b": 2}}),
        ({"a": {}, "c": 2}, {"a": {"b": None}}),
        ({"a": {"b": 1}, "d": [1]}, {"c": None, "d": [1]}),
    ],
)
def test_a_patch_says_what_differs(after: dict[str, object], patch: dict[str, object]) -> None:
    assert build_patch({"a": {"b": 1}, "c": 2}, after) == patch
