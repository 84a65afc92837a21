"""The vocabulary of conditions and events: every type and every reason, each with what it means and what happens next.

A word is added here and nowhere else; the reference for users is made from `CONDITIONS` and `REASONS`.
"""

from typing import Final

from serinus.api.vocabulary import Vocabulary

_words = Vocabulary()
_condition, _reason = _words.condition, _words.reason
CONDITIONS: Final = _words.conditions
"""Condition type -> one sentence."""
REASONS: Final = _words.reasons
"""Reason -> one sentence: what it means; what happens next."""


AVAILABLE: Final = _condition("Available", "Something good serves: the stable revision has ready pods.")
READY: Final = _condition("Ready", "What you asked for is what serves: the wanted revision has all the traffic.")
RECONCILING: Final = _condition("Reconciling", "The operator is at work on it; present only while that is so.")
STALLED: Final = _condition("Stalled", "Nothing will change until a person acts; present only while that is so.")
METRICS_HEALTHY: Final = _condition("MetricsHealthy", "The metrics that the rollout is judged by can be read.")
TRAFFIC_VERIFIED: Final = _condition(
    "TrafficVerified", "The gateway's own counters show the weights that were asked for."
)

DEGRADING: Final = _condition(
    "Degrading", "The promoted revision became worse than it was in its bake; present only while it is known to be so."
)

# Available
STABLE_SERVING: Final = _reason("StableServing", "The stable revision has ready pods and serves; nothing to do.")
NO_STABLE_REVISION: Final = _reason(
    "NoStableRevision", "No revision was ever promoted; the first one serves as soon as its pods are ready."
)
NO_READY_PODS: Final = _reason(
    "NoReadyPods", "The stable revision has no ready pod; it serves again as soon as one is ready."
)

