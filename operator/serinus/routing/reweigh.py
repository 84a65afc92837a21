"""Changing only the weights of a route that is there, for when the spec it was built from cannot be read any more.

A rollback depends on nothing, and so not on a valid spec either.
"""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from serinus.routing.gateway_api import build_backends, leads_to_pools
from serinus.routing.mirror import without_mirror

Raw = dict[str, Any]


def reweigh_route(route: Raw, weights: Mapping[str, int], traces: Iterable[str] = ()) -> Raw:
    """The route's own spec with other weights and without our mirror, in a form that can be applied; see
    `build_backends`."""
    metadata = route["metadata"]
    spec = copy.deepcopy(route["spec"])
    spec["rules"] = [without_mirror(rule, metadata["name"]) for rule in spec.get("rules") or []]
    for rule in spec["rules"]:
        by_place = any(backend.get("filters") for backend in rule.get("backendRefs") or ())
        rule["backendRefs"] = build_backends(
            weights, route, by_place=by_place, traces=traces, pools=leads_to_pools(route)
        )
    kept = {field: metadata[field] for field in ("name", "namespace", "labels", "ownerReferences") if field in metadata}
    return {"apiVersion": route["apiVersion"], "kind": route["kind"], "metadata": kept, "spec": spec}
