"""A Prometheus that wants a token: `python guarded.py PORT BEHIND TOKEN_FILE` passes on to BEHIND what carries it."""

import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

port, behind, token = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])


class Handler(BaseHTTPRequestHandler):
    """Answers 401 to everybody else."""

    def do_GET(self) -> None:
        """Pass on, or refuse."""
        if self.headers.get("Authorization") != f"Bearer {token.read_text()}":
            return self.answer(401, b'{"status": "error", "error": "no"}')
        with urllib.request.urlopen(behind + self.path, timeout=5) as answer:
            return self.answer(200, answer.read())

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write no line for each request."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
