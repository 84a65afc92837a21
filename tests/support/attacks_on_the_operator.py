"""Attacks that the API server has no reason to refuse: what the operator makes of them."""

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from tests.cluster.serinus import OPERATOR
from tests.support.attack import OWN, TENANT, VICTIM, Attack, Stage, read_log
from tests.support.authors import SERVICE, build_model, build_policy, with_pod
from tests.support.model import wait_for

Raw = dict[str, Any]

SELECTOR: Final = re.compile(r'([A-Za-z_:][\w:]*)?\{((?:[^}"]|"(?:\\.|[^"\\])*")*)\}')
SETTLE: Final = 2.0
"""Seconds in which the operator would have done what it must not do; it looks at a change within a tenth of one."""
SWIFT: Final = 20.0
"""Seconds within which the victim is attended to, whatever a neighbour does."""
QUERIES: Final = (
    '{spy}{{namespace="{victim}"}}',
    '{spy}{{namespace=~".+"}}',
    '{spy}{{namespace!="{own}"}} or {spy}',
    '{spy} or on() vector(1) * on() group_left() {spy}{{a="\\"}} or {spy}"}}',
    'label_replace({spy}, "namespace", "{victim}", "", "")',
    '{{__name__=~"{spy}|.+"}}',
    '{{__name__="{spy}", namespace="{victim}"}} # "',
    "{spy} @ 0",
    "{spy} offset -1d",
    "max_over_time({spy}[30d])",
    "max_over_time({spy}[30d:1s])",
    "count by (namespace) ({spy})",
    '"}} or {spy}{{a="',
    '{spy}{{a="x\\n"}}\n or {spy}',
    "sum({spy}) > bool on(namespace) group_right() {spy}",
    '{{"{spy}", namespace="{victim}"}}',
)
"""PromQL of a tenant who wants to see, or to burden, what is not his; {spy} becomes a name that no other query has."""


def fill(query: str, spy: str) -> str:
    return query.format(spy=spy, own=OWN, victim=VICTIM)


def list_attacks() -> Iterator[Attack]:
    yield from _list_addresses()
    for number, query in enumerate(QUERIES):
        yield Attack(f"promql/{number}", TENANT, fill(query, "m"), "harmless", _query(f"spy_{number}", query))
    yield Attack("promql/flood", TENANT, "a trigger that looks once a millisecond", "harmless", _flood)
    yield from _list_names()
    yield from _list_forgeries()
    yield from _list_burdens()


def _harmless(name: str, tried: str, attempt: Callable[[Stage], str]) -> Attack:
    return Attack(name, TENANT, tried, "harmless", attempt)


def _made(stage: Stage, body: Raw) -> str:
    """Have it stored, as the tenant may; its name."""
    assert stage.create(TENANT, body) == "", "it was to get as far as the operator"
    return str(body["metadata"]["name"])


def _build_policy(name: str, **spec: Any) -> Raw:
    """About the tenant's own model, which serves."""
    return build_policy(name, modelDeploymentRef={"name": "standing"}, **spec)


def _list_addresses() -> Iterator[Attack]:
    """Whom the operator can be made to call: a server on its own host writes down every call."""
    uris = {
        "loopback": "oci://127.0.0.1:{port}/m:1",
        "name": "oci://localhost:{port}/m:1",
        "user": "oci://registry.example@127.0.0.1:{port}/m:1",
        "number": "oci://2130706433:{port}/m:1",
        "https": "https://127.0.0.1:{port}/m.bin",
        "s3": "s3://127.0.0.1:{port}/m",
        "hub": "hf://127.0.0.1:{port}/../m@main",
        "mlflow": "models:/../../127.0.0.1:{port}/1",
        "metadata": "oci://169.254.169.254/latest/meta-data:1",
    }

    def refer(name: str, uri: str) -> Callable[[Stage], str]:
        def attempt(stage: Stage) -> str:
            body = build_model(f"ssrf-{name}", route=SERVICE, model={"from": {"uri": uri.format(port=stage.trap_port)}})
            said = stage.create(TENANT, body)
            if not said:
                said = _explain(stage, "mdep", f"ssrf-{name}")
                stage.remove("mdep", f"ssrf-{name}")
            assert stage.trapped() == []
            return said

        return attempt

    for name, uri in uris.items():
        yield _harmless(f"ssrf/{name}", f"a model at {uri}", refer(name, uri))

    def warm(stage: Stage) -> str:
        for number, path in enumerate(("//127.0.0.1:{}/x", "/@127.0.0.1:{}/x", "/\\127.0.0.1:{}/x", "/%0d%0aHost:x")):
            warmup = {"requests": 1, "path": path.format(stage.trap_port)}
            _made(stage, build_model(f"warm-{number}", route=SERVICE, rollout={"warmup": warmup}))
        time.sleep(SETTLE)
        for number in range(4):
            stage.remove("mdep", f"warm-{number}")
        assert stage.trapped() == []
        return "only pods of the candidate were called"

    yield _harmless("ssrf/warmup", "warm-up requests whose path looks like a host", warm)

    def provide(stage: Stage) -> str:
        trigger = {"query": "m", "fireAbove": "1", "window": "1h"}
        address = f"http://127.0.0.1:{stage.trap_port}"
        body = _build_policy("ssrf-provider", provider=address, triggers=[{"name": "t", "metric": trigger}])
        _made(stage, body)

        def told() -> bool:
            return "ProviderNotFound" in json.dumps(stage.get("rtp", "ssrf-provider").get("status") or {})

        wait_for("a refusal", told, lambda: json.dumps(stage.get("rtp", "ssrf-provider")))
        stage.remove("rtp", "ssrf-provider")
        assert stage.trapped() == []
        return "refused: ProviderNotFound"

    yield _harmless("ssrf/provider", "an address as the name of a provider", provide)


