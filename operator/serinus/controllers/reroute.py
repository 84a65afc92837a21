"""The part of executing that moves requests: routes, the routes beside them, and InferencePools."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from serinus.api.meta import LABEL_REVISION
from serinus.controllers.gather import Gathered
from serinus.controllers.hands import Hands
from serinus.controllers.ownership import is_owned
from serinus.core.children import Owner
from serinus.core.plan import (
    ApplyPool,
    ApplyRoute,
    ApplySide,
    DeleteFormerRoute,
    DeletePool,
    DeleteRoute,
    DeleteSide,
    RouteAction,
)
from serinus.kube.errors import Invalid
from serinus.kube.resources import INFERENCEPOOLS, ROUTES
from serinus.routing.gateway_api import (
    OTHER_KIND,
    build_route,
    is_accepted_by_all,
    observe_traces,
    observe_weights,
    shares_host,
)
from serinus.routing.inference_pool import build_pool
from serinus.routing.mirror import is_mirrored
from serinus.routing.reweigh import reweigh_route
from serinus.routing.side_routes import build_side, name_side

Raw = dict[str, Any]

ROUTING: Final = "serinus/routing"


class HostTakenError(Exception):
    """The hosts of a route belong to somebody else's route of another kind."""

    def __init__(self, kind: str, other: str, wanted: str) -> None:
        super().__init__(
            f"{kind} {other} has the same host, and the gateway takes one kind of route for each:"
            f" use a host of its own for the {wanted}"
        )


@dataclass(frozen=True)
class Rerouter:
    """Turns actions on routes into calls. Raises KubeError, NameTakenError and HostTakenError."""

    hands: Hands

    async def carry_out(self, gathered: Gathered, action: RouteAction) -> None:
        owner = gathered.owner
        match action:
            case ApplyRoute():
                await self._apply_route(gathered, action)
            case DeleteRoute():
                for resource in ROUTES.values():
                    await self.hands.delete(resource, owner, owner.name)
            case DeleteFormerRoute():
                await self._delete_former(gathered)
            case ApplySide(kind, target):
                spec = gathered.snapshot.spec
                testers = spec.rollout.testers if spec.rollout else None
                side = build_side(owner, spec.route, testers, kind, target)
                await self.hands.apply(ROUTES[side["kind"]], owner, side, ROUTING)
                await self.hands.delete(ROUTES[OTHER_KIND[side["kind"]]], owner, name_side(owner, kind))
            case DeleteSide(kind):
                for resource in ROUTES.values():
                    await self.hands.delete(resource, owner, name_side(owner, kind))
            case ApplyPool(name, target):
                await self._apply_pool(gathered, name, target)
            case DeletePool(name):
                await self.hands.delete(INFERENCEPOOLS, owner, name)

    async def leave_route(self, route: Raw, weights: Mapping[str, int]) -> None:
        """Set the weights of the route of a ModelDeployment that is being deleted, and touch nothing else. An apply
        would make it the owner again: where children are to be left behind, the garbage collector would take the route
        away with the requests on it.
        """
        metadata = route["metadata"]
        rules = reweigh_route(route, weights)["spec"]["rules"]
        patch = {"metadata": {"uid": metadata["uid"]}, "spec": {"rules": rules}}
        resource = ROUTES[route["kind"]]
        raw = await self.hands.kube.merge_patch(
            resource, metadata["namespace"], metadata["name"], patch, manager=ROUTING
        )
        self.hands.store.written(resource.kind, raw)

    async def _apply_route(self, gathered: Gathered, action: ApplyRoute) -> None:
        owner, snapshot, routes = gathered.owner, gathered.snapshot, gathered.routes
        weights, traces, by_place = action.weights, action.traces, snapshot.route.by_place
        if not snapshot.route_usable:
            for one in (routes.main, routes.former):
                await self._reweigh(owner, one, action)
            return
        try:
            spec = snapshot.spec.route
            present, mirror = routes.present, action.mirror
            wanted = build_route(owner, spec, weights, present, by_place=by_place, traces=traces, mirror=mirror)
            await self.hands.apply(ROUTES[wanted["kind"]], owner, wanted, ROUTING)
        except Invalid:
            # The way back to stable depends on nothing, and so not on the rest of the route.
            await self._reweigh(owner, routes.main, action)
            raise
        finally:
            await self._reweigh(owner, routes.former, action)

    async def _reweigh(self, owner: Owner, route: Raw | None, action: ApplyRoute) -> None:
        """Set the weights of a route that is there, without a mirror, and leave the rest of it as it is."""
        if route is None:
            return
        as_it_is = (observe_weights(route), observe_traces(route)) == (dict(action.weights), action.traces)
        if not as_it_is or (is_mirrored(route) and action.mirror is None):
            again = reweigh_route(route, action.weights, action.traces)
            await self.hands.apply(ROUTES[route["kind"]], owner, again, ROUTING)

    async def _delete_former(self, gathered: Gathered) -> None:
        owner, main, former = gathered.owner, gathered.routes.main, gathered.routes.former
        if main is None or former is None:
            return
        if not is_accepted_by_all(main):
            # It is kept out by a route of the other kind. If that is not ours, ours must stay.
            resource = ROUTES[former["kind"]]
            everywhere = self.hands.store.is_looked_at("")
            others = (await self.hands.kube.list(resource, "" if everywhere else owner.namespace)).objects
            taken = next((one for one in others if not is_owned(one, owner) and shares_host(one, main)), None)
            if taken is not None:
                where = f"{taken['metadata']['namespace']}/{taken['metadata']['name']}"
                raise HostTakenError(resource.kind, where, main["kind"])
        await self.hands.delete(ROUTES[former["kind"]], owner, former["metadata"]["name"])

    async def _apply_pool(self, gathered: Gathered, name: str, target: str) -> None:
        owner, backend = gathered.owner, gathered.snapshot.spec.route.backend
        content, picker = gathered.contents.get(name), backend.endpoint_picker if backend is not None else None
        if target == name and content is not None and picker is not None:
            await self.hands.apply(INFERENCEPOOLS, owner, build_pool(owner, name, target, content, picker), ROUTING)
            return
        known = self.hands.store.get(INFERENCEPOOLS.kind, owner.namespace, name)
        if known is None or not is_owned(known, owner):
            return
        selector = {"matchLabels": {LABEL_REVISION: target}}
        patch = {"metadata": {"uid": known["metadata"]["uid"]}, "spec": {"selector": selector}}
        raw = await self.hands.kube.merge_patch(INFERENCEPOOLS, owner.namespace, name, patch, manager=ROUTING)
        self.hands.store.written(INFERENCEPOOLS.kind, raw)
