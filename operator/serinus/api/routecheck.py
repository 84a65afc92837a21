"""What can be wrong with `spec.route`, checked again in Python: see `serinus.api.validate`."""

from collections.abc import Iterator
from typing import Final

from serinus.api.problems import Problem
from serinus.api.rollout import RolloutSpec
from serinus.api.route import RouteSpec

_GRPC_MATCH: Final = frozenset({"method", "headers"})
_GRPC_FILTERS: Final = frozenset({"RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror", "ExtensionRef"})


def check_route(route: RouteSpec, rollout: RolloutSpec | None) -> Iterator[Problem]:
    """Find what is wrong with a route by itself, and what of the rollout its kind cannot do."""
    yield from _check_backend(route)
    if route.kind == "GRPCRoute":
        yield from _check_grpc(route, rollout)
    if route.mode == "Gateway":
        if not route.parent_refs:
            yield Problem("spec.route.parentRefs", None, "must name a Gateway, unless spec.route.mode is Replicas")
        return
    for field, given in (("parentRefs", route.parent_refs), ("hostnames", route.hostnames), ("rules", route.rules)):
        if given:
            yield Problem(f"spec.route.{field}", None, "must be left out: mode Replicas makes no route")
    if route.preview is not None:
        yield Problem("spec.route.preview", None, "must be left out: mode Replicas makes no route for its hosts")
    if rollout is not None and rollout.testers is not None:
        yield Problem("spec.rollout.testers", None, "must be left out: mode Replicas makes no route to tell them apart")


def _check_backend(route: RouteSpec) -> Iterator[Problem]:
    backend = route.backend
    if backend is None:
        return
    if backend.kind != "InferencePool":
        if backend.endpoint_picker is not None:
            yield Problem("spec.route.backend.endpointPicker", None, "must be left out: it is for kind InferencePool")
        return
    if backend.endpoint_picker is None:
        yield Problem("spec.route.backend.endpointPicker", None, "must name who chooses the pods of an InferencePool")
    if route.kind != "HTTPRoute" or route.mode != "Gateway":
        yield Problem("spec.route.backend.kind", backend.kind, "needs spec.route.kind HTTPRoute and mode Gateway")


def _check_grpc(route: RouteSpec, rollout: RolloutSpec | None) -> Iterator[Problem]:
    """What an HTTPRoute has and a GRPCRoute has not."""
    for number, rule in enumerate(route.rules):
        field = f"spec.route.rules[{number}]"
        if rule.timeouts is not None:
            yield Problem(f"{field}.timeouts", None, "must be left out: the deadline of a gRPC call is its client's")
        for index, match in enumerate(rule.matches):
            for key in sorted(set(match) - _GRPC_MATCH):
                yield Problem(
                    f"{field}.matches[{index}].{key}",
                    None,
                    "must be left out: a GRPCRoute matches by method and headers",
                )
            if not isinstance(match.get("method", {}), dict):
                yield Problem(
                    f"{field}.matches[{index}].method", match["method"], "must be a service, a method, or both"
                )
        for index, given in enumerate(rule.filters):
            if given.get("type") not in _GRPC_FILTERS:
                choices = ", ".join(sorted(_GRPC_FILTERS))
                yield Problem(f"{field}.filters[{index}].type", given.get("type"), f"must be one of {choices}")
    if rollout is None:
        return
    if rollout.strategy == "Shadow":
        yield Problem("spec.rollout.strategy", "Shadow", "must be another one: it mirrors the requests of an HTTPRoute")
    if rollout.testers is not None and rollout.testers.cookie is not None:
        yield Problem(
            "spec.rollout.testers.cookie", None, "must be left out: gRPC clients keep no cookies; use headers"
        )
    warmup = rollout.warmup
    if warmup is not None and (warmup.requests, warmup.path, warmup.body_from) != (None, None, None):
        yield Problem("spec.rollout.warmup", None, "must have nothing but for: its requests are HTTP, not gRPC")
