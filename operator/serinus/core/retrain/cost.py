"""How many accelerators a template of any kind asks for at once, as far as that can be read from it.

Counted are the limits of extended resources of every container that is found, times what the objects around it say of
how many there are. What a template leaves to others (a training runtime, a class of devices) cannot be seen: 0."""

import re
from collections.abc import Mapping
from typing import Any, Final

from serinus.core.retrain.podspecs import DEEPEST

_EXTENDED: Final = re.compile(r"[a-z0-9.-]+/[A-Za-z0-9._-]+")
_NATIVE: Final = re.compile(r"(.*\.)?kubernetes\.io/|hugepages-")
_NO_ACCELERATOR: Final = re.compile(r"rdma|roce|hca|efa|sriov|infiniband|nic\b|fuse|kvm|tun\b|vhost", re.IGNORECASE)
"""Devices that are advertised like accelerators and cost little."""

_MOST: Final = 1_000_000
_COUNTS: Final = ("replicas", "numNodes", "parallelTrialCount")
_RESOURCES: Final = ("resources", "resourcesPerNode")
_CONTAINERS: Final = ("containers", "initContainers")
_SPARK: Final = ("driver", "executor")


def accelerators_of(template: Mapping[str, Any]) -> int:
    """Accelerators that the child has at once, at most. Total: what has another shape counts as none."""
    return min(_count(template, DEEPEST, grows=False), _MOST)


def _count(node: Any, deep: int, *, grows: bool) -> int:
    """`deep` levels are looked into; `grows` says that groups of Ray workers may have as many as maxReplicas."""
    if isinstance(node, list):
        return sum(_count(child, deep - 1, grows=grows) for child in node)
    if not isinstance(node, Mapping) or deep <= 0:
        return 0
    grows = grows or node.get("enableInTreeAutoscaling") is True
    own = sum(_count_limits(node.get(key)) for key in _RESOURCES) + sum(_count_spark(node.get(role)) for role in _SPARK)
    looked_at = (*_RESOURCES, *(_CONTAINERS if isinstance(node.get("containers"), list) else ()))
    if len(looked_at) > len(_RESOURCES):
        own += _count_pod(node)
    below = sum(_count(child, deep - 1, grows=grows) for key, child in node.items() if key not in looked_at)
    return (own + below) * _times(node, grows=grows)


def _count_pod(pod: Mapping[str, Any]) -> int:
    """Init containers run one after the other, before the containers; those that stay run beside them."""
    initial = _dicts(pod.get("initContainers"))
    running = (*_dicts(pod.get("containers")), *(one for one in initial if one.get("restartPolicy") == "Always"))
    together = sum(_count_limits(one.get("resources")) for one in running)
    return max([together, *(_count_limits(one.get("resources")) for one in initial)])


def _times(node: Mapping[str, Any], *, grows: bool) -> int:
    """How many of what stands below there are at once."""
    times = 1
    for key in _COUNTS:
        times *= _whole(node.get(key), 1)
    if grows and "groupName" in node and times:
        times = max(times, _whole(node.get("maxReplicas"), 1))
    times *= _whole(node.get("numOfHosts"), 1)
    parallel = node.get("parallelism")
    if "template" in node and (parallel is not None or node.get("completions") is not None):
        # A Job: one pod at a time unless it says otherwise, and never more than it still needs.
        at_once = _whole(parallel, 1)
        times *= min(at_once, _whole(node.get("completions"), at_once))
    return times


def _count_spark(role: Any) -> int:
    """`gpu: {name, quantity}` of a SparkApplication."""
    gpu = role.get("gpu") if isinstance(role, Mapping) else None
    if not isinstance(gpu, Mapping):
        return 0
    return _whole(gpu.get("quantity"), 0) * _whole(role.get("instances"), 1)


def _count_limits(resources: Any) -> int:
    limits = resources.get("limits") if isinstance(resources, Mapping) else None
    if not isinstance(limits, Mapping):
        return 0
    return sum(_whole(amount, 0) for name, amount in limits.items() if _is_accelerator(str(name)))


def _is_accelerator(name: str) -> bool:
    return bool(_EXTENDED.fullmatch(name)) and not _NATIVE.match(name) and not _NO_ACCELERATOR.search(name)


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _whole(value: Any, default: int) -> int:
    if isinstance(value, bool):
        return default
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(_MOST)):
        value = int(value)
    return value if isinstance(value, int) and 0 <= value <= _MOST else default
