"""Argo CD's scripts without Argo CD: a Lua that offers what its own offers, and no more.

Argo CD runs Lua 5.1 with goto, the libraries base, table and package, and time and date of os; no string, no math. A
script that needs more works in a plain interpreter and fails there, so what it may not use is taken away."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lupa import luajit21

Raw = dict[str, Any]

_OFFERED: Final = frozenset(
    {
        "assert",
        "error",
        "getmetatable",
        "ipairs",
        "next",
        "pairs",
        "pcall",
        "rawequal",
        "rawget",
        "rawset",
        "select",
        "setmetatable",
        "tonumber",
        "tostring",
        "type",
        "unpack",
        "xpcall",
        "table",
        "_G",
    }
)
_SAFE_OS: Final = ("time", "date")
_CUT_DOWN: Final = """
local offered, safe = ...
local os_ = {}
for _, name in ipairs(safe) do os_[name] = os[name] end
getmetatable("").__index = nil
for name in pairs(_G) do if not offered[name] then _G[name] = nil end end
os = os_
require = function(name) if name == "os" then return os_ end error("module " .. name .. " not found", 0) end
"""


class LuaError(Exception):
    """What a script said with `error`, or what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Action:
    """An action as discovery offers it."""

    name: str
    disabled: bool = False
    params: tuple[str, ...] = ()


def run_health(script: str, obj: Raw) -> Raw:
    """The health that a script finds: status and, where it gives one, message."""
    result = _run(script, obj)
    if not isinstance(result, dict) or result.get("status") not in ("Healthy", "Progressing", "Degraded", "Suspended"):
        raise LuaError(f"no health: {result!r}")
    return result


def run_discovery(script: str, obj: Raw) -> set[Action]:
    """The actions that a script offers for an object."""
    result = _run(script, obj) or {}
    return {
        Action(name, bool(said.get("disabled")), tuple(one["name"] for one in said.get("params", ())))
        for name, said in ((name, said or {}) for name, said in result.items())
    }


def run_action(script: str, obj: Raw, parameters: Mapping[str, str] | None = None) -> Raw:
    """The object as an action leaves it; Argo CD sends the difference as a merge patch."""
    result = _run(script, obj, parameters)
    if not isinstance(result, dict):
        raise LuaError(f"no object: {result!r}")
    return _clean(result, obj)


def build_patch(before: Raw, after: Raw) -> Raw:
    """The merge patch (RFC 7386) that makes one object of the other."""
    patch: Raw = {name: None for name in before if name not in after}
    for name, value in after.items():
        old = before.get(name)
        if isinstance(value, dict) and isinstance(old, dict):
            patch |= {name: inner} if (inner := build_patch(old, value)) else {}
        elif name not in before or value != old:
            patch[name] = value
    return patch


def _run(script: str, obj: Raw, parameters: Mapping[str, str] | None = None) -> Any:
    lua = luajit21.LuaRuntime(register_eval=False, register_builtins=False)
    try:
        lua.execute(_CUT_DOWN, lua.table_from(dict.fromkeys(_OFFERED, True)), lua.table_from(_SAFE_OS))
        lua.globals()["obj"] = _to_lua(lua, obj)
        lua.globals()["actionParams"] = lua.table_from(dict(parameters or {}))
        return _from_lua(lua.execute(script))
    except luajit21.LuaError as error:
        raise LuaError(str(error)) from None


def _to_lua(lua: Any, value: Any) -> Any:
    if isinstance(value, dict):
        return lua.table_from({name: _to_lua(lua, one) for name, one in value.items() if one is not None})
    if isinstance(value, list):
        return lua.table_from([_to_lua(lua, one) for one in value])
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _from_lua(value: Any) -> Any:
    """As gopher-json does it: a table with the keys 1 to n is a list, and so is an empty one."""
    if luajit21.lua_type(value) != "table":
        return value
    items = dict(value.items())
    if all(isinstance(key, int) for key in items):
        return [_from_lua(items[key]) for key in sorted(items)]
    return {str(key): _from_lua(one) for key, one in items.items()}


def _clean(new: Any, old: Any) -> Any:
    """Lua cannot tell an empty object from an empty list; what was an object before is one again."""
    if isinstance(new, dict) and isinstance(old, dict):
        return {name: _clean(value, old.get(name)) for name, value in new.items()}
    if isinstance(new, list) and isinstance(old, list):
        return [_clean(value, old[index] if index < len(old) else None) for index, value in enumerate(new)]
    return {} if new == [] and isinstance(old, dict) else new
