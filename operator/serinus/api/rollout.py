"""`spec.rollout`: how a new revision takes over from the stable one.

Fields that a preset fills in are None here; `serinus.api.presets` makes them concrete.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from serinus.api.analysis import AnalysisSpec
from serinus.api.meta import CRON_PATTERN, Duration, Model
from serinus.api.resource import Rule, list_map, with_rules
from serinus.api.rules import longer_than_0s
from serinus.api.validation import ValidationSpec

Preset = Literal["Cautious", "Standard", "Fast"]
Strategy = Literal["Canary", "BlueGreen", "Shadow", "InPlace", "Direct"]
ApprovalRequired = Literal["Never", "BeforeTraffic", "BeforePromotion"]

FreeForm = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})]
"""An object whose form another API defines; kept as it is written."""
ConfigName = Annotated[str, Field(min_length=1, max_length=253)]


class ConfigMapKey(Model):
    """A value in a ConfigMap of the same namespace."""

    config_map: ConfigName
    """Name of the ConfigMap."""
    key: ConfigName
    """Key within the ConfigMap."""


class PauseSpec(Model):
    """A stop in the middle of the rollout; judging and rollback go on all the while."""

    for_: Annotated[Duration | None, Field(alias="for")] = None
    """How long the pause lasts, for example 1h; then the rollout goes on by itself. Default: until somebody gives the
    command promote, resume or skip-step."""


_WEIGHT_OR_PAUSE = Rule("has(self.weight) != has(self.pause)", "a step is either a weight (1 to 100) or a pause")
_HOLD_NEEDS_WEIGHT = Rule(
    "!has(self.hold) || has(self.weight)", "hold belongs to a weight; a pause has its own time: pause.for"
)
_NO_HOLD_AT_100 = Rule(
    "!has(self.hold) || !has(self.weight) || self.weight < 100",
    "weight 100 starts the bake and has no hold: set rollout.bake instead",
)


class StepSpec(Model):
    """One step: a weight that is held for a while, or a pause."""

    model_config = ConfigDict(json_schema_extra=with_rules(_WEIGHT_OR_PAUSE, _HOLD_NEEDS_WEIGHT, _NO_HOLD_AT_100))

    weight: Annotated[int, Field(ge=1, le=100)] | None = None
    """Percent of the requests that the candidate gets, 1 to 100. It rises from step to step. After the last step the
    candidate gets 100 percent and the bake begins; a last step of weight 100 means the same."""
    hold: Duration | None = None
    """Shortest time at this weight; it goes on longer while `analysis.minRequests` is not reached. Default: 1m."""
    pause: PauseSpec | None = None
    """Stop here, at the weight of the step before. `{}` waits until a person goes on."""


class HeaderMatch(Model):
    """A request header that marks a tester."""

    name: Annotated[str, Field(min_length=1, max_length=256)]
    """Name of the header; case does not matter."""
    value: Annotated[str, Field(min_length=1, max_length=4096)]
    """Exact value that the header must have."""


class CookieMatch(Model):
    """A cookie that keeps a client on one side."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", min_length=1, max_length=128)]
    """Name of the cookie. With the value candidate the client reaches the candidate while there is one, with the value
    stable the stable revision, both whatever the weight. Once there is no candidate, the next answer clears it."""


class TestersSpec(Model):
    """Requests that always reach the candidate, whatever the weight."""

    headers: Annotated[tuple[HeaderMatch, ...], Field(max_length=16)] = ()
    """A request with any of these headers goes to the candidate once its pods are ready and its validation has passed.
    Its outcome is not judged where the gateway counts requests by route (Traefik, Envoy Gateway)."""
    cookie: CookieMatch | None = None
    """A cookie that your application hands out, and that keeps a client on the candidate or on stable."""


