"""How a model gets to its pods, and that what is recorded is what they are told."""

from typing import Any

from serinus.api.status import ResolvedModel
from serinus.core.children import Owner, build_deployment
from serinus.core.revision import build_revision
from tests.core.world import spec

DIGEST = "sha256:" + "a" * 64
OWNER = Owner("m", "ns", "uid")


def build(delivery: str, uri: str, digest: str | None) -> Any:
    model = ResolvedModel(uri="as-written", resolved=uri, digest=digest)
    wanted = build_revision("m", spec("m:1", model={"from": {"uri": uri}, "delivery": delivery}), {}, model)
    return build_deployment(OWNER, wanted.name, wanted.content, 1)["spec"]["template"]["spec"]


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
