"""The gRPC twin of model_server: every method answers with the version, a share of the calls with status INTERNAL. What
it counts is served by HTTP at METRICS_PORT; health is told by the standard service, for the kubelet."""

import os
import random
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc

VERSION = os.environ["MODEL_VERSION"]
FAULT_RATIO = float(os.environ.get("FAULT_RATIO", "0"))
DRAIN_SECONDS = 3.0
HEALTH = "/grpc.health.v1.Health/Check"
SERVING = b"\x08\x01"
"""HealthCheckResponse with status SERVING, so that no protobuf is needed."""
counts: Counter[str] = Counter()
lock = threading.Lock()


class Methods(grpc.GenericRpcHandler):
    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        answer = (lambda *_: SERVING) if details.method == HEALTH else predict
        return grpc.unary_unary_rpc_method_handler(answer)


def predict(_request: bytes, context: grpc.ServicerContext) -> bytes:
    context.send_initial_metadata([("x-model-version", VERSION)])
    failed = random.random() < FAULT_RATIO
    with lock:
        counts["Internal" if failed else "OK"] += 1
    if failed:
        context.abort(grpc.StatusCode.INTERNAL, VERSION)
    return VERSION.encode()


class Metrics(BaseHTTPRequestHandler):
    """Named as the usual interceptors for gRPC servers name them."""

    def do_GET(self) -> None:
        with lock:
            lines = ["# TYPE grpc_server_handled_total counter"]
            lines += [f'grpc_server_handled_total{{grpc_code="{code}"}} {n}' for code, n in sorted(counts.items())]
        body = ("\n".join(lines) + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write no line for each request."""


def main() -> None:
    host = os.environ.get("HOST", "0.0.0.0")
    server = grpc.server(ThreadPoolExecutor(8), handlers=(Methods(),))
    server.add_insecure_port(f"{host}:{os.environ.get('PORT', '8080')}")
    server.start()
    metrics = ThreadingHTTPServer((host, int(os.environ.get("METRICS_PORT", "8081"))), Metrics)
    threading.Thread(target=metrics.serve_forever, daemon=True).start()
    leaving = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: leaving.set())
    leaving.wait()
    # Endpoints are taken away while we still answer.
    time.sleep(DRAIN_SECONDS)
    server.stop(grace=2).wait()


if __name__ == "__main__":
    main()
