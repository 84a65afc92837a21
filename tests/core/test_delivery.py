"""How a model gets to its pods, and that what is recorded is what they are told."""

from dataclasses import replace
from typing import Any

import pytest

from serinus.api.status import ResolvedModel
from serinus.core.children import Owner, build_deployment, build_model_revision
from serinus.core.configmaps import name_copy
from serinus.core.revision import build_revision
from tests.core.world import spec

DIGEST = "sha256:" + "a" * 64
OWNER = Owner("m", "ns", "uid")


LOADER = {"image": "loader:1", "env": {"MLFLOW_TRACKING_URI": "http://mlflow"}}
VERIFY = {"publicKey": {"configMap": "keys", "key": "release.pem"}}
SCHEMA = {"configMap": "features", "key": "schema.json"}
READ_ONLY = {"name": "serinus-model", "mountPath": "/mnt/models", "readOnly": True}


def build(delivery: str, uri: str, digest: str | None, **more: Any) -> Any:
    model = ResolvedModel(uri="as-written", resolved=uri, digest=digest)
    digests = {"keys": "1"} if "verify" in more else {}
    written = spec("m:1", model={"from": {"uri": uri}, "delivery": delivery, **more})
    wanted = build_revision("m", written, digests, model)
    content = {**wanted.content, "loader": LOADER}
    return build_deployment(OWNER, "m-1", content, 1)["spec"]["template"]["spec"]


def environment(container: Any) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container["env"]}


def test_address_and_digest_stand_in_the_environment() -> None:
    pod = build("Env", f"oci://host/fraud@{DIGEST}", DIGEST)
    assert {one["name"]: one["value"] for one in pod["containers"][0]["env"]} == {
        "SERINUS_MODEL_URI": f"oci://host/fraud@{DIGEST}",
        "SERINUS_MODEL_DIGEST": DIGEST,
    }


def test_a_claim_is_mounted_read_only() -> None:
    pod = build("Claim", "pvc://models/fraud/7", None)
    claim = {"claimName": "models", "readOnly": True}
    assert pod["volumes"] == [{"name": "serinus-model", "persistentVolumeClaim": claim}]
    mount = {"name": "serinus-model", "mountPath": "/mnt/models", "readOnly": True, "subPath": "fraud/7"}
    assert pod["containers"][0]["volumeMounts"] == [mount]
    assert {"name": "SERINUS_MODEL_PATH", "value": "/mnt/models"} in pod["containers"][0]["env"]


def test_two_tags_of_one_digest_are_one_revision_and_another_digest_is_another() -> None:
    written = spec("m:1", model={"from": {"uri": "oci://host/fraud:7"}})
    names = set()
    for uri, digest in (("oci://host/fraud:7", DIGEST), ("oci://host/fraud:8", DIGEST), ("x", "sha256:" + "b" * 64)):
        model = ResolvedModel(uri=uri, resolved=f"oci://host/fraud@{digest}", digest=digest)
        names.add(build_revision("m", written, {}, model).name)
    assert len(names) == 2


def test_without_a_model_nothing_is_added() -> None:
    wanted = build_revision("m", spec("m:1"))
    pod = build_deployment(OWNER, wanted.name, wanted.content, 1)["spec"]["template"]["spec"]
    assert "env" not in pod["containers"][0]


def test_the_loader_fills_a_volume_that_the_others_only_read() -> None:
    loader = {"secret": "s3", "limits": {"memory": "1Gi"}}
    pod = build("InitContainer", f"oci://host/fraud@{DIGEST}", DIGEST, loader=loader)
    assert pod["volumes"] == [{"name": "serinus-model", "emptyDir": {}}]
    assert pod["containers"][0]["volumeMounts"] == [READ_ONLY]
    assert environment(pod["containers"][0])["SERINUS_MODEL_PATH"] == "/mnt/models"
    (loading,) = pod["initContainers"]
    assert (loading["image"], loading["args"]) == ("loader:1", ["load"])
    assert loading["volumeMounts"] == [{"name": "serinus-model", "mountPath": "/mnt/models"}]
    assert environment(loading) == {
        "SERINUS_MODEL_URI": f"oci://host/fraud@{DIGEST}",
        "SERINUS_MODEL_DIGEST": DIGEST,
        "SERINUS_MODEL_PATH": "/mnt/models",
        "MLFLOW_TRACKING_URI": "http://mlflow",
    }
    assert loading["envFrom"] == [{"secretRef": {"name": "s3"}}]
    assert loading["resources"] == {"limits": {"memory": "1Gi"}, "requests": {"memory": "1Gi"}}