# Ready, Reconciling, Stalled: where the release stands
SERVING: Final = _reason("Serving", "The wanted revision serves all requests; nothing happens until the spec changes.")
PROMOTED: Final = _reason(
    "Promoted", "The candidate passed its bake and is the stable revision now; the old one drains."
)
SCALED_TO_ZERO: Final = _reason("ScaledToZero", "replicas is 0 as you asked; raise it to serve again.")
DEPLOYING: Final = _reason("Deploying", "The revision's pods are being made; it gets traffic once they are ready.")
RESOLVING_MODEL: Final = _reason(
    "ResolvingModel",
    "What the spec refers to is being looked up: what spec.model.from means, the feature schema, or whether the cluster"
    " has image volumes; the release begins once that is known.",
)
SWAPPING: Final = _reason(
    "Swapping",
    "Strategy InPlace: stable has been stopped to make place for the candidate, and nobody serves until that is ready;"
    " whatever goes wrong brings stable back.",
)
SWAPPED: Final = _reason(
    "Swapped", "Strategy InPlace: a revision serves (again), after the time without service in the message."
)
WARMING_UP: Final = _reason(
    "WarmingUp", "The requests of rollout.warmup are being sent to pods of the candidate; they get traffic once warm."
)
WARMUP_FAILED: Final = _reason(
    "WarmupFailed",
    "A pod of the candidate answered its first request with an error three times; the candidate is rejected. A first"
    " revision stays without traffic until the spec changes.",
)
VALIDATING: Final = _reason(
    "Validating", "The checks of rollout.validation run against the candidate; it has no traffic before they pass."
)
SHADOWING: Final = _reason(
    "Shadowing",
    "Strategy Shadow: requests are mirrored to the candidate, whose answers to them nobody sees; it is judged by them,"
    " and scored at the end. The first step follows.",
)
VALIDATION_FAILED: Final = _reason(
    "ValidationFailed",
    "A check found the candidate wanting, with the numbers in the message; it is rejected and had no traffic. A first"
    " revision stays without traffic until the spec changes.",
)
VALIDATION_INCONCLUSIVE: Final = _reason(
    "ValidationInconclusive",
    "A check could not be carried out, or did not report what it was asked for: neither passed nor failed, no traffic."
    " Put the check right, or delete its Job to run it again; with onInconclusive Rollback it is rejected at maxHold.",
)
VALIDATION_WARNED: Final = _reason(
    "ValidationWarned", "A check with severity Warn failed, with the numbers in the message; the rollout goes on."
)
IMAGE_PULL_FAILED: Final = _reason(
    "ImagePullFailed",
    "An image cannot be had, as the kubelet's words in the message say; no traffic moves, and the revision is rejected"
    " at progressDeadline if it still cannot.",
)
MODEL_NOT_LOADED: Final = _reason(
    "ModelNotLoaded",
    "The loader cannot put the model into a pod, with its words in the message. Where its source is away, it is tried"
    " again until progressDeadline; otherwise the revision is rejected after the third restart.",
)
VERIFICATION_FAILED: Final = _reason(
    "VerificationFailed",
    "The model in a pod is not what was asked for: no signature, one by another key, an altered file, another digest."
    " The pod does not start and the revision is rejected at once, without waiting for progressDeadline. A first"
    " revision stays without traffic until the spec changes.",
)
SCHEMA_INCOMPATIBLE: Final = _reason(
    "SchemaIncompatible",
    "The feature schema lacks features that stable's has, or gives them types that do not take what stable's take, as"
    " the message names them; the candidate is rejected and had no traffic. Put the schema right, or set"
    " spec.model.schema.onIncompatible to Proceed and retry.",
)
NODE_LOST: Final = _reason(
    "NodeLost",
    "The node of a pod does not answer any more; the pod is replaced by the cluster, and the deadline's clock runs.",
)
CRASH_LOOPING: Final = _reason(
    "CrashLooping",
    "A container ends again and again, or cannot be started; after the third restart, or 60 seconds of it, the revision"
    " is rejected, without waiting for progressDeadline. Look at its logs, correct it and apply it again.",
)
CONTAINER_CREATING: Final = _reason(
    "ContainerCreating",
    "A container has been in the making for a while: its image is being pulled or its volumes are being mounted; the"
    " deadline's clock runs.",
)
POD_INITIALIZING: Final = _reason(
    "PodInitializing",
    "An init container has been at work for a while, fetching the model perhaps; the deadline's clock runs.",
)
LOADING_MODEL: Final = _reason(
    "LoadingModel",
    "The loader is putting the model into a pod, or the containers run and are not ready because the server is loading"
    " its model, since the time in the message; the deadline's clock runs, so progressDeadline must be longer than a"
    " model takes to load.",
)
SCHEDULING_GATED: Final = _reason(
    "SchedulingGated",
    "A pod is held back by a scheduling gate, Kueue's for example, which the message names; no traffic moves, the"
    " deadline's clock stands still, and the rollout goes on when the pod is admitted.",
)
WAITING_FOR_CAPACITY: Final = _reason(
    "WaitingForCapacity",
    "No node has room for a pod, as the scheduler's words in the message say; no traffic moves, the deadline's clock"
    " stands still, and the rollout goes on when there is room.",
)
QUOTA_EXCEEDED: Final = _reason(
    "QuotaExceeded",
    "A quota refuses the pods; no traffic moves, the deadline's clock stands still, and the rollout goes on when the"
    " quota allows it.",
)
CANARY_PROGRESSING: Final = _reason(
    "CanaryProgressing",
    "The candidate has the weight of its step; the next step follows on evidence and after its time.",
)
HOLDING: Final = _reason(
    "Holding",
    "There is not enough evidence, or the metrics cannot be read; the weight stays, and after maxHold onInconclusive"
    " applies.",
)
BAKING: Final = _reason(
    "Baking",
    "The candidate serves everything while the old revision stays at full size; it is promoted after the bake.",
)
PAUSED: Final = _reason(
    "Paused", "The rollout stands still because of spec.paused, a pause step or a command; it goes on when released."
)
AWAITING_APPROVAL: Final = _reason(
    "AwaitingApproval", "A person must agree; the rollout goes on with their command approve, which the message shows."
)
FROZEN: Final = _reason(
    "Frozen",
    "A freeze window is in force; no rollout starts or advances until its end, which the message tells. Rollbacks, undo"
    " and returns inside the rollback window go on.",
)
ROLLED_BACK: Final = _reason(
    "RolledBack",
    "The candidate was taken off traffic and the stable revision serves; the same revision is not tried again until"
    " somebody gives the command retry, or another revision comes.",
)
ANALYSIS_FAILED: Final = _reason(
    "AnalysisFailed",
    "The candidate proved worse than allowed, with the numbers in the message; it was rolled back and is not tried"
    " again until a retry.",
)
INCONCLUSIVE: Final = _reason(
    "Inconclusive",
    "maxHold passed without enough evidence and onInconclusive is Rollback; the candidate was rolled back.",
)
DEADLINE_EXCEEDED: Final = _reason(
    "DeadlineExceeded", "The pods were not ready within progressDeadline; the revision is rejected until a retry."
)
ABORTED: Final = _reason("Aborted", "A person ended the rollout, by command or by putting the promoted spec back.")
UNDONE: Final = _reason("Undone", "A person asked to return from a promoted revision to an earlier one.")
SUPERSEDED: Final = _reason(
    "Superseded", "Another revision came before this one was done; it was removed without a verdict."
)
RETRIED: Final = _reason("Retried", "A person asked to try a rejected revision again; it starts at the first step.")

