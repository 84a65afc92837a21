"""`spec.rollout.validation`: checks against a candidate before it gets any traffic."""

from typing import Annotated, Literal

from pydantic import Field

from serinus.api.meta import METRIC_NAME_PATTERN, DecimalString, Duration, Model
from serinus.api.podtemplate import JobTemplate
from serinus.api.resource import with_rules
from serinus.api.rules import longer_than_0s

Severity = Literal["Block", "Warn"]


class ValidationJob(Model):
    """A Job that checks the candidate before it gets any traffic."""

    template: JobTemplate
    """Pod template of the Job. Its containers find in the environment: SERINUS_TARGET_URL (base address of the Service
    to ask), SERINUS_TARGET (candidate or stable), SERINUS_STABLE_URL (the same of stable, to ask both),
    SERINUS_REVISION, SERINUS_MODEL_URI, SERINUS_MODEL_DIGEST and SERINUS_REPORT. Exit code 0: measured, the bounds
    decide. 75: trouble of the infrastructure, the only code that is retried. 64: the check itself is configured
    wrongly. Any other: the candidate fails. Values are reported as one flat JSON object of numbers, as termination
    message (4096 bytes at most) or under the key results.json of a ConfigMap named $SERINUS_REPORT (which is the name
    of the pod) and labelled serinus.dev/check-of with the name of the ModelDeployment."""


class Bound(Model):
    """Limits of one value; both ends included."""

    min: DecimalString | None = None
    """Lowest value that passes, a number as a string."""
    max: DecimalString | None = None
    """Highest value that passes, a number as a string."""
    max_drop: DecimalString | None = None
    """How much lower than stable's the value may be, in the value's own unit. The same Job is run against stable."""
    max_rise: DecimalString | None = None
    """How much higher than stable's the value may be, in the value's own unit. The same Job is run against stable."""


class ValidationSpec(Model):
    """A check against the candidate's own Service before any traffic."""

    name: Annotated[str, Field(pattern=METRIC_NAME_PATTERN, max_length=63)]
    """Your name for the check, unique in the list."""
    job: ValidationJob
    """The Job that is run; if it fails, so does the check."""
    bounds: Annotated[dict[str, Bound], Field(max_length=32)] | None = None
    """Limits for the values that the Job reports, by name. A value that is not reported neither passes nor fails."""
    severity: Severity | None = None
    """Block rejects the revision when the check fails; Warn only reports it. Default: Block."""
    timeout: Annotated[Duration, Field(json_schema_extra=with_rules(longer_than_0s("timeout")))] | None = None
    """Longest time for the Job, retries included. A check that runs for longer has failed; one that could not even
    start is unknown. Default: 10m."""
    retries: Annotated[int, Field(ge=0, le=10)] | None = None
    """How often exit code 75 is tried again. Default: 3."""
