"""Model servers on 127.0.0.1, one thread each, stopped at the end of a test."""

import threading
from collections.abc import Callable, Iterator

import pytest

from examples.checks.sample.server import Respond, build_server

Serve = Callable[[Respond], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server that answers with the given function; its base URL."""
    started = []

    def start(respond: Respond) -> str:
        server = build_server(respond)
        # A short poll: shutting down waits for one.
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        started.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in started:
        server.shutdown()
        server.server_close()
        thread.join()
