"""A real Kubernetes cluster on one machine, without Docker: for the tests, the demo and for people to play with.

    with Cluster.start("node", "demo") as cluster:
        cluster.kubectl("get", "nodes")

Flavour `control-plane`: etcd, API server, controller-manager, scheduler, simulated nodes (KWOK). Flavour `node`: a real
kubelet with containerd, kube-proxy, CoreDNS, Traefik as gateway, and Prometheus. Everything lives in one network
namespace without an uplink, so nothing can leak out; what talks to pods or services runs inside it too (`Cluster.run`).
"""

from tests.cluster.cluster import Cluster

__all__ = ["Cluster"]
