"""`python -m tests.rights`: what the operator may do, what it asked for, and what other operators may do.

check FOLDER           what the tests left there against what the chart grants; exit status 1 where they differ
audit LOG ACCOUNT      what an account asked for, from an audit log
count ACCOUNT FILE...  pairs that manifests grant to a service account
page [--check] FILE    the table of rights, made from the chart
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from serinus.api.reference import keep_page
from tests.cluster.features import FEATURES
from tests.rights.audit import read_asked
from tests.rights.page import render_page
from tests.rights.release import ACCOUNT, render_rules
from tests.rights.rules import find_excess, find_unnamed_secrets, rights_of, rules_for
from tests.rights.verdict import TIERS, assess, load_folder

Raw = dict[str, Any]


def check(folder: Path) -> int:
    """Compare; 0 if every right was used and none was missing, 2 if a tier has left nothing."""
    summaries = load_folder(folder)
    missing = [tier for tier in TIERS if tier not in {one["tier"] for one in summaries}]
    if missing:
        print(f"{folder} has nothing of {', '.join(missing)}: this needs a whole run of the tests", file=sys.stderr)
        return 2
    rules = list(render_rules(FEATURES))
    verdict = assess(rights_of(rules), summaries, ACCOUNT)
    excess = find_excess(rights_of(rules)) + [f"{one}: Secrets without names" for one in find_unnamed_secrets(rules)]
    print(verdict.describe())
    for line in excess:
        print(f"too much: {line}")
    unmeasured = [f"{one['tier']}: {one['unmeasured']}" for one in summaries if "unmeasured" in one]
    if unmeasured:
        # Half of what was used is not known, so that nothing can be called unused.
        print("not measured:", *unmeasured, sep="\n")
        return int(bool(verdict.denied or excess))
    return int(not verdict.is_tight or bool(excess))


def main(arguments: list[str]) -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m tests.rights", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check").add_argument("folder", type=Path)
    audit = commands.add_parser("audit")
    audit.add_argument("log", type=Path)
    audit.add_argument("account")
    count = commands.add_parser("count")
    count.add_argument("account")
    count.add_argument("files", type=Path, nargs="+")
    page = commands.add_parser("page")
    page.add_argument("--check", action="store_true")
    page.add_argument("file", type=Path)
    given = parser.parse_args(arguments)
    match given.command:
        case "check":
            return check(given.folder)
        case "audit":
            with given.log.open(encoding="utf-8") as lines:
                print(json.dumps(read_asked(lines, given.account).dump(given.account), indent=1))
        case "count":
            manifests = [one for file in given.files for one in yaml.safe_load_all(file.read_text())]
            rights = rights_of(rules_for(manifests, given.account))
            print(f"{len(rights)} pairs")
            for line in find_excess(rights):
                print(f"too much: {line}")
        case "page":
            return keep_page(arguments[1:], render_page())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
