"""What trains carries what it needs to know, in every container of every kind, and nothing that would make it serve."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from serinus.api.runplan import OutcomeRules
from serinus.core.retrain.child import (
    ENVIRONMENT,
    KEPT_SECONDS,
    build_child,
    check_template,
)
from serinus.core.retrain.cost import accelerators_of
from serinus.core.retrain.kinds import find_kind
from serinus.core.retrain.kindtable import KINDS
from serinus.core.retrain.podspecs import find_containers, find_pods
from tests.core.retrain.build import CHAMPION, JOB, NOW, RUN, build_run

Raw = dict[str, Any]

TEMPLATES: dict[str, Raw] = {
    f"{one['apiVersion'].partition('/')[0]}/{one['kind']}": one
    for one in yaml.safe_load_all((Path(__file__).parent / "templates.yaml").read_text(encoding="utf-8"))
}
for _kind, _field in {
    "TFJob": "tfReplicaSpecs",
    "XGBoostJob": "xgbReplicaSpecs",
    "JAXJob": "jaxReplicaSpecs",
    "PaddleJob": "paddleReplicaSpecs",
    "MPIJob": "mpiReplicaSpecs",
}.items():
    _worker = {"Worker": TEMPLATES["kubeflow.org/PyTorchJob"]["spec"]["pytorchReplicaSpecs"]["Worker"]}
    TEMPLATES[f"kubeflow.org/{_kind}"] = {"apiVersion": "kubeflow.org/v1", "kind": _kind, "spec": {_field: _worker}}


def build(template: Raw) -> Raw:
    return build_child(build_run(template), RUN, "r1", "ml")


def environment(container: Raw) -> dict[str, Any]:
    return {one["name"]: one.get("value") for one in container["env"]}


def test_every_known_kind_has_a_template_here() -> None:
    assert set(KINDS) <= set(TEMPLATES)


@pytest.mark.parametrize("key", sorted(TEMPLATES))
def test_a_child_has_name_owner_labels_and_tells_every_container_what_it_is_for(key: str) -> None:
    template = copy.deepcopy(TEMPLATES[key])
    built = build(template)
    assert template == TEMPLATES[key], "the run's record must not change"
    metadata = built["metadata"]
    assert (metadata["name"], metadata["namespace"]) == (RUN, "ml")
    assert metadata["ownerReferences"][0]["uid"] == "r1"
    assert metadata["labels"]["serinus.dev/retrain-run"] == RUN
    assert metadata["labels"]["serinus.dev/policy"] == "fraud"
    assert "serinus.dev/deployment" not in str(built), "a pod with this label would serve"
    containers = find_containers(built, find_kind(built))
    assert containers
    for container in containers:
        told = environment(container)
        assert set(ENVIRONMENT) <= set(told)
        assert (told["SERINUS_RUN"], told["SERINUS_CHAMPION_DIGEST"]) == (RUN, CHAMPION)
        assert len(container["env"]) == len(told), "a name stands twice"
    for pod in find_pods(built):
        if pod.template is not None and pod.template is not built:
            assert pod.template["metadata"]["labels"]["serinus.dev/retrain-run"] == RUN


def test_the_environment_is_that_of_the_contract() -> None:
    told = environment(build(JOB)["spec"]["template"]["spec"]["containers"][0])
    assert told == {
        "SERINUS_RUN": RUN,
        "SERINUS_POLICY": "fraud",
        "SERINUS_NAMESPACE": "ml",
        "SERINUS_MODEL_DEPLOYMENT": "fraud",
        "SERINUS_CHAMPION_REVISION": "fraud-7c9d0a12",
        "SERINUS_CHAMPION_URI": "models:/fraud/6",
        "SERINUS_CHAMPION_DIGEST": CHAMPION,
        "SERINUS_DATA_SNAPSHOT": "",
        "SERINUS_DEADLINE": "2026-11-23T20:00:00.000Z",
        "SERINUS_REASON": "f1 0.87, below 0.90 for 12h",
        "SERINUS_RESULTS": f"{RUN}-results",
    }


def test_without_a_champion_its_variables_are_empty() -> None:
    run = build_run(champion=None, championRevision=None)
    told = environment(build_child(run, RUN, "r1", "ml")["spec"]["template"]["spec"]["containers"][0])
    assert (told["SERINUS_CHAMPION_URI"], told["SERINUS_CHAMPION_REVISION"]) == ("", "")


def test_what_the_author_wrote_stays() -> None:
    built = build(TEMPLATES["batch/Job"])
    assert built["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "ml"
    assert built["metadata"]["annotations"] == {"team": "risk"}
    pod = built["spec"]["template"]
    assert pod["metadata"]["labels"]["app"] == "train"
    assert environment(pod["spec"]["containers"][0])["SEED"] == "7"
    assert set(ENVIRONMENT) <= set(environment(pod["spec"]["initContainers"][0]))


def test_a_job_trains_once_and_a_disruption_is_no_verdict() -> None:
    spec = build(JOB)["spec"]
    assert (spec["backoffLimit"], spec["template"]["spec"]["restartPolicy"]) == (0, "Never")
    assert spec["podFailurePolicy"]["rules"][0]["action"] == "Ignore"
    for own in ({"backoffLimit": 3}, {"backoffLimitPerIndex": 1, "completionMode": "Indexed", "completions": 2}):
        spec = build({**JOB, "spec": {**JOB["spec"], **own}})["spec"]
        assert "podFailurePolicy" not in spec
        assert own.items() <= spec.items()
    on_failure = copy.deepcopy(JOB)
    on_failure["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    assert "podFailurePolicy" not in build(on_failure)["spec"], "it needs restartPolicy Never"


def test_a_child_is_kept_until_its_results_are_read() -> None:
    assert build(TEMPLATES["batch/Job"])["spec"]["ttlSecondsAfterFinished"] == KEPT_SECONDS
    assert build(TEMPLATES["kubeflow.org/PyTorchJob"])["spec"]["runPolicy"]["ttlSecondsAfterFinished"] == KEPT_SECONDS
    assert build(TEMPLATES["argoproj.io/Workflow"])["spec"]["ttlStrategy"] == {
        "secondsAfterCompletion": KEPT_SECONDS,
        "secondsAfterFailure": 86400,
    }
    assert build(TEMPLATES["sparkoperator.k8s.io/SparkApplication"])["spec"]["timeToLiveSeconds"] == KEPT_SECONDS
    assert "ttlSecondsAfterFinished" not in build(JOB)["spec"]


def test_labels_reach_the_pods_of_kinds_without_pod_templates() -> None:
    assert build(TEMPLATES["argoproj.io/Workflow"])["spec"]["podMetadata"]["labels"]["serinus.dev/retrain-run"] == RUN
    spark = build(TEMPLATES["sparkoperator.k8s.io/SparkApplication"])["spec"]
    assert spark["driver"]["labels"]["serinus.dev/retrain-run"] == RUN
    bare = {"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob"}
    assert "SERINUS_RUN" in environment(build(bare)["spec"]["trainer"])


def test_a_name_that_kuberay_gives_up_on_is_never_used() -> None:
    with pytest.raises(ValueError, match="may have 47"):
        build_child(build_run(), "f" * 48, "r1", "ml")


@pytest.mark.parametrize(
    ("key", "count"),
    [
        ("batch/Job", 4),
        ("jobset.x-k8s.io/JobSet", 6),
        ("trainer.kubeflow.org/TrainJob", 8),
        ("kubeflow.org/PyTorchJob", 4),
        ("ray.io/RayJob", 2),
        ("argoproj.io/Workflow", 1),
        ("batch.volcano.sh/Job", 32),
        ("sparkoperator.k8s.io/SparkApplication", 2),
        ("workload.codeflare.dev/AppWrapper", 1),
        ("kubeflow.org/Experiment", 3),
        ("example.com/Training", 0),
    ],
)
def test_accelerators_are_counted_with_the_pods_that_have_them(key: str, count: int) -> None:
    assert accelerators_of(TEMPLATES[key]) == count


@pytest.mark.parametrize("amount", [True, None, "many", float("nan"), float("inf"), -1, 10**400])
def test_an_amount_that_is_none_counts_for_nothing(amount: Any) -> None:
    template = copy.deepcopy(JOB)
    template["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": amount}}
    assert accelerators_of(template) in (0, 1)


ALLOWED = ("batch/v1/Job", "kubeflow.org/v1/PyTorchJob", "example.com/v1/Training=training")


@pytest.mark.parametrize(
    ("sentence", "change", "field", "message"),
    [
        (
            "of a kind that is not allowed",
            {"apiVersion": "ray.io/v1", "kind": "RayJob"},
            "spec.template.kind",
            "ray.io/v1/RayJob",
        ),
        ("of another version of a kind", {"apiVersion": "batch/v2"}, "spec.template.kind", "batch/v1/Job"),
        (
            "in another namespace",
            {"metadata": {"namespace": "other"}},
            "spec.template.metadata.namespace",
            "its policy",
        ),
        ("with a name", {"metadata": {"name": "train"}}, "spec.template.metadata.name", "must be left out"),
        (
            "owned by somebody",
            {"metadata": {"ownerReferences": [{"uid": "u"}]}},
            "spec.template.metadata.ownerReferences",
            "must be left out",
        ),
        (
            "with a label of ours",
            {"metadata": {"labels": {"serinus.dev/deployment": "fraud"}}},
            "spec.template.metadata.labels[serinus.dev/deployment]",
            "is the operator's",
        ),
        (
            "with a namespace deep inside",
            {"spec": {"components": [{"template": {"metadata": {"namespace": "kube-system"}}}]}},
            "spec.template.spec.components[0].template.metadata.namespace",
            "namespace of its policy",
        ),
    ],
)
def test_a_template_is_refused(sentence: str, change: Raw, field: str, message: str) -> None:
    problems = check_template({**JOB, **change}, ALLOWED, results_from="ConfigMap")
    found = {problem.field: problem for problem in problems}
    assert message in str(found[field])


def test_a_template_that_is_right_is_not_refused() -> None:
    assert check_template(JOB, ALLOWED) == ()


def test_a_kind_that_nobody_knows_needs_rules() -> None:
    template = TEMPLATES["example.com/Training"]
    (problem,) = check_template(template, ALLOWED)
    assert "needs outcome.successWhen" in str(problem)
    rule = {"path": "status.phase", "values": ["Done"]}
    outcome = OutcomeRules.model_validate({"successWhen": [rule], "failureWhen": [rule]})
    assert check_template(template, ALLOWED, outcome=outcome) == ()


def test_results_must_outlive_the_pods() -> None:
    template = copy.deepcopy(TEMPLATES["kubeflow.org/PyTorchJob"])
    template["spec"]["runPolicy"]["cleanPodPolicy"] = "All"
    (problem,) = check_template(template, ALLOWED)
    assert problem.field == "spec.template.spec.runPolicy.cleanPodPolicy"
    assert check_template(template, ALLOWED, results_from="ConfigMap") == ()


@pytest.mark.parametrize("key", ["trainer.kubeflow.org/TrainJob", "ray.io/RayJob", "kubeflow.org/Experiment"])
def test_results_of_pods_that_the_operator_never_sees_are_read_elsewhere(key: str) -> None:
    template = TEMPLATES[key]
    allowed = [f"{template['apiVersion']}/{template['kind']}"]
    (problem,) = check_template(template, allowed)
    assert "set results.from to ConfigMap" in str(problem)
    assert check_template(template, allowed, results_from="ConfigMap") == ()


def test_a_pod_that_submits_may_say_what_was_made() -> None:
    ray = copy.deepcopy(TEMPLATES["ray.io/RayJob"])
    ray["spec"]["submitterPodTemplate"] = JOB["spec"]["template"]
    assert check_template(ray, ["ray.io/v1/RayJob"]) == ()
    assert build(ray)["spec"]["submitterPodTemplate"]["metadata"]["labels"]["serinus.dev/retrain-run"] == RUN


def test_a_workflow_whose_containers_stand_elsewhere_is_told_all_the_same() -> None:
    workflow = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"}
    built = build({**workflow, "spec": {"workflowTemplateRef": {"name": "train"}}})
    (main,) = json.loads(built["spec"]["podSpecPatch"])["containers"]
    assert (main["name"], environment(main)["SERINUS_RUN"]) == ("main", RUN)
    own = {"workflowTemplateRef": {"name": "train"}, "podSpecPatch": "{}"}
    assert build({**workflow, "spec": own})["spec"]["podSpecPatch"] == "{}"


def test_nobodys_words_are_filled_in() -> None:
    reasons = [{"trigger": "command", "at": NOW, "message": '$(SECRET) {{workflow.name}} $$ {a="b"}'}]
    built = build_child(build_run(reasons=reasons), RUN, "r1", "ml")
    told = environment(built["spec"]["template"]["spec"]["containers"][0])["SERINUS_REASON"]
    assert told == '$ (SECRET) { {workflow.name}} $$ {a="b"}'
