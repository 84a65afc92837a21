"""The record of a run as an in-toto statement: what became of which model, and from what it was made.

Statement v1 of in-toto (https://in-toto.io/Statement/v1). Its subject is the model by digest; the predicate, of type
https://serinus.dev/retrain/v1, has the parts of SLSA's provenance (buildDefinition, runDetails) and beside them what a
retraining adds: why, gates, approvals, promotion and outcome. Nothing is signed here: whoever signs wraps the text."""

from collections.abc import Iterator
from typing import Any, Final

from serinus.api.podtemplate import child, objects_in

Raw = dict[str, Any]

STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = "https://serinus.dev/retrain/v1"
BUILDER: Final = "https://serinus.dev"
BUILD_TYPE: Final = "https://serinus.dev/retrain/child/v1"


class NoSubjectError(ValueError):
    """The run has no model with a digest: nothing that a statement could be about."""


def build_statement(run: Raw) -> Raw:
    """The statement of a RetrainRun as the API server stores it. NoSubjectError where it made no model that is
    pinned."""
    spec, status = child(run, "spec"), child(run, "status")
    model = child(status, "model")
    uri, digest = model.get("uri"), _digest(model.get("digest"))
    if not uri or digest is None:
        name = child(run, "metadata").get("name")
        raise NoSubjectError(f"RetrainRun {name} has no model with a digest: a statement is about one")
    return {
        "_type": STATEMENT,
        "subject": [{"name": uri, "digest": digest}],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": _definition(spec, model),
            "runDetails": _details(run, spec, status),
            "reasons": spec.get("reasons") or [],
            "gates": list(objects_in(status.get("gates"))),
            "approvals": list(objects_in(status.get("approvals"))),
            "promotion": child(status, "promotion"),
            "outcome": _known(
                {"phase": status.get("phase"), "reason": status.get("reason"), "message": status.get("message")}
            ),
        },
    }


def _definition(spec: Raw, model: Raw) -> Raw:
    policy = child(spec, "policy")
    return {
        "buildType": BUILD_TYPE,
        "externalParameters": _known(
            {
                "modelDeployment": spec.get("modelDeployment"),
                "policy": policy,
                "template": child(spec, "plan", "template"),
                "templateDigest": _digest(f"sha256:{spec['templateDigest']}") if spec.get("templateDigest") else None,
                "requester": spec.get("requester"),
                "snapshot": spec.get("snapshot"),
            }
        ),
        "resolvedDependencies": list(_dependencies(spec, model)),
    }


def _dependencies(spec: Raw, model: Raw) -> Iterator[Raw]:
    """What the model was made from, each with the digest that pins it, where one is known."""
    if model.get("snapshot") or model.get("snapshotDigest"):
        data = {"name": "data", "uri": model.get("snapshot"), "digest": _digest(model.get("snapshotDigest"))}
        yield _known(data)
    if model.get("source"):
        source = str(model["source"])
        commit = {"gitCommit": source} if len(source) == 40 and set(source) <= set("0123456789abcdef") else None
        yield _known({"name": "source", "uri": source, "digest": _digest(source) or commit})
    champion = child(spec, "champion")
    if champion.get("uri"):
        yield _known({"name": "champion", "uri": champion["uri"], "digest": _digest(champion.get("digest"))})


def _details(run: Raw, spec: Raw, status: Raw) -> Raw:
    metadata, model = child(run, "metadata"), child(status, "model")
    version = {"serinus": spec["operator"]} if spec.get("operator") else None
    results = _digest(status.get("resultsDigest"))
    details = {
        "invocationId": "/".join(str(metadata[key]) for key in ("namespace", "name", "uid") if metadata.get(key)),
        "decidedOn": spec.get("decidedAt"),
        "startedOn": status.get("startedAt"),
        "finishedOn": status.get("trainedAt"),
        "endedOn": status.get("finishedAt"),
        "child": status.get("child"),
        "registryRun": model.get("registryRun"),
        "signature": model.get("signature"),
        "acceleratorSeconds": status.get("acceleratorSeconds"),
        "recoverySeconds": status.get("recoverySeconds"),
        "stages": status.get("stages"),
    }
    return {
        "builder": _known({"id": BUILDER, "version": version}),
        "metadata": _known(details),
        "byproducts": [{"name": "results.json", "digest": results}] if results is not None else [],
    }


def _digest(text: Any) -> dict[str, str] | None:
    """A digest as in-toto writes it: algorithm and hex digits apart; git's commits have a name of their own there."""
    if not isinstance(text, str) or ":" not in text:
        return None
    algorithm, _, digits = text.partition(":")
    if not digits or not set(digits) <= set("0123456789abcdef"):
        return None
    return {"gitCommit" if algorithm == "git" else algorithm: digits}


def _known(values: Raw) -> Raw:
    return {name: value for name, value in values.items() if value is not None}