def test_an_image_volume_is_mounted_by_digest() -> None:
    pod = build("ImageVolume", f"oci://host:5000/fraud@{DIGEST}", DIGEST)
    image = {"reference": f"host:5000/fraud@{DIGEST}", "pullPolicy": "IfNotPresent"}
    assert pod["volumes"] == [{"name": "serinus-model", "image": image}]
    assert pod["containers"][0]["volumeMounts"] == [READ_ONLY]
    assert "initContainers" not in pod


@pytest.mark.parametrize(
    ("delivery", "uri", "task"),
    [
        ("InitContainer", "https://host/fraud.tar", "load"),
        ("ImageVolume", f"oci://host/fraud@{DIGEST}", "verify"),
        ("Claim", "pvc://models/fraud", "verify"),
    ],
)
def test_a_signature_is_looked_at_first_by_the_revisions_own_key(delivery: str, uri: str, task: str) -> None:
    pod = build(delivery, uri, None, verify=VERIFY)
    looking = pod["initContainers"][0]
    assert looking["args"] == [task]
    assert environment(looking)["SERINUS_VERIFY_KEY"] == "/etc/serinus/verify/key.pem"
    assert environment(looking)["SERINUS_VERIFY_SIGNATURE"] == "model.sig"
    (key,) = [volume for volume in pod["volumes"] if volume["name"] == "serinus-model-key"]
    items = [{"key": "release.pem", "path": "key.pem"}]
    assert key["configMap"] == {"name": name_copy("m-1", "keys"), "items": items}
    read_only = [mount.get("readOnly", False) for mount in looking["volumeMounts"]]
    assert read_only == [task == "verify", True]
    assert "SERINUS_VERIFY_KEY" not in environment(pod["containers"][0])


def test_the_loader_comes_before_what_the_template_starts_first() -> None:
    template = spec("m:1").template
    template["spec"]["initContainers"] = [{"name": "own", "image": "own:1"}]
    model = {"uri": "https://host/x", "delivery": "InitContainer"}
    content = {"template": template, "model": model, "loader": LOADER}
    pod = build_deployment(OWNER, "m-1", content, 1)["spec"]["template"]["spec"]
    assert [one["name"] for one in pod["initContainers"]] == ["serinus-loader", "own"]
    assert pod["initContainers"][1]["volumeMounts"] == [READ_ONLY]


def test_the_image_of_the_loader_is_recorded_and_is_no_content() -> None:
    written = spec("m:1", model={"from": {"uri": "https://host/x"}, "delivery": "InitContainer"})
    wanted = build_revision("m", written, {}, ResolvedModel(uri="x", resolved="x"))
    newer = replace(wanted, loader={"image": "loader:2", "env": {}})
    assert newer.digest == wanted.digest
    assert build_model_revision(OWNER, newer, 1)["spec"]["loader"] == {"image": "loader:2", "env": {}}
    assert "loader" not in build_model_revision(OWNER, wanted, 1)["spec"]


def test_another_key_or_schema_is_another_revision() -> None:
    model = ResolvedModel(uri="pvc://c/x", resolved="pvc://c/x")
    named: dict[str, Any] = {"from": {"uri": "pvc://c/x"}, "delivery": "Claim"}
    plain = spec("m:1", model=named)
    signed = spec("m:1", model={**named, "verify": VERIFY})
    described = spec("m:1", model={**named, "schema": SCHEMA})
    allowed = spec("m:1", model={**named, "schema": {**SCHEMA, "onIncompatible": "Proceed"}})
    features = {"amount": ["number"]}
    names = [
        build_revision("m", plain, {}, model).name,
        build_revision("m", signed, {"keys": "1"}, model).name,
        build_revision("m", signed, {"keys": "2"}, model).name,
        build_revision("m", described, {"features": "1"}, model, features).name,
        build_revision("m", described, {"features": "2"}, model, features).name,
    ]
    assert len(set(names)) == len(names)
    assert build_revision("m", allowed, {"features": "1"}, model, features).name == names[3]
