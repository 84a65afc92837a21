"""`python -m tests.cluster up|down|status|exec|kubectl|build`: the cluster by hand."""

import argparse
import sys
import time

from tests.cluster import Cluster, bootstrap, netns
from tests.cluster.cluster import prepare
from tests.cluster.errors import ClusterError
from tests.cluster.serinus import install_serinus


def main() -> int:
    """Run one command; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("up", "down", "status", "exec", "kubectl", "build"):
        one = commands.add_parser(command)
        one.add_argument("--name", default="default")
        one.add_argument("--flavour", choices=["node", "control-plane"], default="node")
        if command == "up":
            one.add_argument("--scrape-interval", default="1s")
            one.add_argument("--bare", action="store_true", help="without CRDs and operator")
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
    if not options.bare:
        install_serinus(cluster, scrape_interval=options.scrape_interval)
    print(f"cluster {cluster.name} is up after {time.monotonic() - started:.0f}s")
    print(describe(cluster))


def describe(cluster: Cluster) -> str:
    """How a person uses the cluster."""
    enter = " ".join(netns.enter(cluster.netns))
    lines = [
        f"  kubeconfig   {cluster.kubeconfig}",
        f"  kubectl      {enter} {cluster.kubectl_path} --kubeconfig {cluster.kubeconfig} get mdep -A",
        f"  run inside   {enter} COMMAND",
    ]
    if cluster.flavour == "node":
        lines += [
            f"  gateway      {enter} curl -H 'Host: YOUR.HOST' {cluster.gateway_url}/",
            f"  prometheus   {cluster.prometheus_url} (inside)",
        ]
    return "\n".join([*lines, f"  logs         {cluster.log_dir}"])


if __name__ == "__main__":
    sys.exit(main())