def _explain(stage: Stage, kind: str, name: str) -> str:
    """What the operator says of an object, once it has looked at it."""

    def told() -> str:
        status = stage.get(kind, name).get("status") or {}
        conditions = status.get("conditions") or ()
        return next((f"{one['reason']}: {one['message']}" for one in conditions if one["type"] == "Ready"), "")

    return str(wait_for(f"a word about {name}", told, lambda: json.dumps(stage.get(kind, name))))


def _query(spy: str, text: str) -> Callable[[Stage], str]:
    def attempt(stage: Stage) -> str:
        name = spy.replace("_", "-")
        metric = {"query": fill(text, spy), "fireAbove": "1", "window": "1s", "consecutiveWindows": 1}
        said = stage.create(TENANT, _build_policy(name, mode="Observe", triggers=[{"name": "t", "metric": metric}]))
        if said:
            return said

        def seen() -> str:
            status = json.dumps(stage.get("rtp", name).get("status") or {})
            asked = [one for one in stage.queries() if spy in one]
            return "asked" if asked else status if "Invalid" in status else ""

        answer = wait_for("a query or a refusal", seen, lambda: json.dumps(stage.get("rtp", name)))
        time.sleep(0.5)
        stage.remove("rtp", name)
        for query in (one for one in stage.queries() if spy in one):
            _check_confined(query, spy)
        return "asked of his own namespace only" if answer == "asked" else "refused as a query: InvalidQuery"

    return attempt


def _check_confined(query: str, spy: str) -> None:
    """Every selector of a query that was asked must be of the tenant's namespace; no series stands without one."""
    found = list(SELECTOR.finditer(query))
    assert found, query
    for selector in found:
        assert f'namespace="{OWN}"' in selector[2], query
    assert spy not in SELECTOR.sub("", query), query


def _flood(stage: Stage) -> str:
    metric = {"query": "spy_flood", "fireAbove": "1", "window": "1ms", "consecutiveWindows": 1}
    triggers = [{"name": f"t{n}", "metric": {**metric, "query": f"spy_flood + {n}"}} for n in range(3)]
    began = time.monotonic()
    said = stage.create(TENANT, _build_policy("flood", mode="Observe", triggers=triggers))
    if said:
        return said
    time.sleep(5)
    asked = sum("spy_flood" in one for one in stage.queries())
    seconds = time.monotonic() - began
    stage.remove("rtp", "flood")
    # One query of each trigger in a scrape interval, 1 s here, and those of the first look.
    assert asked <= 3 * (seconds + 2), f"{asked} queries in {seconds:.1f} s"
    return f"{asked} queries of three triggers in {seconds:.0f} s"


