"""Gateway and Prometheus, simulated in one process beside a real API server: `python surroundings.py PORT KEYS SCRIPT`.

Every route is accepted, requests are counted by the weights it has, and a share of them fails as the pods' FAULT_RATIO
says, or the annotation example.com/fault-ratio of their Deployment. The counters are served as Prometheus serves
Traefik's; what an InferencePool leads to is counted by its pods, as vLLM does. Queries for `model_quality` are answered
from the file SCRIPT.gauges: JSON, a value by namespace. Of routes of two kinds with the same host only the older one is
accepted. The file SCRIPT holds one word: how it answers."""

import contextlib
import json
import re
import ssl
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections import Counter, deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

API = "https://127.0.0.1:6443"
ROUTES = "/apis/gateway.networking.k8s.io/v1/{}"
KINDS = ("httproutes", "grpcroutes")
DEPLOYMENTS = "/apis/apps/v1/deployments?labelSelector=app.kubernetes.io/managed-by%3Dserinus"
RATE = 100.0
PACE = 0.25
SLOW_SECONDS = 3.0

port, keys, script = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
counts: Counter[frozenset[tuple[str, str]]] = Counter()
"""Requests by the labels of their series."""
queries: Counter[str] = Counter()
asked: deque[str] = deque(maxlen=500)
"""The last queries, as they came."""
good: dict[str, str] = {}
"""The last good answer, for one who stands still."""


