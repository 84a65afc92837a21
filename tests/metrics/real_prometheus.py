"""A real Prometheus on loopback, and a server of files for it to scrape."""

import functools
import http.server
import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from serinus.api.signals import Signal
from serinus.core.counters import Point
from serinus.metrics.profiles import Profile, Target, attribute_points, build_query
from serinus.metrics.prometheus import PrometheusSource
from serinus.metrics.source import Answer
from tests.cluster import bootstrap

PATIENCE = 120.0


class _Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map = {".txt": "text/plain; version=0.0.4"}  # noqa: RUF012  (as in the base class)

    def log_message(self, *_: object) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256
    """Prometheus may begin many scrapes at the same moment."""


@contextmanager
def serve_files(folder: Path) -> Iterator[str]:
    """A server of the expositions in a folder, as host:port."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with _Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def build_job(name: str, address: str, file: str, labels: dict[str, str]) -> dict[str, Any]:
    """A job that scrapes one file, with these labels of the target."""
    targets = {"targets": [address], "labels": labels}
    return {"job_name": name, "metrics_path": f"/{file}", "static_configs": [targets]}


@contextmanager
def run_prometheus(folder: Path, jobs: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A Prometheus that has scraped each of these jobs twice, every second; its URL."""
    if shutil.which("prometheus") is None:
        bootstrap.install_packages()
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": list(jobs)}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"127.0.0.1:{probe.getsockname()[1]}"
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, f"--web.listen-address={url}"], stdout=log, stderr=log)
        try:
            _await_scrapes(f"http://{url}", len(jobs), process, folder / "log")
            yield f"http://{url}"
        finally:
            process.terminate()
            process.wait(10)


async def read_points(
    url: str, profile: Profile, signal: Signal, target: Target, targets: Sequence[Target]
) -> Sequence[Point]:
    """What the query that production sends for `targets` gives of one of them."""
    source = PrometheusSource(url, timeout=30.0)
    try:
        answer = await source.fetch_series(build_query(profile, {signal}, targets, 60.0))
    finally:
        source.close()
    assert isinstance(answer, Answer), answer
    return attribute_points(profile, {signal}, targets, answer.series)[target, signal]


def _await_scrapes(url: str, jobs: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            query = f"{url}/api/v1/query?query=count(sum_over_time(up[30s])%3E1)"
            with urllib.request.urlopen(query, timeout=10) as answer:
                result = json.load(answer)["data"]["result"]
        except OSError:
            result = []
        if result and int(result[0]["value"][1]) == jobs:
            return
        time.sleep(0.2)
    pytest.fail(f"Prometheus has not scraped everything:\n{log.read_text()[-2000:]}")