# Events only
ROLLOUT_STARTED: Final = _reason("RolloutStarted", "A new revision is being released; its first step follows.")
APPROVED: Final = _reason("Approved", "A person agreed to go on; status.lastCommand says who, where that is known.")
WEIGHT_RAISED: Final = _reason("WeightRaised", "The candidate reached its next step and gets a larger share.")
COMMAND_REFUSED: Final = _reason(
    "CommandRefused", "A command was not carried out; status.lastCommand says why, and nothing changed."
)

WOULD_HAVE_ROLLED_BACK: Final = _reason(
    "WouldHaveRolledBack", "In a rehearsal: the candidate would have been rolled back now; nothing was done."
)
SLOW_DEGRADATION: Final = _reason(
    "SlowDegradation",
    "The promoted revision became worse than its baseline allows, with the numbers in the message; with onDegradation"
    " Rollback the revision before takes over.",
)

# Ready and Stalled: what a person has to put right
INVALID_SPEC: Final = _reason(
    "InvalidSpec", "A field named in the message is wrong; what serves stays as it is until the object is corrected."
)
MODEL_NOT_FOUND: Final = _reason(
    "ModelNotFound",
    "The registry knows no such model; what serves stays as it is, and it is asked again every minute.",
)
REGISTRY_AWAY: Final = _reason(
    "RegistryAway",
    "The registry does not answer, so nobody knows which digest is meant; what serves stays as it is, and it is asked"
    " again.",
)
REGISTRY_REFUSED: Final = _reason(
    "RegistryRefused",
    "The registry is not among those that the admin lets us ask, or tells only who is known to it; write the reference"
    " by digest, or have the registry added.",
)
INVALID_SCHEMA: Final = _reason(
    "InvalidSchema",
    "What spec.model.schema points to is no JSON Schema of features, as the message says; what serves stays as it is"
    " until the ConfigMap is put right.",
)
LOOKUP_FAILED: Final = _reason(
    "LookupFailed",
    "The operator met an error of its own, which its log has in full, in looking up what the spec refers to; what"
    " serves stays as it is, and it is tried again every minute.",
)
LOADER_NOT_CONFIGURED: Final = _reason(
    "LoaderNotConfigured",
    "The spec needs the loader image and the admin has set none (SERINUS_LOADER_IMAGE); what serves stays as it is.",
)
IMAGE_VOLUME_UNSUPPORTED: Final = _reason(
    "ImageVolumeUnsupported",
    "The API server drops image volumes in silence, so the pods would start without a model; no revision is released."
    " Use delivery InitContainer, or have the feature gate ImageVolume switched on.",
)
CONFIG_MAP_NOT_FOUND: Final = _reason(
    "ConfigMapNotFound",
    "A ConfigMap that the spec refers to, or its key, is not there, so nobody knows what is wanted; what serves goes on"
    " with its own copy, and the rollout with it once the ConfigMap is there.",
)
NAME_CONFLICT: Final = _reason(
    "NameConflict", "An object of a name that is needed belongs to somebody else; it is left alone until it is gone."
)
ROUTE_CONFLICT: Final = _reason(
    "RouteConflict",
    "Another ModelDeployment, the older one, serves the same host and path on the same gateway; this one waits until"
    " one of them is changed.",
)
ROUTE_NOT_ACCEPTED: Final = _reason(
    "RouteNotAccepted",
    "The gateway refuses the route, with its words in the message; no candidate gets traffic until then.",
)
GATEWAY_NOT_FOUND: Final = _reason(
    "GatewayNotFound",
    "A parent named in parentRefs does not exist, or is where the operator does not look; the rollout goes on once it"
    " is there.",
)
ACCESS_DENIED: Final = _reason(
    "AccessDenied",
    "The operator has not the right to do what the message says, verb and resource; the object is held where it is,"
    " rolled back all the same if it has to be, and goes on once the right is there.",
)
CRD_OUTDATED: Final = _reason(
    "CRDOutdated",
    "The CRD in the cluster does not know the field named in the message, because it is older than the operator; the"
    " object is held where it is, rolled back all the same if it has to be, and goes on once the CRDs are upgraded.",
)
NOT_ENABLED: Final = _reason(
    "NotEnabled",
    "The object asks for a feature that is switched off in this installation, so that the operator has no rights for"
    " it; the message says which value of the chart switches it on. Nothing else of the object suffers.",
)
GATEWAY_UNSUPPORTED: Final = _reason(
    "GatewayUnsupported",
    "The gateway does not support something that the route asks for (a filter, a timeout, a kind of route or backend)"
    " or that the strategy needs (Shadow: mirrored requests), or the cluster has not the kind; the route stays as it"
    " is. Remove what is asked for, or choose another strategy, to go on.",
)
PROVIDER_NOT_FOUND: Final = _reason(
    "ProviderNotFound",
    "There is no MetricsProvider of the name in analysis.provider; the rollout holds until there is.",
)