class WarmupSpec(Model):
    """Requests that the operator sends to each pod of the candidate before it gets traffic, and a time without judging:
    cold caches are not the model's fault. Restarts and readiness are always judged."""

    requests: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """How many requests each pod is sent; the first must be answered with 2xx, else the candidate is rejected after
    three tries. Default: 10 where path is given, else none."""
    for_: Annotated[Duration | None, Field(alias="for")] = None
    """How long, from the candidate's first traffic on, its answers are not judged. Default: 0s."""
    path: Annotated[str, Field(pattern=r"^/", max_length=1024)] | None = None
    """Path of the requests, for example /v2/models/fraud/infer. Default: /."""
    body_from: ConfigMapKey | None = None
    """Where the body of the requests comes from; they are POST requests with it (application/json),
    GET requests without."""


class ShadowSpec(Model):
    """Mirrored requests for the candidate before it gets any traffic. Nobody sees what it answers to them."""

    percent: Annotated[int, Field(ge=1, le=100)] | None = None
    """Percent of the requests that the gateway mirrors to the candidate, 1 to 100. A mirrored request is worked on
    twice: a model that writes, charges or calls others does so twice. Default: 100."""
    hold: Annotated[Duration, Field(json_schema_extra=with_rules(longer_than_0s("hold")))] | None = None
    """Shortest time of mirroring; it goes on longer while `analysis.minRequests` is not reached.
    Default: from the preset (Cautious 1h, Standard 10m, Fast 1m)."""
    scoring: Annotated[tuple[ValidationSpec, ...], Field(max_length=4, json_schema_extra=list_map("name"))] = ()
    """Checks at the end of that time, in the form of `validation`: for example a Job that compares the answers both
    sides have logged, or asks both. Until they pass no client but testers and those who look at the preview host sees
    an answer of the candidate."""


class ApprovalSpec(Model):
    """Where a person must agree."""

    required: ApprovalRequired = "Never"
    """Never asks nobody. BeforeTraffic waits before the first request of anybody but testers and those who look at
    the preview host, BeforePromotion before 100 percent.
    A rollback never waits. Default: Never."""


class FreezeSpec(Model):
    """A recurring time in which no rollout advances. It never blocks a rollback."""

    cron: Annotated[str, Field(pattern=CRON_PATTERN, max_length=120)]
    """When the freeze begins: five cron fields, for example `0 17 * * 5`."""
    duration: Duration
    """How long it lasts, for example 63h."""
    time_zone: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """IANA name of the time zone that `cron` is read in. Default: UTC."""


_WEIGHTS_RISE = Rule(
    "self.filter(s, has(s.weight)).map(s, s.weight).isSorted()"
    " && self.all(s, !has(s.weight) || self.exists_one(t, has(t.weight) && t.weight == s.weight))",
    "the weights must rise from step to step, for example 5, 25, 50",
)
_SOME_WEIGHT = Rule("self.exists(s, has(s.weight))", "at least one step must have a weight")
_NOTHING_AFTER_100 = Rule(
    "!self.exists(s, has(s.weight) && s.weight == 100) || (has(self[self.size() - 1].weight)"
    " && self[self.size() - 1].weight == 100)",
    "a weight of 100 must be the last step",
)


_STEPS_NEED_WEIGHTS = Rule(
    "!has(self.steps) || !has(self.strategy) || !(self.strategy in ['BlueGreen', 'InPlace', 'Direct'])",
    "steps belong to the strategies Canary and Shadow; the others give all traffic at once: leave steps out",
    ".steps",
)


_SHADOW_NEEDS_STRATEGY = Rule(
    "!has(self.shadow) || (has(self.strategy) && self.strategy == 'Shadow')",
    "shadow belongs to strategy Shadow: set strategy: Shadow, or leave shadow out",
    ".shadow",
)
_CHECKS_DIFFER = Rule(
    "!has(self.shadow) || !has(self.shadow.scoring) || !has(self.validation)"
    " || self.shadow.scoring.all(s, !self.validation.exists(v, v.name == s.name))",
    "shadow.scoring and validation must not share a name: their Jobs are named after it",
    ".shadow",
)


