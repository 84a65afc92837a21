"""One run: read what is asked for, ask the model, report. Bounds are none of its business: Serinus judges."""

import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from .client import ModelClient
from .config import Check
from .context import Context
from .errors import MEASURED, CheckError, ConfigError, UnacceptableError
from .fairness import check_fairness
from .findings import LIMIT, Finding, build_report
from .latency import check_latency
from .quality import check_critical, check_metric
from .robustness import check_robustness
from .schema import check_schema
from .settings import Settings, read_config, read_settings, results_path
from .slices import check_slices

Say = Callable[[str], None]

CHECKS: Final[Mapping[str, Callable[[Any, Context], Finding]]] = {
    "Schema": check_schema,
    "Critical": check_critical,
    "Metric": check_metric,
    "Slices": check_slices,
    "Fairness": check_fairness,
    "Robustness": check_robustness,
    "Latency": check_latency,
}


def run(env: Mapping[str, str], say: Say) -> int:
    """Measure and report; the exit code. Without a report, the reason stands in its place for Serinus to show."""
    try:
        settings = read_settings(env)
        _write(settings.results, "")
        _write(settings.results, measure(settings, say))
    except CheckError as error:
        code, reason = error.exit_code, str(error)
    except Exception as error:
        # A fault of this program says nothing of the model, and must not reject it.
        say(traceback.format_exc())
        code, reason = ConfigError.exit_code, f"the checks themselves failed: {type(error).__name__}: {error}"
    else:
        return MEASURED
    say(f"exit code {code}: {reason}")
    with suppress(ConfigError):
        _write(results_path(env), reason.encode()[:LIMIT].decode(errors="ignore"))
    return code


def measure(settings: Settings, say: Say) -> str:
    """Run every check and build the report."""
    config = read_config(settings.config)
    say(_introduce(settings))
    with ModelClient(settings.url, config) as model:
        context = Context(config, settings.config.parent, model)
        context.load()
        model.wait_until_reachable()
        findings = {check.name: _run_check(check, context, say) for check in config.checks}
    broken = [finding.broken for finding in findings.values() if finding.broken]
    if broken and settings.target == "candidate":
        raise UnacceptableError("; ".join(broken))
    for reason in broken:
        say(f"mustPass is about the candidate, and this is stable: {reason}")
    report, left_out = build_report(findings)
    for line in (*left_out, f"report ({len(report)} bytes): {report}"):
        say(line)
    return report


def _run_check(check: Check, context: Context, say: Say) -> Finding:
    say(f"{check.name}: {check.kind} with {context.config.data[check.data].file}{_count(check, context)}")
    finding = CHECKS[check.kind](check, context)
    for line in finding.describe():
        say(f"  {line}")
    return finding


def _count(check: Check, context: Context) -> str:
    return "" if check.kind == "Schema" else f", {len(context.rows(check.data))} rows"


def _introduce(settings: Settings) -> str:
    model = f", model {settings.model_uri} {settings.model_digest}".rstrip() if settings.model_uri else ""
    return f"checks of {settings.target} {settings.revision} at {settings.url}{model}"


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}; SERINUS_RESULTS names another file for the results"
        ) from error
