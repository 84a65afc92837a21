"""`python -m serinus retrain backtest`: a RetrainPolicy over the past of a Prometheus, before it is armed.

It replays triggers, cooldown, budget and blackouts with the very code of the operator, and prints when the policy would
have fired, what would have kept it from training, and what that would have cost. Reads metrics, writes nothing but
lines of text."""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import yaml

from serinus.api.meta import format_duration, format_time, parse_duration
from serinus.api.retrainpolicy import RetrainPolicySpec
from serinus.api.validate import check_retrain_policy
from serinus.controllers.wants import Want, build_reading, build_wants, list_query_problems
from serinus.core.retrain.backtest import Assumed, Backtest, list_left_out, replay_policy
from serinus.core.retrain.cost import accelerators_of
from serinus.core.retrain.looks import next_look
from serinus.core.retrain.reading import Reading
from serinus.metrics.prometheus import PrometheusSource
from serinus.metrics.source import Access, Answer, MetricSource, QueryResult, Series
from serinus.replay import Printer

POINTS: Final = 5_000
"""Moments that one query covers: servers give 11,000 at most."""
_HOUR: Final = timedelta(hours=1)
_WORDS: Final = {"Started": "run starts", "Ended": "run ends", "PassedOver": "passed over"}


class BacktestError(Exception):
    """It cannot be told; the message says why."""


@dataclass(frozen=True)
class Policy:
    """A policy as it stands in a file."""

    name: str
    namespace: str
    spec: RetrainPolicySpec


def read_policy(text: str, namespace: str | None) -> Policy:
    """The one RetrainPolicy in a YAML file. Raises BacktestError where there is not one that could be used."""
    try:
        documents = [one for one in yaml.safe_load_all(text) if isinstance(one, dict)]
    except yaml.YAMLError as error:
        raise BacktestError(f"the file is no YAML: {error}") from error
    found = [one for one in documents if one.get("kind") == "RetrainPolicy"]
    if len(found) != 1:
        raise BacktestError(f"the file must have one RetrainPolicy, not {len(found)}")
    metadata = found[0].get("metadata") or {}
    name, place = str(metadata.get("name", "")), namespace or metadata.get("namespace")
    if not place:
        raise BacktestError("metadata.namespace is missing: give it, or --namespace")
    spec = check_retrain_policy(found[0].get("spec") or {}, name)
    if isinstance(spec, tuple):
        raise BacktestError("; ".join(map(str, spec)))
    problems = [f"{field}: {message}" for field, message in list_query_problems(spec)]
    if problems:
        raise BacktestError("; ".join(problems))
    return Policy(name, str(place), spec)


async def fetch_past(
    source: MetricSource, want: Want, start: datetime, end: datetime, step: timedelta
) -> list[Reading]:
    """What each look at a trigger would have given. Raises BacktestError where the server does not answer."""
    frames: dict[str, dict[float, list[Series]]] = {}
    for query in want.queries:
        frames[query] = await _fetch_frames(source, query, start, end, step)
    looks: list[Reading] = []
    at = start
    while at <= end:
        found: Mapping[str, QueryResult] = {
            query: Answer(tuple(frames[query].get(round(at.timestamp(), 3), ()))) for query in want.queries
        }
        looks.append(build_reading(want, found, at))
        at += step
    return looks


async def run_backtest(
    source: MetricSource,
    policy: Policy,
    start: datetime,
    end: datetime,
    *,
    assumed: Assumed,
    step: timedelta | None,
    revision: str | None = None,
) -> Backtest:
    """Fetch the past and replay it."""
    due = next_look(policy.spec, (), start)
    wants, _ = build_wants(policy.spec, policy.namespace, revision, due, start)
    past = {want.name: await fetch_past(source, want, start, end, step or want.period) for want in wants}
    return replay_policy(policy.spec, past, start, end, assumed)


async def _fetch_frames(
    source: MetricSource, query: str, start: datetime, end: datetime, step: timedelta
) -> dict[float, list[Series]]:
    frames: dict[float, list[Series]] = {}
    begin = start
    while begin <= end:
        until = min(begin + (POINTS - 1) * step, end)
        result = await source.fetch_history(query, begin, until, step.total_seconds())
        if not isinstance(result, Answer):
            raise BacktestError(f"{query}: {result.reason}: {result.message}")
        for series in result.series:
            for sample in series.samples:
                frames.setdefault(round(sample.timestamp, 3), []).append(Series(series.labels, (sample,)))
        begin = until + step
    return frames


def describe(policy: Policy, found: Backtest, start: datetime, end: datetime, assumed: Assumed) -> dict[str, Any]:
    """Everything as one JSON object."""
    fired, cleared = found.count("Fired"), found.count("Cleared")
    hours = [_hours_of(assumed) for _ in found.runs]
    return {
        "policy": f"{policy.namespace}/{policy.name}",
        "from": format_time(start),
        "to": format_time(end),
        "assumed": {
            "runTime": format_duration(assumed.takes),
            "outcome": "Succeeded" if assumed.succeeds else "Failed",
            "accelerators": assumed.accelerators,
        },
        "triggers": [
            {
                "name": name,
                "looks": one.looks,
                "known": one.known,
                "unknown": dict(one.unknown),
                "knownSince": format_time(one.since) if one.since else None,
                "fired": fired[name],
                "cleared": cleared[name],
            }
            for name, one in found.coverage.items()
        ],
        "schedules": {one.name: fired[one.name] for one in policy.spec.triggers if one.schedule is not None},
        "leftOut": list(list_left_out(policy.spec)),
        "happenings": [
            {"at": format_time(one.at), "what": one.what, "subject": one.subject, "message": one.message}
            for one in found.happenings
        ],
        "runs": len(found.runs),
        "held": dict(found.count("Held")),
        "acceleratorHours": round(sum(hours), 3),
    }


