"""A model small enough to be seen through, to try the checks on: python3 server.py 8080 [0.0.0.0].

A payment of 500 or more (or of FRAUD_FROM in the environment) is fraud. It speaks the Open Inference Protocol and plain
JSON, and refuses what it cannot read."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Response = tuple[int, Any]
Respond = Callable[[str, str, Any], Response]

INPUTS = {"amount": "FP64", "hour": "INT64", "country": "BYTES"}
FRAUD_FROM = float(os.environ.get("FRAUD_FROM", "500"))


def predict(row: Mapping[str, Any]) -> dict[str, float]:
    """The label and the score of one payment. ValueError where it is none."""
    amount, country = row.get("amount"), row.get("country")
    if isinstance(amount, bool) or not isinstance(amount, int | float):
        raise ValueError("amount must be a number")
    if not isinstance(country, str):
        raise ValueError("country must be text")
    score = min(max(amount, 0.0) / 1000, 1.0)
    return {"label": int(score >= FRAUD_FROM / 1000), "score": score}


def respond(method: str, path: str, body: Any) -> Response:
    """Status and body for one request."""
    try:
        if (method, path) == ("POST", "/v2/models/fraud/infer"):
            return 200, _infer(body)
        if (method, path) == ("POST", "/predict"):
            return 200, {"predictions": [predict(row) for row in body["instances"]]}
    except (ValueError, KeyError, TypeError) as error:
        return 400, {"error": str(error)}
    if path in ("/", "/v2/health/ready"):
        return 200, {"ready": True}
    if path == "/v2/models/fraud":
        inputs = [{"name": name, "datatype": datatype, "shape": [-1, 1]} for name, datatype in INPUTS.items()]
        return 200, {"name": "fraud", "platform": "python", "inputs": inputs}
    return 404, {"error": f"nothing at {path}"}


def _infer(body: Any) -> Any:
    columns = {one["name"]: one["data"] for one in body["inputs"]}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    found = [predict(row) for row in rows]
    shape = [len(found), 1]
    return {
        "model_name": "fraud",
        "outputs": [
            {"name": "label", "datatype": "INT64", "shape": shape, "data": [one["label"] for one in found]},
            {"name": "score", "datatype": "FP64", "shape": shape, "data": [one["score"] for one in found]},
        ],
    }


def build_server(respond: Respond, port: int = 0, host: str = "127.0.0.1") -> ThreadingHTTPServer:
    """A server on this machine alone unless `host` says otherwise; port 0 takes a free one. A body that is bytes is
    sent as it is."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: two of them wait for each other for 40 ms

        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: Any) -> None:
            status, said = respond(self.command, self.path, body)
            raw = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 256
        daemon_threads = True

    return Server((host, port), Handler)


if __name__ == "__main__":
    build_server(respond, int(sys.argv[1]), *sys.argv[2:3]).serve_forever()
