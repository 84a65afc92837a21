"""A model server of a few lines: it answers with its version after a while, fails a share of the requests, gets a share
of its answers wrong, and counts all of it. What it does stands in the environment."""

import os
import random
import signal
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = os.environ["MODEL_VERSION"]
FAULT_RATIO = float(os.environ.get("FAULT_RATIO", "0"))
FAULTS_AFTER = float(os.environ.get("FAULTS_AFTER", "inf"))
"""Seconds after which a third of the answers fail."""
STARTED = time.monotonic()
DELAY = float(os.environ.get("DELAY", "0"))
"""Median seconds that an answer takes, lognormal with sigma 0.3."""
WRONG_RATIO = float(os.environ.get("WRONG_RATIO", "0"))
DRIFT = float(os.environ.get("DRIFT", "0.1"))
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
DRAIN_SECONDS = 3.0
counts: Counter[int] = Counter()
verdicts: Counter[str] = Counter(right=0, wrong=0)
slow: Counter[float] = Counter()
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one packet, or the kernel keeps the second one back for 40 ms.
    wbufsize = -1

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self.answer(200, "ok")
        elif self.path == "/metrics":
            self.answer(200, tell_metrics())
        else:
            ratio = FAULT_RATIO if time.monotonic() - STARTED < FAULTS_AFTER else 0.33
            status = 500 if random.random() < ratio or "x-fault" in self.headers else 200
            seconds = DELAY * random.lognormvariate(0, 0.3)
            time.sleep(seconds)
            with lock:
                counts[status] += 1
                verdicts["wrong" if random.random() < WRONG_RATIO else "right"] += 1
                for bound in BOUNDS:
                    slow[bound] += seconds <= bound
            self.answer(status, VERSION)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.do_GET()

    def answer(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("x-model-version", VERSION)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write no line for each request."""


def tell_metrics() -> str:
    with lock:
        lines = ["# TYPE http_requests_total counter"]
        lines += [f'http_requests_total{{path="/",status="{code}"}} {n}' for code, n in sorted(counts.items())]
        lines += ["# TYPE feedback_total counter"]
        lines += [f'feedback_total{{verdict="{verdict}"}} {n}' for verdict, n in sorted(verdicts.items())]
        lines += ["# TYPE http_request_duration_seconds histogram"]
        lines += [f'http_request_duration_seconds_bucket{{le="{bound}"}} {slow[bound]}' for bound in BOUNDS]
        lines += [f'http_request_duration_seconds_bucket{{le="+Inf"}} {sum(counts.values())}']
        lines += ["# TYPE drift_score gauge", f"drift_score {DRIFT * random.lognormvariate(0, 0.05)}"]
    return "\n".join(lines) + "\n"


class Server(ThreadingHTTPServer):
    # With the default of 5, connections that a gateway opens in a burst are reset, and look like a lost request.
    request_queue_size = 256
    daemon_threads = True


def main() -> None:
    server = Server((os.environ.get("HOST", ""), int(os.environ.get("PORT", "8080"))), Handler)

    def leave(*_: object) -> None:
        # Endpoints are taken away while we still answer.
        threading.Thread(target=lambda: (time.sleep(DRAIN_SECONDS), server.shutdown())).start()

    signal.signal(signal.SIGTERM, leave)
    server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
