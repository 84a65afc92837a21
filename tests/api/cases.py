"""Objects that are wrong in one way each: one table for the checks in Python and for the real API server."""

import json
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
EXAMPLES: Final = ROOT / "examples" / "contract"
LANGUAGE_MODEL: Final = ROOT / "examples" / "llm" / "modeldeployment.yaml"
REMOVE: Final = object()
"""Stands for "take this field away" in the changes of a case."""


def load_example(name: str) -> dict[str, Any]:
    """Return one of the worked examples as plain JSON."""
    return load(EXAMPLES / f"{name}.yaml")


def load(path: Path) -> dict[str, Any]:
    """Return the object in a file as plain JSON."""
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def change(obj: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy with the field at a dotted path (`spec.rollout.steps.0.weight`) replaced, made or removed."""
    changed = deepcopy(obj)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = changed
    for parent in parents:
        place = place.setdefault(parent, {}) if isinstance(place, dict) else place[parent]
    if callable(value):
        value = value(place[last])
    if value is REMOVE:
        del place[last]
    else:
        place[last] = value
    return changed


@dataclass(frozen=True)
class BadInput:
    """`sentence` says what is wrong with the example once `path` has `value`."""

    sentence: str
    path: str
    value: Any
    field: str
    """The field that a problem must name."""
    cure: str
    """Part of what the Python check says."""
    refusal: str | None
    """Part of what the API server says; None where only the operator can see it."""
    example: str = "modeldeployment-minimal"

    def build(self) -> dict[str, Any]:
        """Return the wrong object."""
        return change(load_example(self.example), self.path, self.value)


CONTAINER: Final = {"name": "model", "image": "registry.example/fraud:7", "ports": [{"containerPort": 8080}]}
ROUTE: Final = {"parentRefs": [{"name": "public"}]}
STEPS: Final = "spec.rollout.steps"
METRICS: Final = "spec.rollout.analysis.metrics"
LIMIT: Final = {"maxRegression": "1.2"}
DURATION: Final = "must be a duration such as 90s"


def _error_ratio(limits: dict[str, str]) -> list[dict[str, Any]]:
    return [{"name": "errors", "errorRatio": limits}]


CHECK: Final = {"name": "cases", "job": {"template": {"spec": {"containers": [{"name": "c", "image": "c:1"}]}}}}
MIRROR: Final = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "log", "port": 80}}}


def _shadow(**shadow: Any) -> dict[str, Any]:
    return {"strategy": "Shadow", "shadow": shadow}


BAD_INPUTS: Final = (
    # Names
    BadInput("a name of 46 characters", "metadata.name", "a" * 46, "metadata.name", "at most 45", "Too long"),
    BadInput(
        "a name that begins with a digit", "metadata.name", "7b", "metadata.name", "begin with", "begin with a letter"
    ),
    BadInput("a name with a dot", "metadata.name", "a.b", "metadata.name", "begin with", "begin with a letter"),
    # Steps
    BadInput("a weight over 100", STEPS, [{"weight": 101}], f"{STEPS}[0].weight", "less than or equal to 100", "100"),
    BadInput("a weight of 0", STEPS, [{"weight": 0}], f"{STEPS}[0].weight", "greater than or equal to 1", "equal to 1"),
    BadInput(
        "weights that fall",
        STEPS,
        [{"weight": 50}, {"weight": 5}],
        f"{STEPS}[1].weight",
        "must be more than 50",
        "weights must rise from step to step",
    ),
    BadInput(
        "weights that stay the same across a pause",
        STEPS,
        [{"weight": 5}, {"pause": {}}, {"weight": 5}],
        f"{STEPS}[2].weight",
        "must be more than 5",
        "weights must rise from step to step",
    ),
    BadInput(
        "a step without weight or pause", STEPS, [{"weight": 5}, {}], f"{STEPS}[1]", "exactly one", "either a weight"
    ),
    BadInput(
        "a step with weight and pause",
        STEPS,
        [{"weight": 5, "pause": {}}],
        f"{STEPS}[0]",
        "exactly one",
        "either a weight",
    ),
    BadInput("steps with pauses only", STEPS, [{"pause": {}}], STEPS, "at least one weight", "must have a weight"),
    BadInput("no step at all", STEPS, [], STEPS, "at least 1 item", "at least 1 items"),
    BadInput(
        "a pause after weight 100",
        STEPS,
        [{"weight": 100}, {"pause": {}}],
        f"{STEPS}[0].weight",
        "last step",
        "last step",
    ),
    BadInput("a hold at weight 100", STEPS, [{"weight": 100, "hold": "1m"}], f"{STEPS}[0].hold", "bake", "bake"),
    BadInput(
        "a hold on a pause",
        STEPS,
        [{"weight": 5}, {"pause": {}, "hold": "1m"}],
        f"{STEPS}[1].hold",
        "pause.for",
        "pause.for",
    ),
    BadInput("21 steps", STEPS, [{"weight": n} for n in range(1, 22)], STEPS, "at most 20", "at most 20 items"),
    BadInput(
        "a hold as a number", STEPS, [{"weight": 5, "hold": 60}], f"{STEPS}[0].hold", "valid string", "type string"
    ),
    # Durations
    BadInput("a bake of `soon`", "spec.rollout.bake", "soon", "spec.rollout.bake", DURATION, "spec.rollout.bake"),
    BadInput("a drain without unit", "spec.rollout.drain", "30", "spec.rollout.drain", DURATION, "spec.rollout.drain"),
    BadInput(
        "a deadline of no time",
        "spec.rollout.progressDeadline",
        "0s",
        "spec.rollout.progressDeadline",
        "longer than 0s",
        "longer than 0s",
    ),
    # Words that do not exist
    BadInput("an unknown field", "spec.replica", 3, "spec.replica", "not a field", "unknown field"),
    BadInput("an unknown runtime", "spec.runtime", "Ollama", "spec.runtime", "must be one of", "Unsupported value"),
    BadInput(
        "an unknown preset", "spec.rollout.preset", "Bold", "spec.rollout.preset", "must be one of", "Unsupported"
    ),
    BadInput("an unknown route mode", "spec.route.mode", "Mesh", "spec.route.mode", "must be one of", "Unsupported"),
    # Metrics
    BadInput(
        "a metric of an unknown kind",
        METRICS,
        [{"name": "errors", "loudness": LIMIT}],
        f"{METRICS}[0].loudness",
        "not a field",
        "unknown field",
    ),
    BadInput("a metric without a kind", METRICS, [{"name": "errors"}], f"{METRICS}[0]", "exactly one", "exactly one"),
    BadInput(
        "a metric of two kinds",
        METRICS,
        [{"name": "errors", "errorRatio": LIMIT, "latency": LIMIT}],
        f"{METRICS}[0]",
        "exactly one",
        "exactly one",
    ),
    BadInput(
        "two metrics of one name",
        METRICS,
        _error_ratio(LIMIT) * 2,
        METRICS,
        "unique",
        "Duplicate value",
    ),
    BadInput(
        "an error ratio without limit", METRICS, _error_ratio({}), f"{METRICS}[0].errorRatio", "one of", "exactly one"
    ),
    BadInput(
        "an error ratio with both limits",
        METRICS,
        _error_ratio(LIMIT | {"max": "2%"}),
        f"{METRICS}[0].errorRatio",
        "exactly one",
        "exactly one",
    ),
    BadInput(
        "a regression that must be an improvement",
        METRICS,
        _error_ratio({"maxRegression": "0.9"}),
        f"{METRICS}[0].errorRatio.maxRegression",
        "at least 1",
        "at least 1",
    ),
    BadInput(
        "a regression in percent",
        METRICS,
        _error_ratio({"maxRegression": "20%"}),
        f"{METRICS}[0].errorRatio.maxRegression",
        "number as a string",
        "should match",
    ),
    BadInput(
        "a gauge that is both a query and a profile's",
        METRICS,
        [{"name": "drift", "gauge": {"query": "drift", "of": "QueueDepth", "max": "1"}}],
        f"{METRICS}[0].gauge",
        "one of query, of",
        "exactly one of query",
    ),
    BadInput(
        "a ratio with both limits",
        METRICS,
        [{"name": "w", "ratio": {"bad": "b", "total": "t", "maxRegression": "2", "max": "1%"}}],
        f"{METRICS}[0].ratio",
        "exactly one",
        "exactly one",
    ),
    BadInput(
        "a proof of less than nothing",
        "spec.rollout.analysis.mustDetect",
        "0.5",
        "spec.rollout.analysis.mustDetect",
        "factor of at least 1",
        "factor of at least 1",
    ),
    BadInput(
        "a watch of no time",
        "spec.rollout.analysis.watch",
        {"for": "0s"},
        "spec.rollout.analysis.watch.for",
        "longer than 0s",
        "longer than 0s",
    ),
    BadInput(
        "a gauge without bounds",
        METRICS,
        [{"name": "drift", "gauge": {"query": "drift"}}],
        f"{METRICS}[0].gauge",
        "min, max, maxRise and maxFall",
        "min, max, maxRise and maxFall",
    ),
    *(
        BadInput(
            f"a false alarm budget of {budget}",
            "spec.rollout.analysis.falseAlarm",
            budget,
            "spec.rollout.analysis.falseAlarm",
            "less than 100%",
            f'between 0 and 100%, both excluded, for example "1%", not {budget}',
        )
        for budget in ("0%", "0", "100%", "1", "250%")
    ),
    # Template and port
    BadInput(
        "no container",
        "spec.template.spec.containers",
        [],
        "spec.template.spec.containers",
        "at least one container",
        "at least 1 items",
    ),
    BadInput(
        "a template without spec",
        "spec.template",
        {},
        "spec.template.spec.containers",
        "at least one container",
        "spec.template.spec: Required value",
    ),
    BadInput(
        "two containers of one name",
        "spec.template.spec.containers",
        [CONTAINER, CONTAINER],
        "spec.template.spec.containers",
        "unique",
        "Duplicate value",
    ),
    BadInput(
        "a container without image",
        "spec.template.spec.containers.0.image",
        REMOVE,
        "spec.template.spec.containers[0].image",
        "is required",
        "spec.template.spec.containers[0].image: Required value",
    ),
    BadInput(
        "a pod that is never restarted",
        "spec.template.spec.restartPolicy",
        "Never",
        "spec.template.spec.restartPolicy",
        "must be Always",
        "Unsupported value",
    ),
    BadInput(
        "a container without ports",
        "spec.template.spec.containers.0.ports",
        REMOVE,
        "spec.template.spec.containers",
        "must declare the port",
        "no container declares a port",
    ),
    BadInput(
        "a port name that nobody has",
        "spec.port",
        "grpc",
        "spec.port",
        "http (8080)",
        "no container declares port",
    ),
    BadInput(
        "a port number that nobody has",
        "spec.port",
        9000,
        "spec.port",
        "http (8080)",
        "no container declares port",
    ),
    BadInput("a port that is no port", "spec.port", 70000, "spec.port", "http (8080)", "from 1 to 65535"),
    BadInput(
        "a label that is the operator's",
        "spec.template.metadata.labels",
        {"serinus.dev/revision": "mine"},
        "spec.template.metadata.labels[serinus.dev/revision]",
        "left out",
        None,
    ),
    *(
        BadInput(
            f"a pod template with {sentence}",
            f"spec.template.{path}",
            value,
            f"spec.template.{field}",
            f"{json.dumps(shown)} must be {cure}",
            None,
        )
        for sentence, path, value, field, shown, cure in (
            ("words for env", "spec.containers.0.env", ["A=b"], "spec.containers[0].env[0]", "A=b", "an object, such"),
            ("a map for env", "spec.containers.0.env", {"A": "b"}, "spec.containers[0].env", {"A": "b"}, "a list"),
            ("words for envFrom", "spec.containers.0.envFrom", ["m"], "spec.containers[0].envFrom[0]", "m", "an obj"),
            ("a word for mounts", "spec.containers.0.volumeMounts", "v", "spec.containers[0].volumeMounts", "v", "a l"),
            ("names for init containers", "spec.initContainers", ["x"], "spec.initContainers[0]", "x", "an object"),
            ("a map for volumes", "spec.volumes", {"v": 1}, "spec.volumes", {"v": 1}, "a list of objects"),
            ("a word for tolerations", "spec.tolerations", "gpu", "spec.tolerations", "gpu", "a list of objects"),
            ("a list of labels", "metadata", {"labels": ["a"]}, "metadata.labels", ["a"], "an object"),
            (
                "limits of no kind",
                "spec.containers.0.resources",
                {"limits": 1},
                "spec.containers[0].resources.limits",
                1,
                "an o",
            ),
        )
    ),
    BadInput(
        "a check whose env is words",
        "spec.rollout",
        {"validation": [change(CHECK, "job.template.spec.containers.0.env", ["A=b"])]},
        "spec.rollout.validation[0].job.template.spec.containers[0].env[0]",
        'such as {"name": "A", "value": "b"}',
        None,
    ),
    BadInput(
        "a scoring Job whose init containers are names",
        "spec.rollout",
        _shadow(scoring=[change(CHECK, "job.template.spec.initContainers", ["x"])]),
        "spec.rollout.shadow.scoring[0].job.template.spec.initContainers[0]",
        "must be an object",
        None,
    ),
    # Route
    BadInput(
        "a route without parent", "spec.route.parentRefs", REMOVE, "spec.route.parentRefs", "Gateway", "needs a parent"
    ),
    BadInput(
        "timeouts in a GRPCRoute",
        "spec.route",
        {**ROUTE, "kind": "GRPCRoute", "rules": [{"timeouts": {"request": "2s"}}]},
        "spec.route.rules[0].timeouts",
        "must be left out",
        "a GRPCRoute has no timeouts",
    ),
    BadInput(
        "a path in a GRPCRoute",
        "spec.route",
        {**ROUTE, "kind": "GRPCRoute", "rules": [{"matches": [{"path": {"value": "/v2"}}]}]},
        "spec.route.rules[0].matches[0].path",
        "by method and headers",
        None,
    ),
    BadInput(
        "an HTTP method in a GRPCRoute",
        "spec.route",
        {**ROUTE, "kind": "GRPCRoute", "rules": [{"matches": [{"method": "GET"}]}]},
        "spec.route.rules[0].matches[0].method",
        "a service, a method",
        None,
    ),
    BadInput(
        "a filter that a GRPCRoute has not",
        "spec.route",
        {**ROUTE, "kind": "GRPCRoute", "rules": [{"filters": [{"type": "URLRewrite"}]}]},
        "spec.route.rules[0].filters[0].type",
        "RequestHeaderModifier",
        None,
    ),
    BadInput(
        "testers with a cookie and gRPC",
        "spec",
        lambda spec: {
            **spec,
            "route": {**ROUTE, "kind": "GRPCRoute"},
            "rollout": {"testers": {"cookie": {"name": "side"}}},
        },
        "spec.rollout.testers.cookie",
        "keep no cookies",
        "keep no cookies",
    ),
    BadInput(
        "a shadow of gRPC",
        "spec",
        lambda spec: {**spec, "route": {**ROUTE, "kind": "GRPCRoute"}, "rollout": {"strategy": "Shadow"}},
        "spec.rollout.strategy",
        "mirrors the requests of an HTTPRoute",
        "mirrors the requests of an HTTPRoute",
    ),
    BadInput(
        "warm-up requests and gRPC",
        "spec",
        lambda spec: {**spec, "route": {**ROUTE, "kind": "GRPCRoute"}, "rollout": {"warmup": {"path": "/v2"}}},
        "spec.rollout.warmup",
        "HTTP, not gRPC",
        "warm-up requests are HTTP",
    ),
    BadInput(
        "a pool without a picker",
        "spec.route.backend",
        {"kind": "InferencePool"},
        "spec.route.backend.endpointPicker",
        "must name",
        "needs an endpointPicker",
    ),
    BadInput(
        "a picker without a pool",
        "spec.route.backend",
        {"endpointPicker": {"name": "epp"}},
        "spec.route.backend.endpointPicker",
        "kind InferencePool",
        "is for kind InferencePool",
    ),
    BadInput(
        "a pool behind a GRPCRoute",
        "spec.route",
        {**ROUTE, "kind": "GRPCRoute", "backend": {"kind": "InferencePool", "endpointPicker": {"name": "epp"}}},
        "spec.route.backend.kind",
        "needs spec.route.kind HTTPRoute",
        "stands behind an HTTPRoute",
    ),
    BadInput(
        "a picker with a name that no Service has",
        "spec.route.backend",
        {"kind": "InferencePool", "endpointPicker": {"name": "EPP_{version}"}},
        "spec.route.backend.endpointPicker.name",
        "",
        "should match",
    ),
    BadInput(
        "a route with no parents", "spec.route.parentRefs", [], "spec.route.parentRefs", "Gateway", "needs a parent"
    ),
    BadInput(
        "mode Replicas with a parent",
        "spec.route.mode",
        "Replicas",
        "spec.route.parentRefs",
        "no route",
        "makes no route",
    ),
    BadInput(
        "mode Replicas with a preview",
        "spec.route",
        {"mode": "Replicas", "preview": {"hostnames": ["preview.example.com"]}},
        "spec.route.preview",
        "must be left out",
        "remove preview",
    ),
    *(
        BadInput(
            f"mode Replicas with testers by {how}",
            "spec",
            lambda spec, testers=testers: {**spec, "route": {"mode": "Replicas"}, "rollout": {"testers": testers}},
            "spec.rollout.testers",
            "must be left out",
            "testers are told apart by a route",
        )
        for how, testers in (
            ("header", {"headers": [{"name": "x", "value": "y"}]}),
            ("cookie", {"cookie": {"name": "side"}}),
        )
    ),
    BadInput(
        "a host name with capitals",
        "spec.route.hostnames",
        ["Fraud.example.com"],
        "spec.route.hostnames[0]",
        "host name in lower case",
        "should match",
    ),
    BadInput(
        "a route timeout of `never`",
        "spec.route.rules",
        [{"timeouts": {"request": "never"}}],
        "spec.route.rules[0].timeouts.request",
        DURATION,
        "should match",
    ),
    # The rest
    BadInput("fewer than no replicas", "spec.replicas", -1, "spec.replicas", "equal to 0", "equal to 0"),
    BadInput(
        "an accelerator of no device",
        "spec.accelerator",
        {"resource": "gpu"},
        "spec.accelerator.resource",
        "device that nodes advertise",
        "should match",
    ),
    BadInput(
        "a model from two places",
        "spec.model",
        {"from": {"uri": "oci://a/b:1", "retrainPolicy": "fraud"}},
        "spec.model.from",
        "exactly one",
        "exactly one",
    ),
    # Shadow
    BadInput(
        "a shadow without its strategy",
        "spec.rollout",
        {"shadow": {"percent": 10}},
        "spec.rollout.shadow",
        "must be left out",
        "set strategy: Shadow",
    ),
    BadInput(
        "a share of 0", "spec.rollout", _shadow(percent=0), "spec.rollout.shadow.percent", "equal to 1", "equal to 1"
    ),
    BadInput(
        "no time to look at it",
        "spec.rollout",
        _shadow(hold="0s"),
        "spec.rollout.shadow.hold",
        "longer than 0s",
        "longer than 0s",
    ),
    BadInput(
        "a scoring Job of the name of another check",
        "spec.rollout",
        {**_shadow(scoring=[CHECK]), "validation": [CHECK]},
        "spec.rollout.shadow.scoring[0].name",
        "must not be the name",
        "must not share a name",
    ),
    BadInput(
        "Shadow without a gateway",
        "spec",
        {**load_example("modeldeployment-minimal")["spec"], "route": {"mode": "Replicas"}, "rollout": _shadow()},
        "spec.rollout.strategy",
        "needs a gateway",
        "set route.mode to Gateway",
    ),
    BadInput(
        "Shadow beside a mirror of the user's own",
        "spec",
        {
            **load_example("modeldeployment-minimal")["spec"],
            "route": {"parentRefs": [{"name": "public"}], "rules": [{"filters": [MIRROR]}]},
            "rollout": _shadow(),
        },
        "spec.route.rules[0].filters[0]",
        "must be left out",
        None,
    ),
    BadInput(
        "a version by number and alias at once",
        "spec.model",
        {"from": {"registry": {"provider": "mlflow", "name": "fraud", "alias": "champion", "version": "7"}}},
        "spec.model.from.registry",
        "exactly one of alias",
        "exactly one of alias",
    ),
    BadInput(
        "a signature that nobody could check",
        "spec.model",
        {"from": {"uri": "oci://a/b:1"}, "verify": {"publicKey": {"configMap": "keys", "key": "release.pem"}}},
        "spec.model.verify",
        "needs delivery InitContainer, Claim or ImageVolume",
        "needs delivery InitContainer, Claim or ImageVolume",
    ),
    BadInput(
        "an image volume of something that is no image",
        "spec.model",
        {"from": {"uri": "s3://bucket/fraud"}, "delivery": "ImageVolume"},
        "spec.model.delivery",
        "needs oci://",
        "needs an oci:// reference",
    ),
    BadInput(
        "a claim that is none",
        "spec.model",
        {"from": {"uri": "oci://a/b:1"}, "delivery": "Claim"},
        "spec.model.delivery",
        "needs pvc://",
        "needs a pvc://",
    ),
    BadInput(
        "a loader for a claim",
        "spec.model",
        {"from": {"uri": "pvc://models/fraud"}, "delivery": "InitContainer"},
        "spec.model.delivery",
        "must be Claim",
        "needs no loader",
    ),
    BadInput(
        "settings of a loader that does not run",
        "spec.model",
        {"from": {"uri": "oci://a/b:1"}, "loader": {"secret": "s3"}},
        "spec.model.loader",
        "must be left out",
        "InitContainer or with verify only",
    ),
    BadInput(
        "a signature outside the model",
        "spec.model",
        {
            "from": {"uri": "oci://a/b:1"},
            "delivery": "InitContainer",
            "verify": {"publicKey": {"configMap": "keys", "key": "release.pem"}, "signature": "../model.sig"},
        },
        "spec.model.verify.signature",
        "a path within the model",
        "should match",
    ),
    BadInput(
        "a freeze with four cron fields",
        "spec.rollout.freeze",
        [{"cron": "0 17 * *", "duration": "1h"}],
        "spec.rollout.freeze[0].cron",
        "five cron fields",
        "should match",
    ),
    BadInput(
        "a freeze on a day that there is not",
        "spec.rollout.freeze",
        [{"cron": "0 0 30 2 *", "duration": "1h"}],
        "spec.rollout.freeze[0].cron",
        "that come true some day",
        None,
    ),
    BadInput(
        "a freeze in a time zone that there is not",
        "spec.rollout.freeze",
        [{"cron": "0 17 * * 5", "duration": "1h", "timeZone": "Europe/Parys"}],
        "spec.rollout.freeze[0].timeZone",
        "IANA",
        None,
    ),
)