def render(told: Mapping[str, Any]) -> list[str]:
    """The same as lines for people."""
    assumed = told["assumed"]
    lines = [f"{told['policy']} from {told['from']} to {told['to']}, as in mode Automatic", ""]
    for one in told["happenings"]:
        moment = one["at"].replace("T", " ")[:16]
        lines.append(
            f"{moment}Z  {_WORDS.get(one['what'], one['what'].lower()):11}  {one['subject']:18}  {one['message']}"
        )
    lines += ["", "what is known of the past:"]
    for one in told["triggers"]:
        why = ", ".join(f"{reason} {count}" for reason, count in sorted(one["unknown"].items()))
        since = f", from {one['knownSince']} on" if one["knownSince"] else ""
        lines.append(
            f"  {one['name']}: {one['known']} of {one['looks']} looks{since}{f' ({why})' if why else ''};"
            f" fired {one['fired']}, cleared {one['cleared']}"
            + ("" if one["known"] else ": NOT TESTED, there is no history of it")
        )
    lines += [f"  {name}: fired {count}" for name, count in told["schedules"].items()]
    lines += [f"  {name}: left out, its past is not in Prometheus" for name in told["leftOut"]]
    held = ", ".join(f"{reason} {count}" for reason, count in sorted(told["held"].items())) or "nothing"
    lines += [
        "",
        f"runs: {told['runs']}, {told['acceleratorHours']:g} accelerator-hours ({assumed['accelerators']} accelerators"
        f" for {assumed['runTime']} each, every run {assumed['outcome']})",
        f"kept from starting by: {held}",
        "not replayed: releases and rollbacks of the ModelDeployment, and that a new model might have done better",
    ]
    return lines


def _hours_of(assumed: Assumed) -> float:
    return assumed.accelerators * (assumed.takes / _HOUR)


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(prog="python -m serinus retrain")
    backtest = parser.add_subparsers(dest="command", required=True).add_parser(
        "backtest", help="replay a RetrainPolicy over the past of a Prometheus", description=__doc__
    )
    add = backtest.add_argument
    add("-f", "--file", required=True, type=Path, help="YAML file with the RetrainPolicy")
    add("--prometheus", required=True, help="address of the Prometheus, such as http://localhost:9090")
    add("--days", default=30.0, type=float, help="how many days to replay (default 30)")
    add("--end", type=_moment, help="until when, such as 2026-11-24T10:00:00Z (default now)")
    add("--namespace", help="namespace that queries are confined to (default metadata.namespace)")
    add("--revision", help="what {{revision}} stands for in queries (default: none that exists)")
    add("--step", type=parse_duration, help="how far looks are apart (default: the window of each trigger)")
    add("--run-time", type=parse_duration, help="how long a run takes (default: spec.activeDeadline)")
    add("--outcome", choices=("Succeeded", "Failed"), default="Succeeded", help="how runs end (default Succeeded)")
    add("--token-file", type=Path, help="file with a bearer token")
    add("--ca-file", type=Path, help="file with the certificates that the server's is signed by")
    add("--timeout", default="30s", type=parse_duration, help="patience with each query (default 30s)")
    add("--json", action="store_true", help="print one JSON object instead of a table")
    return parser


def main(arguments: Sequence[str], out: Printer | None = None) -> int:
    """Run the command; 0 replayed, 1 the past cannot be read, 2 wrong arguments or policy."""
    given = build_parser().parse_args(arguments)
    try:
        policy = read_policy(given.file.read_text(), given.namespace)
    except (OSError, UnicodeDecodeError, BacktestError) as error:
        print(f"serinus: {given.file}: {error}", file=sys.stderr)
        return 2
    if given.days <= 0 or (given.step is not None and given.step <= timedelta(0)):
        print("serinus: --days and --step must be more than 0", file=sys.stderr)
        return 2
    end = (given.end or datetime.now(UTC)).replace(microsecond=0)
    start = end - timedelta(days=given.days)
    takes = given.run_time or parse_duration(policy.spec.active_deadline)
    assumed = Assumed(takes, given.outcome == "Succeeded", accelerators_of(policy.spec.template))

    async def read_access(renew: bool) -> Access:
        token, authorities = (path.read_text() if path else None for path in (given.token_file, given.ca_file))
        return Access(token.strip() if token else None, authorities)

    async def run() -> Backtest:
        source = PrometheusSource(given.prometheus, timeout=given.timeout.total_seconds(), access=read_access)
        try:
            return await run_backtest(
                source, policy, start, end, assumed=assumed, step=given.step, revision=given.revision
            )
        finally:
            source.close()

    try:
        told = describe(policy, asyncio.run(run()), start, end, assumed)
    except (BacktestError, OSError) as error:
        print(f"serinus: {error}", file=sys.stderr)
        return 1
    out = out or Printer()
    for line in [json.dumps(told)] if given.json else render(told):
        out.print(line)
    return 0


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text} has no time zone: add Z for UTC")
    return moment