class RolloutSpec(Model):
    """How a new revision takes over."""

    model_config = ConfigDict(json_schema_extra=with_rules(_STEPS_NEED_WEIGHTS, _SHADOW_NEEDS_STRATEGY, _CHECKS_DIFFER))

    preset: Preset = "Standard"
    """Values for all fields below that you leave out. Cautious: 1, 5, 10, 25, 50 percent in about an hour, bake 1h.
    Standard: 5, 25, 50 percent in 12 minutes, bake 15m. Fast: 20, 50 percent in a minute, bake 5m.
    Default: Standard."""
    strategy: Strategy = "Canary"
    """Canary raises the candidate's share of the requests step by step. BlueGreen brings up the whole candidate
    beside stable without traffic (look at it through route.preview), then gives it everything at once and judges it in
    the bake. Direct does the same without judging or waiting: for models whose answers nobody depends on. InPlace
    stops stable before it starts the candidate, for clusters that cannot hold both; nobody serves in between. Shadow
    first mirrors requests to the candidate, whose answers nobody sees, and goes on as a Canary if they are good; it
    needs a gateway that can do so. Default: Canary."""
    steps: (
        Annotated[
            tuple[StepSpec, ...],
            Field(
                min_length=1,
                max_length=20,
                json_schema_extra=with_rules(_SOME_WEIGHT, _WEIGHTS_RISE, _NOTHING_AFTER_100),
            ),
        ]
        | None
    ) = None
    """The way to 100 percent: weights that rise, and pauses. Default: from the preset."""
    shadow: ShadowSpec | None = None
    """What comes before the steps with strategy Shadow. Default: all requests, for the time of the preset."""
    testers: TestersSpec | None = None
    """Requests that always reach the candidate, whatever the weight."""
    validation: Annotated[tuple[ValidationSpec, ...], Field(max_length=16, json_schema_extra=list_map("name"))] = ()
    """Checks against the candidate's own Service before it gets any traffic."""
    warmup: WarmupSpec | None = None
    """Requests sent to the candidate before it is judged."""
    progress_deadline: (
        Annotated[Duration, Field(json_schema_extra=with_rules(longer_than_0s("progressDeadline")))] | None
    ) = None
    """Longest time that pods may be missing: from the creation of a revision, from the moment a step needs more of
    them, or from the loss of one. After that the revision is rejected with reason DeadlineExceeded. The clock stands
    still while the rollout waits for capacity, an approval or a pause.
    Default: from the preset (Cautious 1h, Standard 30m, Fast 10m)."""
    bake: Duration | None = None
    """How long the candidate serves 100 percent, still judged, while the old revision stays at full size for an
    instant return. Then it is promoted. Default: from the preset (Cautious 1h, Standard 15m, Fast 5m)."""
    holdback: Annotated[int, Field(ge=1, le=50)] | None = None
    """Percent of the requests that stay on the old revision during the bake, 1 to 50, so that the candidate is still
    compared with it at the same time. Default: none; the bake compares with what stable showed during the steps."""
    drain: Duration | None = None
    """How long the pods of a revision that lost its traffic stay, so that running requests can end: after a rollback,
    and after a promotion that follows the last requests sooner than that. 8760h keeps them. Default: 30s
    (Cautious 1m)."""
    rollback_window: Annotated[int, Field(ge=0, le=100)] | None = None
    """Returning to one of this many last promoted revisions skips the steps. 0 turns it off. Default: 3."""
    approval: ApprovalSpec | None = None
    """Where a person must agree before the rollout goes on."""
    freeze: Annotated[tuple[FreezeSpec, ...], Field(max_length=16)] = ()
    """Times in which no rollout advances."""
    analysis: AnalysisSpec | None = None
    """How the candidate is judged. Default: error ratio against the stable revision."""
