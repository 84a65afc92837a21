"""`python -m tests.cluster up|down|status|exec|kubectl|load|build`: the cluster by hand."""

import argparse
import sys
import time
from pathlib import Path

from tests.cluster import Cluster, bootstrap, netns
from tests.cluster.cluster import prepare
from tests.cluster.errors import ClusterError
from tests.cluster.serinus import install_serinus


def main() -> int:
    """Run one command; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("up", "down", "status", "exec", "kubectl", "load", "build"):
        one = commands.add_parser(command)
        one.add_argument("--name", default="default")
        one.add_argument("--flavour", choices=["node", "control-plane"], default="node")
        if command == "up":
            one.add_argument("--scrape-interval", default="1s")
            one.add_argument("--bare", action="store_true", help="without CRDs and operator")
            one.add_argument("--envoy-gateway", action="store_true", help="with a second Gateway, envoy")
        if command == "load":
            one.add_argument("archive", type=Path, nargs="+", help="an image as `docker save` writes it")
        if command in ("exec", "kubectl"):
            one.add_argument("arguments", nargs=argparse.REMAINDER)
    try:
        return _run(parser.parse_args())
    except ClusterError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    match options.command:
        case "up":
            _up(options)
        case "down":
            cluster_left = Cluster.find(options.name)
            if cluster_left is None:
                print(f"there is no cluster {options.name!r}")
            else:
                cluster_left.stop()
        case "build":
            bootstrap.install_packages()
            prepare(options.flavour)
        case "status":
            cluster = Cluster.attach(options.name)
            for name in cluster.processes.names():
                print(f"{name:26} {cluster.processes.pid(name) or 'ended'}")
        case "load":
            cluster = Cluster.attach(options.name)
            for archive in options.archive:
                cluster.load_image(archive)
        case "exec":
            return Cluster.attach(options.name).run(options.arguments, check=False).returncode
        case "kubectl":
            cluster = Cluster.attach(options.name)
            command = [str(cluster.kubectl_path), "--kubeconfig", str(cluster.kubeconfig), *options.arguments]
            return cluster.run(command, check=False).returncode
    return 0


def _up(options: argparse.Namespace) -> None:
    started = time.monotonic()
    cluster = Cluster.find(options.name)
    if cluster is None or not cluster.is_running():
        cluster = Cluster.start(options.flavour, options.name, scrape_interval=options.scrape_interval)
    if options.envoy_gateway:
        cluster.add_envoy_gateway()
        print(f"Gateway gateways/envoy answers at {cluster.envoy_url}")
    if not options.bare:
        install_serinus(cluster, scrape_interval=options.scrape_interval)
    print(f"cluster {cluster.name} is up after {time.monotonic() - started:.0f}s; to use it:")
    print(describe(cluster))


def describe(cluster: Cluster) -> str:
    """How a person uses the cluster, to be pasted into a shell."""
    enter = " ".join(netns.enter(cluster.netns))
    inside = "inside " if enter else ""
    lines = [f"export KUBECONFIG={cluster.kubeconfig}"]
    if enter:
        lines.append(f"export PATH={cluster.kubectl_path.parent}:$PATH")
        lines.append(f"alias inside='{enter}'      # runs a command in the cluster's network, which has no way out")
    lines.append(f"{inside}kubectl get modeldeployments -A")
    if cluster.flavour == "node":
        lines.append(
            f"{inside}kubectl logs -n serinus-system deployment/serinus --tail=20      # what the operator says"
        )
        lines.append(f"{inside}curl -H 'Host: YOUR.HOST' {cluster.gateway_url}/      # the gateway")
        lines.append(f"{inside}curl '{cluster.prometheus_url}/api/v1/query?query=up'      # Prometheus")
    lines.append(f"less {cluster.log_dir}/*      # what every process says")
    return "\n".join(f"  {line}" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