# MetricsHealthy
FRESH: Final = _reason("Fresh", "Every metric has recent samples; judging goes on.")
IDLE: Final = _reason("Idle", "There is no rollout, so no metric is read; reading starts with the next one.")
NO_DATA: Final = _reason("NoData", "The provider answers but has no such series; the rollout holds.")
NO_TRAFFIC: Final = _reason("NoTraffic", "No requests arrive that could be counted; the rollout holds.")
STALE: Final = _reason("Stale", "The newest sample is several scrape intervals old; the rollout holds.")
UNREACHABLE: Final = _reason(
    "Unreachable", "The provider cannot be reached or answers with an error; the rollout holds."
)
TIMEOUT: Final = _reason("Timeout", "The provider did not answer within its timeout; the rollout holds.")
INVALID_ANSWER: Final = _reason("InvalidAnswer", "The provider's answer has the wrong form; the rollout holds.")
THROTTLED: Final = _reason("Throttled", "The provider asks for fewer queries (HTTP 429); the rollout holds.")
UNAUTHORIZED: Final = _reason(
    "Unauthorized",
    "The provider refuses the token, or wants one (HTTP 401, 403); the rollout holds, and goes on with a right token in"
    " the Secret.",
)
UNTRUSTED_CERTIFICATE: Final = _reason(
    "UntrustedCertificate",
    "The provider's certificate is of another host or not signed by an authority that is trusted, which spec.tls names;"
    " nothing is sent to it and the rollout holds.",
)
SECRET_NOT_FOUND: Final = _reason(
    "SecretNotFound",
    "A Secret that the provider names, or the key in it, is not in the operator's own namespace; the rollout holds, and"
    " goes on once it is there.",
)
SECRET_NOT_READABLE: Final = _reason(
    "SecretNotReadable",
    "The operator may not get a Secret that the provider names, or could not just now; the rollout holds.",
)
INVALID_SECRET: Final = _reason(
    "InvalidSecret",
    "What a Secret that the provider names holds is no token, or are no certificates; the rollout holds.",
)
TOO_LARGE: Final = _reason(
    "TooLarge",
    "An answer would have more series or bytes than are read, or the query is too long; fewer revisions are asked for"
    " at once, and the rollout holds where that is not enough.",
)
QUERY_REFUSED: Final = _reason(
    "QueryRefused", "The provider refuses a query, with its words in the message; the rollout holds."
)
INVALID_QUERY: Final = _reason(
    "InvalidQuery", "A query of your own does not give what is needed, as the message says; the rollout holds."
)
NOT_A_NUMBER: Final = _reason("NotANumber", "A sample is NaN or infinite; it is not used and the rollout holds.")

# TrafficVerified
SPLIT_AS_ASKED: Final = _reason("SplitAsAsked", "The gateway's counters agree with the weights in the route.")
SPLIT_DIFFERS: Final = _reason(
    "SplitDiffers", "The gateway's counters disagree with the weights; the step does not count until they agree."
)
NOT_MEASURED: Final = _reason(
    "NotMeasured", "There are too few requests, or no counters of the gateway, to compare with."
)
APPROXIMATED: Final = _reason(
    "Approximated", "Mode Replicas splits by pod counts, so the share is near the weight but not equal to it."
)

# MetricsProvider
CONFIGURED: Final = _reason("Configured", "The provider is used as described.")
