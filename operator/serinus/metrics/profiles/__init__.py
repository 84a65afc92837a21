"""Profiles: which series tell what of a revision, for each gateway and each model server. Data, and pure functions.

    model      what a profile is made of
    locate     how labels name a revision
    gateways   Traefik, Envoy Gateway, Istio, Linkerd, Envoy
    runtimes   vLLM, SGLang, TGI, Triton, MLServer, KServe, BentoML, Ray Serve, TorchServe, plain HTTP
    read       from targets to one query, and from its answer to points

A profile always reads raw counters with their own timestamps (a range selector, never `rate()`), for every active
rollout in one query. What a server cannot give is written down too, in words that help."""

from serinus.metrics.profiles.gateways import GATEWAYS, GRPC_GATEWAYS, choose_gateway_profile
from serinus.metrics.profiles.model import Profile, Refusal, Target
from serinus.metrics.profiles.read import attribute_points, build_query, find_shape_problem, list_sources
from serinus.metrics.profiles.runtimes import GRPC, RUNTIMES, choose_runtime_profile, find_profile

__all__ = [
    "GATEWAYS",
    "GRPC",
    "GRPC_GATEWAYS",
    "RUNTIMES",
    "Profile",
    "Refusal",
    "Target",
    "attribute_points",
    "build_query",
    "choose_gateway_profile",
    "choose_runtime_profile",
    "find_profile",
    "find_shape_problem",
    "list_sources",
]
