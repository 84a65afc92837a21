"""`python -m serinus.metrics.reference docs/profiles.md`: what gateways and model servers give, from the profiles."""

import sys
from collections.abc import Iterable, Mapping

from serinus.api.reference import keep_page
from serinus.api.signals import Signal
from serinus.metrics.profiles import GATEWAYS, GRPC, GRPC_GATEWAYS, RUNTIMES, Profile
from serinus.metrics.profiles.model import Counter, Gauge, Given, Histogram, Ratio

HEAD = """\
<!-- Made by `make docs` from operator/serinus/metrics/profiles; edit there. -->

# Where figures come from

A gateway is recognised by the `controllerName` of its GatewayClass, a model server by `spec.runtime`. A signal is taken
from the gateway if that has it, else from the model server; `source: Gateway` or `Runtime` chooses. What cannot be had
is refused when the object is applied, with the sentence that stands here.

Seen with real weighted traffic on the test cluster, HTTP and gRPC: Traefik 3.7.15 and Envoy Gateway 1.9.1 (Envoy
1.40.0). Read from
what the server itself exported, in a real Prometheus: MLServer 1.7.1, BentoML 1.4.39, KServe's model server 0.21.0, Ray
Serve 2.60.0. All others were written from their documentation or source and never run here: try them with
`mode: Rehearse` first.
"""


def render_reference() -> str:
    """The page as Markdown."""
    gateways: dict[Profile, list[str]] = {}
    for controller, profile in (*GATEWAYS.items(), *GRPC_GATEWAYS.items()):
        gateways.setdefault(profile, []).append(f"`{controller}`")
    parts = [HEAD, "## Gateways\n"]
    parts += [_render(profile, f"GatewayClass: {', '.join(names)}.") for profile, names in gateways.items()]
    parts.append("## Model servers\n")
    parts += [_render(profile, f"`spec.runtime: {name}`.") for name, profile in RUNTIMES.items()]
    parts.append(_render(GRPC, "`spec.runtime: HTTP` with `spec.route.kind: GRPCRoute`."))
    return "\n".join(parts)


def _render(profile: Profile, chosen: str) -> str:
    lines = [f"### {profile.name}", "", f"{chosen} Counted at {profile.measured_at}, found by {profile.locator.name}."]
    lines += ["", "| signal | series | unit and kind |", "| --- | --- | --- |"] if profile.signals else []
    lines += [f"| {signal} | {_name(given)} | {_describe(given)} |" for signal, given in profile.signals.items()]
    lines += ["", *(f"* {trap}" for trap in profile.traps)] if profile.traps else []
    lines += ["", "Not to be had:", "", *_list_refusals(profile.cannot)] if profile.cannot else []
    return "\n".join([*lines, ""])


def _list_refusals(cannot: Mapping[Signal, str]) -> Iterable[str]:
    by_reason: dict[str, list[str]] = {}
    for signal, reason in cannot.items():
        by_reason.setdefault(reason, []).append(signal)
    return (f"* {', '.join(signals)}: {reason}" for reason, signals in by_reason.items())


def _name(given: Given) -> str:
    if isinstance(given, Ratio):
        return ", ".join(f"`{counter.metric}`" for counter in given.counters)
    return f"`{given.metric}`"


def _describe(given: Given) -> str:
    match given:
        case Ratio(counters):
            return "counters; " + "; ".join(map(_describe_counter, counters))
        case Histogram(scale=scale, buckets=buckets):
            unit = {1.0: "seconds", 0.001: "milliseconds"}[scale]
            bounds = f"; default bounds {', '.join(f'{bound:g}' for bound in buckets)} s" if buckets else ""
            return f"histogram in {unit}{bounds}"
        case Gauge():
            return "gauge"


def _describe_counter(counter: Counter) -> str:
    only = "".join(f", {label}={value} only" for label, value in counter.only)
    if counter.by_status:
        statuses = ", ".join(sorted(counter.bad_values, key=int))
        return f"failed where the status at the end of the name is one of {statuses}{only}"
    if not counter.labels:
        counted = {"Never": "requests", "Always": "failures, not among the requests", "Part": "failures"}
        return counted[counter.bad] + only
    bad = f"one of {', '.join(sorted(counter.bad_values))}" if counter.bad_values else "5xx"
    return f"failed where {' or '.join(counter.labels)} is {bad}{only}"


if __name__ == "__main__":
    sys.exit(keep_page(sys.argv[1:], render_reference()))