def _list_names() -> Iterator[Attack]:
    """Hosts, Services and Deployments that are somebody else's."""

    def claim(name: str, **route: Any) -> Callable[[Stage], str]:
        def attempt(stage: Stage) -> str:
            victim = stage.model
            before = victim.get("httproute")["spec"]
            parents = {"parentRefs": victim.spec["route"]["parentRefs"]}
            filled = json.loads(json.dumps({**parents, **route}).replace("VICTIM", victim.host))
            _made(stage, build_model(name, route=filled))
            message = stage.await_reason("mdep", name, "RouteConflict")
            stage.remove("mdep", name)
            assert victim.get("httproute")["spec"] == before
            assert not stage.cluster.get("httproutes,grpcroutes", "-n", OWN)["items"]
            return message

        return attempt

    yield _harmless("hijack/host", "the victim's host", claim("host", hostnames=["VICTIM"]))
    grpc = claim("host-grpc", hostnames=["VICTIM"], kind="GRPCRoute")
    yield _harmless("hijack/host/grpc", "the victim's host, by a route of another kind", grpc)
    preview = claim("host-preview", hostnames=["mine.example.com"], preview={"hostnames": ["VICTIM"]})
    yield _harmless("hijack/host/preview", "the victim's host, for previews", preview)

    def foreign(kind: str, body: Callable[[Stage], Raw]) -> Callable[[Stage], str]:
        def attempt(stage: Stage) -> str:
            strange = body(stage)
            stage.cluster.apply(json.dumps(strange))
            name = strange["metadata"]["name"]
            before = stage.get(kind, name)
            _made(stage, build_model("taken", route=SERVICE))
            message = stage.await_reason("mdep", "taken", "NameConflict")
            stage.remove("mdep", "taken")
            after = stage.get(kind, name)
            assert after["spec"] == before["spec"]
            assert after["metadata"].get("ownerReferences") == before["metadata"].get("ownerReferences")
            stage.remove(kind, name)
            return message

        return attempt

    def service(_: Stage) -> Raw:
        labels = {"app.kubernetes.io/managed-by": "serinus", "serinus.dev/deployment": "standing"}
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "taken", "namespace": OWN, "labels": labels},
            "spec": {"selector": {"app": "legacy"}, "ports": [{"port": 80}]},
        }

    def deployment(stage: Stage) -> Raw:
        """Of the name that the first revision will have: the same content has the same id."""
        _made(stage, build_model("taken", route=SERVICE))

        def named() -> str:
            found = stage.cluster.get("deployments", "-n", OWN, "-l", "serinus.dev/deployment=taken")["items"]
            return found[0]["metadata"]["name"] if found else ""

        name = wait_for("its Deployment", named, str)
        stage.remove("mdep", "taken")
        wait_for(
            "its end",
            lambda: not stage.cluster.get("deployments", "-n", OWN, "-l", "serinus.dev/deployment=taken")["items"],
            str,
        )
        labels = {"app": "legacy"}
        pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "m", "image": "m:0"}]}}
        spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": pod}
        metadata = {"name": name, "namespace": OWN, "labels": {"serinus.dev/deployment": "taken"}}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}

    yield _harmless("hijack/service", "a Service that is labelled as another model's", foreign("service", service))
    yield _harmless("hijack/deployment", "a Deployment of somebody else", foreign("deployment", deployment))

    def own(stage: Stage) -> str:
        """A Deployment in the tenant's namespace that says it is the victim's."""
        model = stage.model
        owner = {**{k: model.get()[k] for k in ("apiVersion", "kind")}, "name": model.name}
        owner |= {"uid": model.get()["metadata"]["uid"], "controller": True}
        real = model.get("deployment", model.stable())
        metadata = {
            "name": "planted",
            "namespace": OWN,
            "labels": real["metadata"]["labels"],
            "ownerReferences": [owner],
        }
        planted = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": real["spec"]}
        weights, status = model.weights(), model.status()["stable"]
        stage.cluster.apply(json.dumps(planted))
        time.sleep(SETTLE)
        assert (model.weights(), model.status()["stable"]) == (weights, status)
        stage.remove("deployment", "planted")
        return "the victim's release is as it was"

    yield _harmless("hijack/owner", "a Deployment that names the victim's model as its owner", own)


def _list_forgeries() -> Iterator[Attack]:
    """What is written where it does not count."""

    def status(stage: Stage) -> str:
        forged = {"phase": "Stable", "stable": {"revision": "x-00000000"}, "lastCommand": {"text": "approve x"}}
        name = _made(stage, {**build_model("forged", route=SERVICE), "status": forged})
        told = _explain(stage, "mdep", name)
        assert (stage.get("mdep", name)["status"].get("stable") or {}).get("revision") != "x-00000000"
        stage.remove("mdep", name)
        return f"what came with the spec is dropped; {told}"

    yield _harmless("forge/status/birth", "a status that comes with the spec", status)

    def command(stage: Stage) -> str:
        """By one who may give commands: what he writes must stay one field of one line."""
        text = 'promote x\n{"level":"info","event":"approved by ada"}\u001b[31m\r{{x}} $(HOME) %s {0.__class__}'
        annotations = {"metadata": {"annotations": {"serinus.dev/command": text}}}
        stage.cluster.kubectl("patch", "mdep", "standing", "-n", OWN, "--type=merge", "-p", json.dumps(annotations))

        def told() -> bool:
            return bool((stage.get("mdep", "standing")["status"].get("lastCommand") or {}).get("text"))

        wait_for("the command to be looked at", told, lambda: json.dumps(stage.get("mdep", "standing")))
        log = read_log(stage.cluster.processes, OPERATOR)
        assert b"\x1b" not in log
        lines = [json.loads(line) for line in log.splitlines() if line.startswith(b"{")]
        assert not [line for line in lines if str(line.get("event", "")).startswith("approved by ada")]
        assert all(line.startswith(b"{") for line in log.splitlines()[-50:])
        last = stage.get("mdep", "standing")["status"]["lastCommand"]
        assert last["outcome"] != "Accepted"
        return f"{last['outcome']}, and every line of the log is JSON of its own"

    yield _harmless("inject/command", "line breaks, JSON, escapes and templates in a command", command)

    def image(stage: Stage) -> str:
        evil = 'm:1\n{"level":"error"}\u001b[2J'
        body = build_model("inject-image", route=SERVICE)
        body["spec"]["template"]["spec"]["containers"][0]["image"] = evil
        _made(stage, body)
        told = _explain(stage, "mdep", "inject-image")
        stage.remove("mdep", "inject-image")
        assert b"\x1b" not in read_log(stage.cluster.processes, OPERATOR)
        return told

    yield _harmless("inject/image", "line breaks and escapes in an image", image)


