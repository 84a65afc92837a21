"""What is granted against what was asked for in the tests."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.rights.audit import load_asked
from tests.rights.rules import Right

Raw = dict[str, Any]

TIERS: Final = ("test-control-plane", "test-node")
"""Clusters of the tests that a whole run leaves a summary of."""


@dataclass(frozen=True)
class Verdict:
    """`unused`: granted, and asked for in no test. `denied`: asked for and refused, with how often."""

    granted: frozenset[Right]
    unused: tuple[Right, ...]
    denied: Counter[Right]

    @property
    def is_tight(self) -> bool:
        """Whether nothing is granted in vain and nothing was missing."""
        return not self.unused and not self.denied

    def describe(self) -> str:
        """For people."""
        lines = [f"{len(self.granted)} pairs granted, {len(self.unused)} of them unused, {len(self.denied)} denied"]
        lines += [f"unused: {one}" for one in self.unused]
        lines += [f"denied: {one} ({count} times)" for one, count in sorted(self.denied.items())]
        return "\n".join(lines)


def assess(granted: Iterable[Right], summaries: Iterable[Raw], account: str) -> Verdict:
    """The verdict on the sum of all clusters. What another account did, or was refused, says nothing about ours."""
    asked, rights = load_asked(summaries, account), frozenset(granted)
    return Verdict(rights, tuple(sorted(rights - set(asked.used))), asked.denied)


def load_folder(folder: Path) -> list[Raw]:
    """The summaries of all clusters of a run."""
    return [json.loads(one.read_text()) for one in sorted(folder.glob("*.json"))]
