"""`python -m serinus retrain record -f run.json`: the record of a run as an in-toto statement.

    kubectl get rtr fraud-1a2b3c4d -o json | python -m serinus retrain record -f -

Reads one file, or the standard input, and writes JSON; asks nobody."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from serinus.api.meta import format_time
from serinus.core.retrain.statement import NoSubjectError, build_statement


def main(arguments: Sequence[str]) -> int:
    """Print the statement of a RetrainRun. 0 where it is printed, 1 where the run has none, 2 for a file that is no
    RetrainRun."""
    parser = argparse.ArgumentParser(
        prog="serinus retrain record", description="Print the record of a RetrainRun as an in-toto statement."
    )
    parser.add_argument("-f", "--file", required=True, help="file with the RetrainRun as JSON or YAML; - for stdin")
    file = parser.parse_args(arguments).file
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        run = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        print(f"serinus: {file}: {error}", file=sys.stderr)
        return 2
    if not isinstance(run, dict) or run.get("kind") != "RetrainRun":
        found = run.get("kind") if isinstance(run, dict) else type(run).__name__
        print(f"serinus: {file}: must be one RetrainRun, not {found}", file=sys.stderr)
        return 2
    try:
        statement = build_statement(run)
    except NoSubjectError as error:
        print(f"serinus: {error}", file=sys.stderr)
        return 1
    print(json.dumps(statement, indent=2, ensure_ascii=False, default=_write_time))
    return 0


def _write_time(value: Any) -> str:
    """YAML reads times that are not quoted as such."""
    return format_time(value) if isinstance(value, datetime) else str(value)
