"""A server that nobody has business with: `python trap.py PORT FILE` writes a line for whoever calls."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

port, book = int(sys.argv[1]), Path(sys.argv[2])


class Handler(BaseHTTPRequestHandler):
    """Writes down every request and answers as a registry that knows everything would."""

    def do_GET(self) -> None:
        """Write it down."""
        with book.open("a") as file:
            file.write(f"{self.command} {self.path} {self.headers.get('User-Agent')}\n")
        self.send_response(200)
        self.send_header("Docker-Content-Digest", f"sha256:{'e' * 64}")
        self.send_header("Content-Length", "2")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"{}")

    do_HEAD = do_POST = do_GET  # noqa: N815  (the names that the base class asks for)

    def log_message(self, *_: object) -> None:
        """Write no other line."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
