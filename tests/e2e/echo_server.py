"""A pod for the tests of the cluster: says which version it is, counts its answers, tells what it resolves."""

import os
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import Counter, generate_latest

VERSION = os.environ["VERSION"]
ANSWERS = Counter("echo_answers", "Requests answered with the version.")


class Handler(BaseHTTPRequestHandler):
    """GET /metrics, /whoami, /resolve/NAME; every other path answers with the version."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer in plain text."""
        if self.path == "/metrics":
            text = generate_latest().decode()
        elif self.path == "/whoami":
            text = f"{os.getuid()}"
        elif self.path.startswith("/resolve/"):
            text = resolve(self.path.removeprefix("/resolve/"))
        else:
            ANSWERS.inc()
            text = VERSION
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write no line for each request."""


def resolve(name: str) -> str:
    """The address of a name, or the resolver's own words."""
    try:
        return socket.gethostbyname(name)
    except socket.gaierror as error:
        return error.strerror


if __name__ == "__main__":
    print(f"version {VERSION} listens", flush=True)
    ThreadingHTTPServer(("", 8080), Handler).serve_forever()
