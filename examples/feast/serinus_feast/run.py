"""One run: open the repository, answer one question, and leave the answer where Kubernetes finds it."""

import argparse
import json
import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NoReturn

from .errors import ConfigError, DataError, FeastError, MissingError
from .freshness import measure_freshness
from .schema import build_schema
from .snapshot import take_snapshot

Say = Callable[[str], None]

WORD: Final = "/dev/termination-log"
AWAY: Final = 75
LIMIT: Final = 4096
"""Bytes of a termination message that Kubernetes keeps."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def run(arguments: Sequence[str], env: Mapping[str, str], say: Say) -> int:
    """Answer what `arguments` ask; the exit code. The answer, or the reason for any code but 0, is the termination
    message, and the answer is printed as well."""
    try:
        text = json.dumps(answer(_parse(arguments)), sort_keys=True)
        if len(text.encode()) > LIMIT:
            raise DataError(
                f"the answer has {len(text.encode()):,} bytes, more than the {LIMIT} of a termination message"
            )
    except FeastError as error:
        code, text = error.exit_code, str(error)
    except Exception as error:
        # Most often a store that does not answer; Jobs of gates are tried again for that.
        say(traceback.format_exc())
        code, text = AWAY, f"{type(error).__name__}: {error}"
    else:
        code = 0
    say(text if code == 0 else f"exit code {code}: {text}")
    with suppress(OSError):
        Path(env.get("SERINUS_TERMINATION_LOG", WORD)).write_bytes(text.encode()[:LIMIT])
    return code


def answer(asked: argparse.Namespace) -> dict[str, Any]:
    """The part of a run's results that was asked for; FeastError where there is none."""
    store, service = open_service(asked.repo, asked.service)
    if asked.task == "schema":
        try:
            schema = build_schema(service, full_names=asked.full_names)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        if asked.out is None:
            return {"schema": schema}
        asked.out.write_text(json.dumps(schema, indent=2))
        return {"schema_file": str(asked.out)}
    if asked.task == "freshness":
        found = measure_freshness(store, service, datetime.now(UTC), asked.newest_within)
        oldest = found.get("oldest_age_seconds")
        return {"data": {"freshness": found}} | ({} if oldest is None else {"value": oldest})
    taken = take_snapshot(
        store, service, asked.entities, asked.at or datetime.now(UTC).replace(microsecond=0), asked.out
    )
    found = {"id": taken.id, "digest": taken.digest, "rows": taken.rows, "reference": f"sha256:{taken.reference}"}
    return {"data": found if taken.null_ratio is None else {**found, "null_ratio": taken.null_ratio}}


def open_service(repo: Path, name: str) -> tuple[Any, Any]:
    """The store of a repository and one of its feature services."""
    if not (repo / "feature_store.yaml").is_file():
        raise ConfigError(f"--repo {repo} holds no feature_store.yaml")
    os.environ.setdefault("FEAST_USAGE", "False")
    from feast import FeatureStore
    from feast.errors import FeatureServiceNotFoundException

    store = FeatureStore(repo_path=str(repo))
    try:
        return store, store.get_feature_service(name)
    except FeatureServiceNotFoundException as error:
        known = ", ".join(sorted(service.name for service in store.list_feature_services())[:20]) or "none"
        raise MissingError(f"project {store.project} has no feature service {name}; known: {known}") from error


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(prog="serinus_feast")
    tasks = parser.add_subparsers(dest="task", required=True, parser_class=_Parser)
    schema = tasks.add_parser("schema", help="the features of a service as JSON Schema")
    schema.add_argument("--full-names", action="store_true", help="VIEW__FEATURE instead of FEATURE")
    schema.add_argument("--out", type=Path, help="write it to this file instead of answering with it")
    freshness = tasks.add_parser("freshness", help="how old the features are")
    freshness.add_argument(
        "--newest-within",
        type=_read_seconds,
        help="seconds; also look for the newest rows of the offline store within them",
    )
    snapshot = tasks.add_parser("snapshot", help="what names the data to train with")
    snapshot.add_argument("--entities", type=Path, required=True, help="Parquet or CSV: join keys and event_timestamp")
    snapshot.add_argument("--at", type=_read_time, help="as of when, RFC 3339; now without it")
    snapshot.add_argument("--out", type=Path, help="retrieve the features into this Parquet file")
    for task in (schema, freshness, snapshot):
        task.add_argument("--repo", type=Path, default=Path("/repo"), help="folder with feature_store.yaml")
        task.add_argument("--service", required=True, help="the feature service")
    return parser.parse_args(list(arguments))


def _read_seconds(text: str) -> timedelta:
    return timedelta(seconds=float(text))


def _read_time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text} has no time zone")
    return moment.astimezone(UTC)
