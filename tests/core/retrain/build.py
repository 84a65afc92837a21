"""Specs and candidates of the tests: small, and right unless a test changes them."""

from datetime import UTC, datetime
from typing import Any

from serinus.api.retrainrun import RetrainRunSpec
from serinus.api.runplan import RunPlan

Raw = dict[str, Any]

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
RUN = "fraud-1a2b3c4d"
CHAMPION = f"sha256:{'c' * 64}"
CANDIDATE = f"sha256:{'d' * 64}"
DATA = f"sha256:{'e' * 64}"
JOB: Raw = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "spec": {"template": {"spec": {"containers": [{"name": "train", "image": "train:12"}]}}},
}


def build_plan(template: Raw = JOB, **fields: Any) -> RunPlan:
    return RunPlan.model_validate({"template": template, **fields})


def build_run(template: Raw = JOB, **fields: Any) -> RetrainRunSpec:
    spec = {
        "policy": {"name": "fraud", "uid": "p1", "generation": 3, "digest": "a" * 64},
        "number": 4,
        "modelDeployment": "fraud",
        "reasons": [{"trigger": "accuracy", "at": NOW, "message": "f1 0.87, below 0.90 for 12h"}],
        "decidedAt": NOW,
        "champion": {"uri": "models:/fraud/6", "digest": CHAMPION},
        "championRevision": "fraud-7c9d0a12",
        "plan": {"template": template, "queueTimeout": "6h", "activeDeadline": "4h"},
        "templateDigest": "b" * 64,
    }
    return RetrainRunSpec.model_validate({**spec, **fields})


def build_results(**parts: Any) -> Raw:
    """Results as a training would say them; a part that is None is left out."""
    said: Raw = {
        "model": {"uri": "models:/fraud/7", "digest": CANDIDATE},
        "data": {"id": "payments@41", "digest": DATA, "rows": 12000, "null_ratio": 0.001},
        "source": {"revision": "4f1c2d3"},
        "metrics": {
            "f1": 0.93,
            "demographic_parity_gap": 0.02,
            "slices": {"region=eu": {"value": 0.91, "samples": 412}, "region=us": {"value": 0.94, "samples": 9000}},
        },
        "champion": {
            "digest": CHAMPION,
            "metrics": {
                "f1": 0.91,
                "slices": {"region=eu": {"value": 0.90, "samples": 412}, "region=us": {"value": 0.92, "samples": 9000}},
            },
        },
    }
    return {name: part for name, part in {**said, **parts}.items() if part is not None}