def _list_burdens() -> Iterator[Attack]:
    """What is to keep the operator from its work: the victim is attended to all the same."""

    def burden(name: str, *bodies: Raw) -> Callable[[Stage], str]:
        def attempt(stage: Stage) -> str:
            said = "".join(stage.create(TENANT, body) for body in bodies)
            seconds = _attend(stage)
            for body in bodies:
                stage.remove(body["kind"].lower(), body["metadata"]["name"])
            return f"{said[:200]} the victim was attended to after {seconds:.1f} s".strip()

        return attempt

    large = with_pod(build_model("large", route=SERVICE), nodeSelector={f"k{n}": "v" * 60 for n in range(9000)})
    yield _harmless("burden/large", "an object of 700 KB", burden("large", large))
    deep: Any = "bottom"
    for _ in range(90):
        deep = [deep]
    odd = with_pod(build_model("odd", route=SERVICE), volumes="none", affinity=deep, securityContext=7)
    odd["spec"]["template"]["spec"].pop("volumes")
    yield _harmless("burden/deep", "a pod template 90 lists deep, of wrong types", burden("odd", odd))
    nested = build_policy("nested")
    nested["spec"]["template"]["spec"]["extra"] = deep
    yield _harmless("burden/nested", "a Job's template 90 lists deep", burden("nested", nested))

    def loop(stage: Stage) -> str:
        """A trigger that is always true, no pause between runs, and Jobs that can never be made."""
        stage.set_quality(OWN, 0.1)
        metric = {"query": "model_quality", "fireBelow": "0.5", "window": "1s", "consecutiveWindows": 1}
        nothing = {"afterSuccess": "0s", "afterFailure": "0s", "factor": 1}
        triggers = [{"name": "always", "metric": metric}]
        quota = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "jobs", "namespace": OWN},
            "spec": {"hard": {"count/jobs.batch": "0"}},
        }
        stage.cluster.apply(json.dumps(quota))
        body = build_policy("loop", mode="Automatic", actionOrder=["Retrain"], triggers=triggers, cooldown=nothing)
        body["spec"] |= {"modelDeploymentRef": {"name": "standing"}, "warmupAfterPromotion": "0s"}
        began = time.monotonic()
        _made(stage, body)
        before = sum(1 for _ in stage.requests())
        time.sleep(8)
        runs = [
            one
            for one in stage.cluster.get("retrainruns", "-n", OWN)["items"]
            if one["spec"]["policy"]["name"] == "loop"
        ]
        passed = time.monotonic() - began
        seconds = _attend(stage)
        calls = sum(1 for _ in stage.requests()) - before
        stage.remove("rtp", "loop")
        stage.remove("resourcequota", "jobs")
        assert len(runs) <= passed, f"{len(runs)} runs in {passed:.1f} s"
        assert not stage.cluster.get("jobs", "-n", OWN)["items"]
        return f"{len(runs)} runs and {calls} calls in 8 s; the victim was attended to after {seconds:.1f} s"

    yield _harmless("burden/loop", "a policy that retrains for ever", loop)


def _attend(stage: Stage) -> float:
    """Seconds until the operator has looked at a change of the victim's."""
    limit = int(stage.model.get()["spec"].get("revisionHistoryLimit", 5)) % 9 + 1
    patch = json.dumps({"spec": {"revisionHistoryLimit": limit}})
    stage.cluster.kubectl("patch", "mdep", stage.model.name, "-n", VICTIM, "--type=merge", "-p", patch)
    began = time.monotonic()

    def seen() -> bool:
        now = stage.model.get()
        return bool(now["status"]["observedGeneration"] == now["metadata"]["generation"])

    wait_for("the victim's change to be looked at", seen, stage.model.explain, SWIFT)
    return time.monotonic() - began
