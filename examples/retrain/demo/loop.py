"""The demo's eyes for the loop: the policy, its runs, and what the client knows of the truth."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import yaml

from examples.demo.house import House
from examples.demo.scene import Scene
from examples.demo.world import Raw, World
from examples.retrain.demo.quality import Outcome, measure_f1, read_outcomes
from examples.retrain.fraud.server import name_version
from tests.traffic.runner import Traffic
from tests.traffic.watch import Watch

HERE: Final = Path(__file__).parent
LABEL_DELAY: Final = 3.0
SEED: Final = 11
ENDED: Final = frozenset(
    {"Succeeded", "Failed", "Rejected", "RolledBack", "Superseded", "Cancelled", "Lost", "Skipped"}
)


class Loop(World):
    """A World in which the model follows a RetrainPolicy. `services`: addresses of the monitor and of the data
    service."""

    def __init__(self, house: House, rate: float, seconds: float, folder: Path, services: Mapping[str, str]) -> None:
        self.house = house
        self._season = folder / "season"
        self._truth = folder / "truth.jsonl"
        self._services = services
        self.policy_manifest = read_policy()
        super().__init__(house, rate, seconds, folder / "answers.jsonl", HERE / "fraud.yaml")
        inside = ("--namespace", self.namespace)
        self._policies = Watch(house.start_kubectl, "retrainpolicies", *inside, name=self.name)
        self._runs = Watch(house.start_kubectl, "retrainruns", *inside)
        self.watches += [self._policies, self._runs]
        self._truth.unlink(missing_ok=True)
        self.set_season("calm")

    def build_traffic(self, rate: float, seconds: float, book: Path) -> Traffic:
        return Traffic(
            self.cluster.start,
            book,
            url=f"{self.cluster.gateway_url}/predict",
            host=self.host,
            rate=rate,
            seconds=seconds,
            max_requests=int(rate * seconds),
            module="examples.retrain.demo.client",
            settings={
                "SEASON_FILE": str(self._season.absolute()),
                "TRUTH_FILE": str(self._truth.absolute()),
                "MONITOR_URL": self._services["monitor"],
                "DATA_URL": self._services["data"],
                "LABEL_DELAY": f"{LABEL_DELAY:g}",
                "SEED": str(SEED),
            },
        )

    def set_season(self, season: str) -> None:
        """From the next payment on."""
        part = self._season.with_suffix(".part")
        part.write_text(season, encoding="utf-8")
        part.rename(self._season)

    def apply_policy(self, change: Callable[[Raw], None]) -> None:
        """Change what is applied, and apply it."""
        change(self.policy_manifest["spec"])
        self.cluster.kubectl("apply", "--filename=-", stdin=yaml.safe_dump(self.policy_manifest))

    def apply_deployment(self) -> None:
        self.cluster.kubectl("apply", "--filename=-", stdin=yaml.safe_dump(self.manifest))

    def command(self, text: str) -> None:
        """Give the policy a command, as a person does."""
        inside = ("retrainpolicy", self.name, "--namespace", self.namespace)
        self.cluster.kubectl("annotate", *inside, "--overwrite", f"serinus.dev/command={text}")

    @property
    def policy(self) -> Raw:
        return self._policies.objects.get(self.name, {})

    @property
    def runs(self) -> list[Raw]:
        """In the order in which they were started."""
        return sorted(self._runs.objects.values(), key=lambda run: int(run["spec"]["number"]))

    def run(self, number: int) -> Raw:
        """The run of that number; empty where there is none."""
        return next((run for run in self.runs if run["spec"]["number"] == number), {})

    def trigger(self, name: str) -> Raw:
        states = (self.policy.get("status") or {}).get("triggers") or []
        return next((state for state in states if state["name"] == name), {})

    def write_objects(self, path: Path) -> None:
        """Everything that was watched, as it is now, for whoever wants to know why."""
        seen = [self.policy, *self.runs, self.deployment, *self.records.values(), *self.pods]
        path.write_text(json.dumps(seen, indent=1), encoding="utf-8")

    def outcomes(self) -> list[Outcome]:
        return read_outcomes(self._truth)

    def f1(self, began: float, ended: float) -> float | None:
        """Of the answers given between two times, by the client's own book."""
        return measure_f1(self.outcomes(), began, ended)

    def observe_version(self, pod: Mapping[str, Any]) -> str:
        environment = pod["spec"]["containers"][0].get("env") or []
        uri = next((one.get("value", "") for one in environment if one["name"] == "SERINUS_MODEL_URI"), "")
        return name_version(str(uri))

    def scene(self) -> Scene:
        scene = super().scene()
        return replace(scene, stage=f"{scene.stage}; {self.describe_loop()}")

    def describe_loop(self) -> str:
        """Where the loop stands, in a few words."""
        status: Mapping[str, Any] = self.policy.get("status") or {}
        states = ", ".join(f"{one['name']} {one['state']}" for one in status.get("triggers") or [])
        under_way = [run for run in self.runs if (run.get("status") or {}).get("phase") not in ENDED]
        phase = (
            f"{under_way[-1]['metadata']['name']} {(under_way[-1].get('status') or {}).get('phase')}, "
            if under_way
            else ""
        )
        return f"{phase}{states or 'no trigger yet'}"


def read_policy() -> Raw:
    """The RetrainPolicy as it stands in the file."""
    policy: Raw = yaml.safe_load((HERE / "policy.yaml").read_text(encoding="utf-8"))
    return policy