def main() -> None:
    threading.Thread(target=follow_routes, daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


def follow_routes() -> None:
    context = ssl.create_default_context(cafile=str(keys / "ca.crt"))
    context.load_cert_chain(keys / "admin.crt", keys / "admin.key")
    last = time.monotonic()
    while True:
        time.sleep(PACE)
        now = time.monotonic()
        requests, last = RATE * (now - last), now
        try:
            faults = {d["metadata"]["name"]: fault_ratio(d) for d in ask(context, DEPLOYMENTS)["items"]}
            routes = [(kind, one) for kind in KINDS for one in ask(context, ROUTES.format(kind))["items"]]
        except OSError as error:
            print("passed over:", error, flush=True)
            continue
        for kind, route in routes:
            elder = next((one for other, one in routes if other != kind and is_older(one, route)), None)
            if elder is None:
                count(kind, route, requests, faults)
            # Another test's route may be gone by now.
            with contextlib.suppress(OSError):
                accept(context, kind, route, kept_out=elder is not None)


def is_older(one: Any, other: Any) -> bool:
    """Whether a route has a host of another one, and had it first; names do not matter, tests have their own."""
    shared = set(one["spec"].get("hostnames") or ()) & set(other["spec"].get("hostnames") or ())
    ages = [route["metadata"]["creationTimestamp"] for route in (one, other)]
    return bool(shared) and (ages[0] < ages[1] or (ages[0] == ages[1] and "HTTPRoute" in one["kind"]))


def ask(context: ssl.SSLContext, path: str, patch: Any = None) -> Any:
    body = json.dumps(patch).encode() if patch else None
    request = urllib.request.Request(API + path, data=body, method="PATCH" if patch else "GET")
    request.add_header("Content-Type", "application/merge-patch+json")
    with urllib.request.urlopen(request, context=context, timeout=5) as answer:
        return json.load(answer)


def fault_ratio(deployment: Any) -> float:
    told = (deployment["metadata"].get("annotations") or {}).get("example.com/fault-ratio")
    if told is not None:
        return float(told)
    environment = deployment["spec"]["template"]["spec"]["containers"][0].get("env") or []
    return next((float(one["value"]) for one in environment if one["name"] == "FAULT_RATIO"), 0.0)


def accept(context: ssl.SSLContext, kind: str, route: Any, *, kept_out: bool) -> None:
    metadata, generation = route["metadata"], route["metadata"]["generation"]
    parents = (route.get("status") or {}).get("parents") or []
    said = parents[0]["conditions"][0] if parents else {}
    told_so = (said.get("reason") == "HostnameConflict") == kept_out
    if said.get("observedGeneration") == generation and told_so:
        return
    conditions = [
        {
            "type": type_,
            "status": "True",
            "reason": type_,
            "message": "",
            "observedGeneration": generation,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for type_ in ("Accepted", "ResolvedRefs")
    ]
    if kept_out:
        conditions[0] |= {"status": "False", "reason": "HostnameConflict"}
    parent = route["spec"]["parentRefs"][0]
    status = {"parentRef": parent, "controllerName": "traefik.io/gateway-controller", "conditions": conditions}
    path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{metadata['namespace']}/{kind}/{metadata['name']}/status"
    ask(context, path, {"status": {"parents": [status]}})


def count(kind: str, route: Any, requests: float, faults: dict[str, float]) -> None:
    namespace, name = route["metadata"]["namespace"], route["metadata"]["name"]
    for backend in route["spec"]["rules"][0].get("backendRefs") or []:
        served = requests * backend.get("weight", 1) / 100
        bad = served * faults.get(backend["name"], 0.0)
        if backend["kind"] == "InferencePool":
            counts[vllm(namespace, backend["name"], "stop")] += served - bad
            counts[vllm(namespace, backend["name"], "error")] += bad
            continue
        label = f"{kind.removesuffix('s')}-{namespace.replace('--', '-')}-{name}-gw-gateways-public-ep-web-0-0a1b2c3d"
        label += f"-svc-{namespace}-{backend['name']}-0@kubernetesgateway"
        counts[traefik(label, "200")] += served - bad
        counts[traefik(label, "500")] += bad


def traefik(service: str, code: str) -> frozenset[tuple[str, str]]:
    name = "traefik_service_requests_total"
    return frozenset({"__name__": name, "service": service, "code": code, "instance": "gateway:80"}.items())


def vllm(namespace: str, revision: str, reason: str) -> frozenset[tuple[str, str]]:
    pod = {"namespace": namespace, "pod": f"{revision}-0a1b2c-x1", "instance": f"{revision}:8000"}
    return frozenset({"__name__": "vllm:request_success_total", "finished_reason": reason, **pod}.items())


def count_failures(name: str) -> int:
    return int(sum(value for labels, value in list(counts.items()) if is_failure(dict(labels), name)))


def is_failure(labels: dict[str, str], name: str) -> bool:
    return labels.get("code") == "500" and f"-{name}-0@" in labels["service"]


def build_answer(word: str) -> tuple[str, str]:
    """Content type and body of an answer to any query."""
    now = time.time()
    series = [
        {
            "metric": dict(labels),
            "values": [[now - 1, str(int(value))], [now, "NaN" if word == "nan" else str(int(value))]],
        }
        for labels, value in list(counts.items())
        if value
    ]
    if word == "html":
        return "text/html", "<html><body>Sign in</body></html>"
    data = {"resultType": "matrix", "result": [] if word == "empty" else series}
    if word == "scalar":
        data = {"resultType": "scalar", "result": [now, "1"]}
    if word == "vector":
        instant = [{"metric": one["metric"], "value": one["values"][-1]} for one in series]
        data = {"resultType": "vector", "result": instant}
    answer: dict[str, Any] = {"status": "success", "data": data}
    if word == "partial":
        answer["warnings"] = ["a store could not be reached"]
    if word == "well":
        good["text"] = json.dumps(answer)
    return "application/json", good["text"] if word == "stale" else json.dumps(answer)


def read_gauge(path: str) -> str | None:
    """The answer to a query for a quality; None for any other query."""
    query = urllib.parse.unquote_plus(path)
    namespace = re.search(r'model_quality.*namespace="([^"]+)"', query)
    if namespace is None:
        return None
    file = script.with_suffix(".gauges")
    value = json.loads(file.read_text()).get(namespace[1]) if file.exists() else None
    series = [] if value is None else [{"metric": {"namespace": namespace[1]}, "value": [time.time(), str(value)]}]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": series}})


class Handler(BaseHTTPRequestHandler):
    """GET /queries tells how many queries came, /asked which ones came last, /failures/NAME how many requests to NAME
    failed; every other path is a query."""

    def do_GET(self) -> None:
        """Answer, or fail to, as the script says."""
        word = script.read_text().strip()
        if self.path == "/queries":
            return self.answer(200, "text/plain", str(queries["all"]))
        if self.path == "/asked":
            return self.answer(200, "application/json", json.dumps(list(asked)))
        if self.path.startswith("/failures/"):
            return self.answer(200, "text/plain", str(count_failures(self.path.removeprefix("/failures/"))))
        queries["all"] += 1
        asked.append(urllib.parse.unquote_plus(self.path))
        gauge = read_gauge(self.path) if word == "well" else None
        if gauge is not None:
            return self.answer(200, "application/json", gauge)
        if word == "down":
            return self.answer(503, "text/plain", "upstream is gone")
        if word == "broken":
            self.close_connection = True
            return None
        if word == "slow":
            time.sleep(SLOW_SECONDS)
        return self.answer(200, *build_answer(word))

    def answer(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        # Who asked may have been killed.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write no line for each request."""


if __name__ == "__main__":
    main()
