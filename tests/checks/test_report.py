"""The report keeps to what Kubernetes keeps of a termination message."""

import json
from pathlib import Path

import pytest

from examples.checks.serinus_checks.findings import LIMIT, Finding, build_report
from examples.checks.serinus_checks.metrics import Measured
from tests.checks.bench import check
from tests.checks.conftest import Serve
from tests.checks.models import build_json_model

PARTS = {f"c_part_{i:04}": Measured(0.123456789) for i in range(200)}
SUMMARY = {"c_worst": Measured(0.1), "c_gap": Measured(0.2)}


def test_a_report_of_exactly_the_limit_is_whole() -> None:
    empty = len(json.dumps({"": 1}, separators=(",", ":")))
    name = "a" * (LIMIT - empty)
    report, left_out = build_report({"a": Finding({name: Measured(1.0)}, parts=frozenset((name,)))})
    assert (len(report), left_out) == (LIMIT, [])
    with pytest.raises(Exception, match=f"the report has {LIMIT + 1} bytes and may have {LIMIT}"):
        build_report({"a": Finding({"a" * (LIMIT - empty + 1): Measured(1.0)})})


def test_values_of_single_parts_go_first() -> None:
    report, left_out = build_report({"c": Finding({**PARTS, **SUMMARY}, parts=frozenset(PARTS))})
    assert json.loads(report) == {"c_worst": 0.1, "c_gap": 0.2}
    assert left_out[0].startswith("200 values of single parts are left out of the report: with them it has ")


def test_values_are_rounded_to_nine_digits_and_counts_are_whole() -> None:
    report, _ = build_report({"c": Finding({"a": Measured(0.1 + 0.2), "b": Measured(3.0), "d": Measured(None, "?")})})
    assert report == '{"a":0.3,"b":3}'


def test_slices_give_way_in_a_whole_run(serve: Serve, tmp_path: Path) -> None:
    rows = [{"x": i % 3, "y": 1, "shop": f"shop-with-a-long-name-{i // 3}"} for i in range(300)]
    one = {"kind": "Slices", "metric": "accuracy", "by": ["shop"], "minRows": 3}
    run = check(tmp_path, serve(build_json_model()), [one], rows, {})
    assert run.code == 0
    assert run.values == {"c_worst": pytest.approx(1 / 3), "c_gap": 0, "c_unanswered": 0}
    assert run.find("100 values of single parts are left out of the report")
    assert run.find("c_shop_shop_with_a_long_name_99 = 0.333333333")


def test_too_many_checks_for_one_job(serve: Serve, tmp_path: Path) -> None:
    checks = [{"kind": "Critical", "name": f"check_{i}_{'x' * 40}"} for i in range(50)]
    run = check(tmp_path, serve(build_json_model()), checks, [{"x": 1, "y": 1}], {})
    assert run.code == 64
    assert "bytes and may have 4096: use several Jobs, or shorten check_10_xxx" in run.said
