"""`python -m examples.demo.load`: puts the sample model on the node of a running cluster and says how to release it."""

import argparse
import sys

from examples.demo.house import FAULT_RATIOS, HouseError, build_images, load_images
from tests.cluster import Cluster, netns

HOWTO = """\
the sample model is on its node: localhost/digits:v1, v2 (better), v3 (bad: one request in five fails), v4 (best)
  {inside}kubectl create namespace demo
  {inside}kubectl apply -f examples/demo/digits.yaml      # then change the image's tag and apply again
  {inside}.venv/bin/python -m tests.traffic.client --url {url}/predict --host digits.example.com \\
    --bodies examples/digits/samples.jsonl --rate 50 --seconds 600 --max-requests 30000 --out /tmp/answers.jsonl &"""


def main() -> int:
    """Run; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="default")
    try:
        cluster = Cluster.attach(parser.parse_args().name)
        load_images(cluster, build_images(tuple(FAULT_RATIOS)))
    except HouseError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1
    print(HOWTO.format(inside="inside " if netns.enter(cluster.netns) else "", url=cluster.gateway_url))
    return 0


if __name__ == "__main__":
    sys.exit(main())
