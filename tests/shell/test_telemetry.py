"""What the judge says is on /metrics while it says it, and no longer."""

from prometheus_client import generate_latest

from serinus.core.judge import Verdict
from serinus.core.snapshot import Check, Figure, Judgement
from serinus.engine.store import Key
from serinus.shell.telemetry import Telemetry

KEY = Key("ModelDeployment", "ml", "fraud")


def judgement(*names: str) -> Judgement:
    figures = tuple(Figure(name, Verdict.GOOD, 0.02, None, 100.0, 0.0, 4.605) for name in names)
    return Judgement(Verdict.GOOD, "", Check("True", "", ""), Check("True", "", ""), figures=figures)


def text(telemetry: Telemetry) -> str:
    return generate_latest(telemetry.registry).decode()


def test_a_release_has_series_only_while_it_is_judged() -> None:
    telemetry = Telemetry()
    telemetry.on_judged(KEY, judgement("errors"))
    shown = text(telemetry)
    assert 'serinus_analysis_evidence{metric="errors",name="fraud",namespace="ml"} 0.0100' in shown
    assert 'serinus_analysis_value{metric="errors",name="fraud",namespace="ml",track="candidate"} 0.02' in shown
    assert 'track="stable"} NaN' in shown
    assert 'serinus_analysis_verdict{name="fraud",namespace="ml",verdict="Good"} 1.0' in shown
    telemetry.on_forgotten(KEY)
    telemetry.on_forgotten(KEY)
    assert "fraud" not in text(telemetry)


def test_a_metric_that_is_not_asked_any_more_leaves_nothing_behind() -> None:
    telemetry = Telemetry()
    telemetry.on_judged(KEY, judgement("errors", "latency"))
    telemetry.on_judged(KEY, judgement("errors"))
    assert "latency" not in text(telemetry).split("serinus_analysis_evidence", 1)[1].split("serinus_build")[0]


def test_rollbacks_are_counted_by_reason() -> None:
    telemetry = Telemetry()
    for outcome in ("AnalysisFailed", "Promoted", "AnalysisFailed"):
        telemetry.on_release("ml", outcome)
    assert 'serinus_rollbacks_total{reason="AnalysisFailed"} 2.0' in text(telemetry)
    assert 'reason="Promoted"' not in text(telemetry)
