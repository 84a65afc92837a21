"""What became of a candidate is what its ModelDeployment says, and not sooner."""

from datetime import timedelta
from typing import Any

import pytest

from serinus.api.runstatus import RunModel
from serinus.core.retrain.fate import find_fate
from serinus.core.retrain.runview import Fate
from serinus.core.retrain.sameness import is_same_model
from tests.core.retrain.runworld import DIGEST, START, RunWorld

MODEL = RunModel(uri="models:/fraud/8", digest=DIGEST)


def revision(name: str, phase: str, digest: str = DIGEST, **status: Any) -> dict[str, Any]:
    model = {"uri": "s3://elsewhere", "digest": digest}
    return {
        "metadata": {"name": name},
        "spec": {"content": {"model": model}},
        "status": {"phase": phase, "promotedAt": "2026-03-01T01:00:00Z", **status},
    }


@pytest.mark.parametrize(("stable", "phase"), [("new", "Stable"), ("old", "Candidate"), (None, "Candidate")])
def test_a_revision_is_stable_once_its_deployment_says_so(stable: str | None, phase: str) -> None:
    revisions = [revision("old", "Stable", "sha256:" + "b" * 64), revision("new", "Stable")]
    fate = find_fate(revisions, MODEL, START, stable)
    assert fate is not None
    assert (fate.revision, fate.phase) == ("new", phase)


def test_the_furthest_revision_counts_and_an_old_one_does_not() -> None:
    later = START + timedelta(hours=2)
    several = [revision("one", "Superseded"), revision("two", "Rejected"), revision("three", "Candidate")]
    assert getattr(find_fate(several, MODEL, START, "old"), "revision", None) == "three"
    assert find_fate([revision("one", "Retired")], MODEL, later, "old") is None
    assert find_fate([revision("one", "Stable", "sha256:" + "b" * 64)], MODEL, START, "one") is None


def test_a_run_ends_well_only_while_its_revision_is_stable() -> None:
    world = RunWorld()
    world.train()
    world.seen["fate"] = Fate("fraud-9", "Stable", promoted_at=world.now)
    assert world.settle() == "Observing"
    # The operator died before the ModelDeployment said so, and now waits for metrics.
    world.seen["fate"] = Fate("fraud-9", "Candidate", promoted_at=world.now)
    assert world.later(hours=2) == "Observing"
    world.seen["fate"] = Fate("fraud-9", "Rejected", "AnalysisFailed", "errors")
    assert world.settle() == "RolledBack"


@pytest.mark.parametrize(
    ("uri", "served", "same"),
    [
        ("https://models.example/a.bin#sha256=" + "a" * 64, "a" * 64, True),
        ("s3://bucket/fraud?versionId=3xYz", "3xYz", True),
        ("hf://org/fraud@" + "a" * 40, "a" * 40, True),
        ("models:/fraud/8", "sha256:" + "b" * 64, True),
        ("models:/fraud@champion", "sha256:" + "b" * 64, False),
        ("https://models.example/a.bin", "sha256:" + "b" * 64, False),
        ("https://models.example/a.bin", None, True),
    ],
)
def test_the_same_model_may_be_known_by_another_digest(uri: str, served: str | None, same: bool) -> None:
    assert is_same_model(RunModel(uri=uri, digest=DIGEST), uri, served) is same
