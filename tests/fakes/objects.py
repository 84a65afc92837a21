"""What the fake API server does to objects: select, merge, patch."""

import copy
from typing import Any

Raw = dict[str, Any]


def bare(obj: Raw) -> Raw:
    return {field: value for field, value in obj.items() if field not in {"apiVersion", "kind"}}


def is_selected(obj: Raw, query: dict[str, str]) -> bool:
    name = query.get("fieldSelector", "").removeprefix("metadata.name=")
    if name and obj["metadata"]["name"] != name:
        return False
    selector = query.get("labelSelector")
    if not selector:
        return True
    labels = obj["metadata"].get("labels") or {}
    return all(labels.get(part.split("=")[0]) == part.split("=")[1] for part in selector.split(","))


def merge(old: Any, patch: Any) -> Any:
    if not isinstance(patch, dict) or not isinstance(old, dict):
        return patch
    merged = dict(old)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


def apply_json_patch(obj: Raw, operations: list[Raw]) -> Raw | None:
    changed = copy.deepcopy(obj)
    for operation in operations:
        *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in operation["path"][1:].split("/"))
        place: Any = changed
        for parent in parents:
            place = place[parent]
        if operation["op"] == "test" and place.get(last) != operation["value"]:
            return None
        if operation["op"] in {"add", "replace"}:
            place[last] = operation["value"]
        if operation["op"] == "remove":
            del place[last]
    return changed
