"""How many accelerators a template asks for: what a budget counts before a run has used any."""

import math
from typing import Any, Final

from serinus.api.podtemplate import child, objects_in
from serinus.core.retrain.podspecs import find_pods

Raw = dict[str, Any]

_MULTIPLIERS: Final = ("replicas", "parallelism", "instances", "numNodes", "numOfHosts", "parallelTrialCount")
"""Fields by which an object says how many pods what stands beside them is made into."""
_MOST: Final = 1_000_000


def count_accelerators(template: Raw) -> int:
    """Accelerators that the template asks for: limits of devices (names with a domain other than kubernetes.io), times
    the pods that the objects around them ask for. What cannot be told counts as one pod."""
    total = 0.0
    stack: list[tuple[Any, int]] = [(template, 1)]
    pods = {id(pod.spec) for pod in find_pods(template)}
    while stack:
        value, times = stack.pop()
        if isinstance(value, list):
            stack += [(each, times) for each in value]
        if not isinstance(value, dict):
            continue
        if id(value) in pods:
            total += times * _devices_of_pod(value)
            continue
        times *= math.prod(_count(value.get(key)) for key in _MULTIPLIERS)
        limits = (child(value, place, "limits") for place in ("resources", "resourcesPerNode"))
        total += times * (sum(_devices_of(one) for one in limits) + _gpu(value.get("gpu")))
        stack += [(each, times) for each in value.values()]
    return min(math.ceil(total), _MOST)


def _devices_of_pod(pod: Raw) -> float:
    return sum(_devices_of(child(container, "resources", "limits")) for container in objects_in(pod.get("containers")))


def _devices_of(limits: Raw) -> float:
    return sum(
        _number(amount)
        for name, amount in limits.items()
        if "/" in name and not name.partition("/")[0].endswith("kubernetes.io") and "hugepages" not in name
    )


def _gpu(value: Any) -> float:
    """As SparkApplications have it."""
    return _number(value.get("quantity")) if isinstance(value, dict) else 0.0


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return number if 0 < number < _MOST else 0.0


def _count(value: Any) -> int:
    return min(value, _MOST) if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 1
