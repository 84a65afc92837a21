"""A model server of a few lines: it answers with its version, fails a share of the requests, and counts them."""

import os
import random
import signal
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = os.environ["MODEL_VERSION"]
FAULT_RATIO = float(os.environ.get("FAULT_RATIO", "0"))
DRAIN_SECONDS = 3.0
counts: Counter[int] = Counter()
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self.answer(200, "ok")
        elif self.path == "/metrics":
            lines = [f'http_requests_total{{path="/",status="{code}"}} {n}' for code, n in sorted(counts.items())]
            self.answer(200, "# TYPE http_requests_total counter\n" + "\n".join(lines) + "\n")
        else:
            status = 500 if random.random() < FAULT_RATIO else 200
            with lock:
                counts[status] += 1
            self.answer(status, VERSION)

    def answer(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("x-model-version", VERSION)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write no line for each request."""


def main() -> None:
    server = ThreadingHTTPServer(("", 8080), Handler)
    server.daemon_threads = True

    def leave(*_: object) -> None:
        # Endpoints are taken away while we still answer.
        threading.Thread(target=lambda: (time.sleep(DRAIN_SECONDS), server.shutdown())).start()

    signal.signal(signal.SIGTERM, leave)
    server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
