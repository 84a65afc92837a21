"""What a Job says is what its last pod said: nothing of an earlier pod, or of an earlier Job of its name, counts."""

from typing import Any

import pytest

from serinus.api.validation import ValidationSpec
from serinus.core.checkjobs import build_job, observe_job, reports_in
from serinus.core.children import Owner
from serinus.core.snapshot import CheckRun
from tests.api.cases import CHECK

Raw = dict[str, Any]
GOOD = '{"recall": 0.99}'


def job(state: str = "Complete", reason: str = "", uid: str = "2") -> Raw:
    condition = {"type": state, "status": "True", "reason": reason, "lastTransitionTime": "2026-11-23T10:01:00Z"}
    return {"metadata": {"name": "m-1-cases", "uid": uid}, "status": {"conditions": [condition] if state else []}}


def pod(
    name: str, second: int, *codes: int | None, message: str = "", disrupted: bool = False, owner: str = "2"
) -> Raw:
    """A pod whose containers ended with `codes`; None runs on."""
    ends = [
        {"exitCode": code, "finishedAt": f"2026-11-23T10:00:{second:02}Z", **({"message": message} if message else {})}
        for code in codes
        if code is not None
    ]
    states = [*({"state": {"terminated": end}} for end in ends), *[{"state": {"running": {}}}] * codes.count(None)]
    conditions = [{"type": "DisruptionTarget", "status": "True"}] if disrupted else []
    return {
        "metadata": {
            "name": name,
            "labels": {"batch.kubernetes.io/job-name": "m-1-cases"},
            "ownerReferences": [{"kind": "Job", "name": "m-1-cases", "uid": owner}],
        },
        "status": {"phase": "Running", "containerStatuses": states, "conditions": conditions},
    }


def report(name: str, text: str = GOOD) -> Raw:
    return {"metadata": {"name": name, "labels": {"serinus.dev/check-of": "m"}}, "data": {"results.json": text}}


def observe(raw: Raw, *pods: Raw, reports: tuple[Raw, ...] = ()) -> CheckRun:
    return observe_job(raw, pods, reports_in(reports))


def test_a_pod_is_told_a_name_for_its_report_that_no_other_has() -> None:
    built = build_job(Owner("m", "ns", "u"), "m-1", ValidationSpec(**CHECK), "candidate", "m-1", attempt="1", model={})
    environment = built["spec"]["template"]["spec"]["containers"][0]["env"]
    place = {"fieldRef": {"fieldPath": "metadata.name"}}
    assert [one["valueFrom"] for one in environment if one["name"] == "SERINUS_REPORT"] == [place]


@pytest.mark.parametrize("left_by", ["m-1-cases", "m-1-cases-old"])
def test_a_report_of_an_earlier_attempt_passes_nobody(left_by: str) -> None:
    run = observe(job(), pod("m-1-cases-new", 9, 0), reports=(report(left_by),))
    assert (run.state, run.report) == ("Succeeded", "")
    assert observe(job(), pod("m-1-cases-new", 9, 0), reports=(report("m-1-cases-new"),)).report == GOOD


def test_the_pods_of_a_job_that_had_the_name_before_say_nothing() -> None:
    before = pod("m-1-cases-old", 1, 0, message=GOOD, owner="1")
    run = observe(job(), before, reports=(report("m-1-cases-old"),))
    assert (run.exit_code, run.report) == (None, "")
    assert observe(job(state=""), before).state == "Pending"


def test_a_job_that_has_succeeded_waits_for_the_pod_that_has() -> None:
    first = pod("a", 1, 75, message=GOOD)
    late = observe(job(), first, pod("b", 5, None), reports=(report("a"),))
    assert (late.exit_code, late.report) == (None, "")
    run = observe(job(), first, pod("b", 5, 0, message='{"recall": 0.1}'), reports=(report("a"),))
    assert (run.exit_code, run.report) == (0, '{"recall": 0.1}')


def test_no_report_comes_from_a_pod_before_the_last() -> None:
    run = observe(job(), pod("a", 1, 75, message=GOOD), pod("b", 5, 0), reports=(report("a"),))
    assert (run.exit_code, run.report) == (0, "")


def test_a_pod_that_was_evicted_counts_for_nothing() -> None:
    failed = job("Failed", "BackoffLimitExceeded")
    evicted = pod("a", 1, 137, disrupted=True, message="killed")
    away = [pod(name, second, 75) for name, second in (("b", 2), ("c", 3), ("d", 4))]
    run = observe(failed, evicted, *away)
    assert (run.exit_code, run.report) == (75, "")
    assert observe(job(), pod("b", 2, 0, message=GOOD), pod("z", 9, 137, disrupted=True)).report == GOOD
    assert observe(failed, evicted).exit_code is None


@pytest.mark.parametrize(("codes", "told"), [((0, 0), 0), ((0, 75), 75), ((75, 1), 1), ((1, 75), 1), ((64, 0), 64)])
def test_of_several_containers_the_one_that_fails_the_pod_counts(codes: tuple[int, ...], told: int) -> None:
    assert observe(job("Failed", "PodFailurePolicy"), pod("a", 1, *codes)).exit_code == told
