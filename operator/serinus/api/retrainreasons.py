"""The vocabulary of the retraining loop, beside that of releases in `serinus.api.reasons`: conditions of RetrainPolicy
and RetrainRun, reasons, and what keeps a run from starting."""

from typing import Final

from serinus.api.vocabulary import Vocabulary

_words = Vocabulary()
_condition, _reason = _words.condition, _words.reason
CONDITIONS: Final = _words.conditions
"""Condition type -> one sentence."""
REASONS: Final = _words.reasons
"""Reason -> one sentence: what it means; what happens next."""


SIGNAL_HEALTHY: Final = _condition("SignalHealthy", "The metrics that triggers look at can be read.")
TRIGGERED: Final = _condition("Triggered", "A group of triggers fires and asks for a run.")
SUPPRESSED: Final = _condition("Suppressed", "A run is asked for, and something keeps it from starting.")
BUDGET_AVAILABLE: Final = _condition("BudgetAvailable", "The budget leaves room for a run.")
TEMPLATE_VALID: Final = _condition("TemplateValid", "What trains may be made from the template.")
PROMOTION_HELD: Final = _condition("PromotionHeld", "A candidate may go on and is held back.")
LAST_RUN_SUCCEEDED: Final = _condition("LastRunSucceeded", "The run that ended last ended well.")

# RetrainPolicy
WATCHING: Final = _reason("Watching", "The policy works as written: triggers are looked at, nothing asks for a run.")
RUNNING: Final = _reason("Running", "A run is under way; see status.activeRun.")
WAITING: Final = _reason("Waiting", "A run is asked for and waits, for what the message says.")
OBSERVING_ONLY: Final = _reason("ObservingOnly", "Mode Observe: what would be done is told and not done.")
RECOMMENDED: Final = _reason(
    "Recommended", "Mode Recommend: a run is advised; it starts by the command `retrain KEY` or in mode Automatic."
)
SUSPENDED: Final = _reason("Suspended", "spec.suspend is set: nothing is started; what runs goes on.")
COOLDOWN: Final = _reason("Cooldown", "The last run ended not long ago; a trigger starts the next one afterwards.")
BUDGET_EXHAUSTED: Final = _reason("BudgetExhausted", "The budget has no room for a run until a former one is too old.")
BLACKOUT: Final = _reason("Blackout", "A blackout is in force; it goes on at its end.")
CONCURRENCY_FORBID: Final = _reason("ConcurrencyForbid", "A run is under way and concurrencyPolicy is Forbid.")
QUEUED_BEHIND: Final = _reason("QueuedBehind", "A run is under way; the next one begins when it has ended.")
SAME_SNAPSHOT: Final = _reason(
    "SameSnapshot", "Data and code are those of the last training; a run would make the same model and is passed over."
)
WARMUP: Final = _reason("Warmup", "Another revision became stable not long ago; its metrics are not looked at yet.")
INSUFFICIENT_DATA: Final = _reason("InsufficientData", "Too few rows stand behind a value; nothing fires or clears.")
LABELS_MISSING: Final = _reason("LabelsMissing", "Too few labels have come; the value neither fires nor clears.")
SIGNALS_KNOWN: Final = _reason("SignalsKnown", "Every metric trigger has a value.")
NO_METRICS: Final = _reason("NoMetrics", "The policy has no metric trigger, so none is looked at.")
BUDGET_LEFT: Final = _reason("BudgetLeft", "The budget has room for another run, or there is none.")
TEMPLATE_ACCEPTED: Final = _reason("TemplateAccepted", "The template is of a kind that the admin allows.")
KIND_FORBIDDEN: Final = _reason(
    "KindForbidden", "The template's kind is not on the admin's list (SERINUS_TRAINING_KINDS); nothing is started."
)
INVALID_TEMPLATE: Final = _reason("InvalidTemplate", "No child can be made from the template, as the message says.")
MODEL_DEPLOYMENT_NOT_FOUND: Final = _reason(
    "ModelDeploymentNotFound", "There is no such ModelDeployment here; nothing is started until there is."
)
RUN_UNREADABLE: Final = _reason(
    "RunUnreadable",
    "A RetrainRun of the policy cannot be read, so that nobody knows whether it is under way; nothing is started.",
)
RETRAIN_STARTED: Final = _reason("RetrainStarted", "A run was started, for the reasons in the message.")
ROLLBACK_ORDERED: Final = _reason(
    "RollbackOrdered",
    "A degradation began right after a promotion: the revision before is put back.",
)
TRIGGER_FIRED: Final = _reason("TriggerFired", "A trigger has been bad for long enough.")
TRIGGER_CLEARED: Final = _reason("TriggerCleared", "A trigger that fired is well again, and armed.")
RELEASED: Final = _reason("Released", "A digest was taken out of quarantine by command.")
QUARANTINED: Final = _reason("Quarantined", "The digest of the model is held: it is not served again until released.")

