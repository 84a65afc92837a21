"""A retraining loop in a namespace of its own: a ModelDeployment that follows a RetrainPolicy, and a training that says
what a test wants it to."""

import json
from typing import Any

from tests.support.model import PATIENCE, Model, Raw, wait_for

FIRST = "sha256:" + "0" * 64
GATE_JOB: Raw = {"template": {"spec": {"containers": [{"name": "check", "image": "check:1"}]}}}
"""Of a gate; it always says yes."""


def digest(letter: str) -> str:
    """A digest that is easy to tell from others."""
    return "sha256:" + letter * 64


def build_results(letter: str, *, champion: str = FIRST, f1: float = 0.93, **metrics: Any) -> Raw:
    """What a training says of a model whose digest is made of one letter."""
    return {
        "model": {"uri": f"https://models.example/fraud/{letter}.bin", "digest": digest(letter)},
        "data": {"id": f"data-{letter}", "digest": digest(letter), "null_ratio": 0.0},
        "source": {"revision": "4f2c1b"},
        "metrics": {"f1": f1, **metrics},
        "champion": {"digest": champion, "metrics": {"f1": 0.91}},
    }


class Loop:
    """One RetrainPolicy `fraud` that trains with a Job whose results stand in a ConfigMap."""

    name = "fraud"

    def __init__(self, model: Model) -> None:
        self.model = model
        self.cluster, self.namespace = model.cluster, model.namespace
        model.spec["model"] = {"from": {"retrainPolicy": self.name}}
        model.spec["rollout"] |= {"steps": [{"weight": 50, "hold": "2s"}], "bake": "2s"}
        container = {"name": "train", "image": "train:1"}
        self.spec: Raw = {
            "modelDeploymentRef": {"name": model.name},
            "mode": "Automatic",
            "initialModel": {"uri": "https://models.example/fraud/0.bin", "digest": FIRST},
            "template": {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
            },
            "results": {"from": "ConfigMap"},
            "gates": [{"name": "f1", "kind": "Metric", "value": "metrics.f1", "min": "0.90"}],
            "observation": {"bake": "2s"},
            "cooldown": {"afterSuccess": "0s", "afterFailure": "0s"},
        }

    def apply(self, **spec: Any) -> None:
        body = {
            "apiVersion": "serinus.dev/v1alpha1",
            "kind": "RetrainPolicy",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {**self.spec, **spec},
        }
        self.cluster.apply(json.dumps(body))

    def serve_first(self) -> str:
        """Policy and ModelDeployment, up to the first revision's serving."""
        self.apply()
        self.model.apply("v1")
        self.model.await_reason("Serving")
        return self.model.stable()

    def command(self, text: str, by: str | None = None) -> None:
        also = [f"serinus.dev/command-by={by}"] if by else []
        self._kubectl("annotate", "retrainpolicy", self.name, "--overwrite", f"serinus.dev/command={text}", *also)

    def policy(self) -> Raw:
        return dict(self.cluster.get("retrainpolicy", self.name, "-n", self.namespace))

    def status(self) -> Raw:
        return dict(self.policy().get("status") or {})

    def condition(self, type_: str) -> Raw:
        return next((c for c in self.status().get("conditions", []) if c["type"] == type_), {})

    def runs(self) -> list[Raw]:
        """All runs, oldest first."""
        found = self.cluster.get("retrainruns", "-n", self.namespace)["items"]
        return sorted(found, key=lambda one: int(one["spec"]["number"]))

    def run(self, name: str) -> Raw:
        return dict(self.cluster.get("retrainrun", name, "-n", self.namespace))

    def await_run(self, number: int = 1) -> str:
        """The name of the run of this number, once its child is there."""

        def made() -> str | None:
            run = next((one for one in self.runs() if one["spec"]["number"] == number), None)
            return run["metadata"]["name"] if run is not None and (run.get("status") or {}).get("child") else None

        return str(wait_for(f"run {number}", made, self.explain))

    def phase(self, name: str) -> str:
        return str((self.run(name).get("status") or {}).get("phase"))

    def await_phase(self, name: str, phase: str, patience: float = PATIENCE) -> Raw:
        """The status of a run, once it is in this phase."""
        wait_for(f"{name} is {phase}", lambda: self.phase(name) == phase, self.explain, patience)
        return dict(self.run(name)["status"])

    def await_policy(self, what: str, check: Any, patience: float = PATIENCE) -> Raw:
        """The status of the policy, once `check` says so."""
        wait_for(what, lambda: check(self.status()), self.explain, patience)
        return self.status()

    def tell_results(self, run: str, results: Raw | str) -> None:
        """Write what the training of a run says."""
        text = results if isinstance(results, str) else json.dumps(results)
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"{run}-results", "namespace": self.namespace},
            "data": {"results.json": text},
        }
        self.cluster.apply(json.dumps(body))

    def train(self, number: int, results: Raw | str) -> str:
        """Ask for a run and let its training say this; the run's name."""
        self.command(f"retrain test-{number}")
        name = self.await_run(number)
        self.tell_results(name, results)
        return name

    def explain(self) -> str:
        shown = {"policy": self.status(), "runs": [one.get("status") for one in self.runs()]}
        return json.dumps(shown | {"model": self.model.status()}, indent=1)[:12_000]

    def _kubectl(self, *arguments: str) -> None:
        self.cluster.kubectl(*arguments, "-n", self.namespace)
