"""Runs the tests beside it, and ends in the way that Serinus understands.

A failed test rejects the candidate. No tests, or tests that cannot be run, say nothing about it: pytest's codes 2 to 5
become 64, for any code but 0, 64 and 75 would count as failed."""

import os
import sys
from pathlib import Path

import pytest

MISCONFIGURED = 64


class Failures:
    """Collects the names of failed tests for the one line that Serinus shows."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.names.append(report.nodeid.rpartition("::")[2])


def run() -> int:
    """0, 1 or 64; where a test failed, its name is the message of the Job."""
    failures = Failures()
    folder = Path(__file__).parent
    code = int(pytest.main(["-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)], plugins=[failures]))
    if failures.names:
        told = f"{len(failures.names)} tests failed: {', '.join(failures.names)}"
        Path(os.environ.get("SERINUS_RESULTS") or "/dev/termination-log").write_text(told[:4096], encoding="utf-8")
    return code if code in (0, 1) else MISCONFIGURED


if __name__ == "__main__":
    sys.exit(run())