# RetrainRun
CREATED: Final = _reason("Created", "The run is recorded; what trains is made next.")
QUEUED: Final = _reason("Queued", "What trains waits for its turn; the time of the training does not run yet.")
TRAINING: Final = _reason("Training", "What trains is at work; activeDeadline runs.")
COLLECTING: Final = _reason("Collecting", "The training has ended; its results are read.")
VALIDATING: Final = _reason("Validating", "The gates look at the candidate.")
AWAITING_DECISION: Final = _reason("AwaitingDecision", "It waits for approvals (ModelApproval).")
PROMOTING: Final = _reason("Promoting", "The candidate is on its way to production; the message says where it stands.")
OBSERVING: Final = _reason("Observing", "The candidate is stable and looked after until observation.bake is over.")
BAKED: Final = _reason("Baked", "The candidate has been stable for observation.bake: the run has succeeded.")
CHILD_REFUSED: Final = _reason("ChildRefused", "The API server refuses what trains; nothing was trained.")
TRAINING_FAILED: Final = _reason("TrainingFailed", "The training says that it failed.")
TRAINING_ERROR: Final = _reason("TrainingError", "The training was stopped by trouble outside of it.")
CHILD_LOST: Final = _reason("ChildLost", "What trained was removed before its results were read; that is no success.")
QUEUE_TIMEOUT: Final = _reason("QueueTimeout", "It did not begin within queueTimeout; what trains is removed.")
TRAINING_TIMEOUT: Final = _reason("TrainingTimeout", "It took longer than activeDeadline; what trains is removed.")
RESULTS_MISSING: Final = _reason("ResultsMissing", "The training ended and left no results that could be read.")
RESULTS_INVALID: Final = _reason("ResultsInvalid", "The results have not the form of the contract.")
NOT_PINNED: Final = _reason("NotPinned", "A digest of the model or its data is missing and data.requirePinned is set.")
DIGEST_MISMATCH: Final = _reason("DigestMismatch", "The registry has another digest than the results say.")
NOTHING_NEW: Final = _reason("NothingNew", "The training made the model that serves already; nothing to promote.")
GATES_FAILED: Final = _reason("GatesFailed", "A gate that blocks failed, or had no evidence.")
APPROVAL_REJECTED: Final = _reason("ApprovalRejected", "A person rejected the candidate.")
APPROVAL_EXPIRED: Final = _reason("ApprovalExpired", "Nobody, or not enough people, agreed in time.")
PROMOTION_EXPIRED: Final = _reason("PromotionExpired", "The candidate was not stable within promotion.expiresAfter.")
PROMOTION_REFUSED: Final = _reason("PromotionRefused", "The candidate cannot be handed over, as the message says.")
PULL_REQUEST_CLOSED: Final = _reason("PullRequestClosed", "The pull request was closed without being merged.")
CANARY_ROLLED_BACK: Final = _reason("CanaryRolledBack", "The canary rolled the candidate back; its digest is held.")
REPLACED: Final = _reason("Replaced", "Another model took its place before it was done.")
CANCELLED: Final = _reason("Cancelled", "It was cancelled by command, or by a newer run; what trains is removed.")
