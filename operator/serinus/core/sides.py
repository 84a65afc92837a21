"""Where the routes beside the main one must lead: testers and preview hosts.

They follow the release and decide nothing; a candidate that leaves loses them before its status is written."""

from serinus.core.plan import Action, ApplySide, DeleteSide
from serinus.core.release import Release
from serinus.core.shadow import is_shadowing
from serinus.core.snapshot import SideKind, SideView, Snapshot
from serinus.core.validation import validated


def render_sides(s: Snapshot, r: Release) -> tuple[list[Action], list[Action]]:
    """What leads away from a candidate, and what leads towards one."""
    wanted = wanted_sides(s, r)
    aways: list[Action] = [DeleteSide(kind) for kind in s.sides if kind not in wanted]
    towards: list[Action] = []
    for kind, view in wanted.items():
        if s.sides.get(kind) != view:
            (aways if view.target is None else towards).append(ApplySide(kind, view.target))
    return aways, towards


def wanted_sides(s: Snapshot, r: Release) -> dict[SideKind, SideView]:
    """The routes that must exist. While the spec cannot be put into force, those that lead nowhere new stay."""
    candidate = r.candidate
    name = candidate.revision if candidate is not None else None
    if not s.route_usable:
        return {kind: view for kind, view in s.sides.items() if view.target in (None, name)}
    if r.stable is None or s.spec.route.mode != "Gateway":
        return {}
    # Nobody is shown a model that has not passed its checks.
    checked = candidate is not None and (is_shadowing(candidate) or validated(s, candidate) is None)
    shown = candidate is not None and checked and s.workload(candidate.revision).settled > 0
    reachable = name if shown else None
    found: dict[SideKind, SideView] = {}
    if s.spec.route.preview is not None:
        found["Preview"] = SideView(_target(s, r, "Preview", reachable))
    testers = s.spec.rollout.testers if s.spec.rollout else None
    # It leads to stable between releases: a route that goes takes requests under way with it in some gateways.
    if testers is not None and (testers.cookie is not None or testers.headers):
        found["Testers"] = SideView(_target(s, r, "Testers", reachable))
    return found


def _target(s: Snapshot, r: Release, kind: SideKind, reachable: str | None) -> str | None:
    """Who is promoted keeps this way until what it replaced is gone: the Service that stands for stable is turned in
    the pass of the promotion, and gateways hear of its pods later still."""
    seen = s.sides.get(kind)
    promoted = r.candidate is None and r.stable is not None and seen is not None and seen.target == r.stable.revision
    return seen.target if seen is not None and promoted and r.draining else reachable
