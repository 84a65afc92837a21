"""Critical cases, metrics, slices and fairness: each number counted by hand."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.checks.bench import JSON, Run, check
from tests.checks.conftest import Serve
from tests.checks.models import RefusedError, build_json_model

Rows = list[dict[str, Any]]


def build_rows(tp: int = 0, fp: int = 0, fn: int = 0, tn: int = 0, **columns: Any) -> Rows:
    """Rows by outcome: x is what the model says, y what is right."""
    pairs = [(1, 1)] * tp + [(1, 0)] * fp + [(0, 1)] * fn + [(0, 0)] * tn
    return [{"x": x, "y": y, **columns} for x, y in pairs]


@pytest.fixture
def ask(serve: Serve, tmp_path: Path) -> Any:
    """Run one check named c against the model that says x."""
    url = serve(build_json_model())

    def run(rows: Sequence[Any], **fields: Any) -> Run:
        done = check(tmp_path, url, [fields], rows, {})
        assert done.code == 0, done.log
        return done

    return run


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("accuracy", 11 / 15),
        ("balanced_accuracy", (6 / 8 + 5 / 7) / 2),
        ("precision", 6 / 8),
        ("recall", 6 / 8),
        ("f1", 0.75),
        ("matthews_corrcoef", (6 * 5 - 2 * 2) / (8 * 8 * 7 * 7) ** 0.5),
        ("cohen_kappa", (11 / 15 - (64 + 49) / 225) / (1 - (64 + 49) / 225)),
    ],
)
def test_metrics_of_labels(ask: Any, metric: str, expected: float) -> None:
    run = ask(build_rows(tp=6, fp=2, fn=2, tn=5), kind="Metric", metric=metric)
    assert run.values["c"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [("mae", 1.5), ("mse", 3.5), ("rmse", 3.5**0.5), ("median_absolute_error", 1.5), ("max_error", 3.0), ("r2", -1.8)],
)
def test_metrics_of_numbers(ask: Any, metric: str, expected: float) -> None:
    """Errors 0, 1, 2 and 3; the labels spread by 1.25 around their mean."""
    rows = [{"x": 1, "y": 1}, {"x": 3, "y": 2}, {"x": 5, "y": 3}, {"x": 7, "y": 4}]
    assert ask(rows, kind="Metric", metric=metric).values["c"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [("roc_auc", 3 / 4), ("brier", (0.01 + 0.49 + 0.16 + 0.04) / 4), ("average_precision", (1 + 2 / 3) / 2)],
)
def test_metrics_of_scores(serve: Serve, tmp_path: Path, metric: str, expected: float) -> None:
    model = build_json_model(lambda row: {"score": row["x"]})
    rows = [{"x": 0.9, "y": 1}, {"x": 0.7, "y": 0}, {"x": 0.6, "y": 1}, {"x": 0.2, "y": 0}]
    one = {"kind": "Metric", "metric": metric}
    run = check(tmp_path, serve(model), [one], rows, {}, target={**JSON, "score": "score"})
    assert run.values["c"] == pytest.approx(expected)


def test_averages_over_classes_with_names(serve: Serve, tmp_path: Path) -> None:
    model = build_json_model(lambda row: ["cat", "dog", "fox"][int(row["x"])])
    rows = [{"x": 0, "y": "cat"}, {"x": 0, "y": "dog"}, {"x": 1, "y": "dog"}, {"x": 2, "y": "fox"}]
    checks = [
        {"kind": "Metric", "metric": "recall", "average": average, "name": average}
        for average in ("macro", "micro", "weighted", "binary")
    ]
    run = check(tmp_path, serve(model), checks, rows, {}, labels={"positive": "dog"})
    expected = {"macro": 2.5 / 3, "micro": 3 / 4, "weighted": 3 / 4, "binary": 1 / 2}
    assert {name: run.values[name] for name in expected} == pytest.approx(expected)


def test_labels_are_the_same_whatever_their_type(serve: Serve, tmp_path: Path) -> None:
    said = [1, 1.0, True, "1", "1.0"]
    run = check(
        tmp_path,
        serve(build_json_model(lambda row: said[int(row["x"])])),
        [{"kind": "Critical"}],
        [{"x": i, "y": "1"} for i in range(5)],
        {},
    )
    assert run.values == {"c": 1, "c_failed": 0}


@pytest.mark.parametrize(("tolerance", "right"), [(0.0, 1), (0.5, 2), (1.0, 3)])
def test_a_critical_number_may_be_off_by_the_tolerance(ask: Any, tolerance: float, right: int) -> None:
    rows = [{"x": 2, "y": 2}, {"x": 2.5, "y": 2}, {"x": 1, "y": 2}]
    assert ask(rows, kind="Critical", tolerance=tolerance).values["c"] == pytest.approx(right / 3)


@pytest.mark.parametrize(
    ("metric", "rows", "reason"),
    [
        ("recall", build_rows(tn=4), "it is not defined for these rows (0 / 0)"),
        ("precision", build_rows(fn=2, tn=2), "it is not defined for these rows (0 / 0)"),
        ("balanced_accuracy", build_rows(tn=4), "all rows have the same label"),
        ("r2", [{"x": 1, "y": 1}], "with less than two samples"),
        ("mae", [{"x": 1, "y": "one"}], "1 of 1 rows have no number as label"),
    ],
)
def test_what_is_not_defined_is_left_out(ask: Any, metric: str, rows: Rows, reason: str) -> None:
    run = ask(rows, kind="Metric", metric=metric)
    assert "c" not in run.values
    assert reason in run.find("c is left out")


def test_slices_have_a_worst_and_a_gap(ask: Any) -> None:
    rows = [
        *build_rows(tp=9, fp=1, region="north", shop="a"),
        *build_rows(tp=6, fp=4, region="south east", shop="a"),
        *build_rows(tp=3, fn=1, region="tiny", shop="b"),
    ]
    run = ask(rows, kind="Slices", metric="accuracy", by=["region", "shop"], minRows=5)
    assert run.values == pytest.approx(
        {
            "c_region_north": 0.9,
            "c_region_south_east": 0.6,
            "c_shop_a": 0.75,
            "c_worst": 0.6,
            "c_gap": 0.3,
            "c_unanswered": 0,
        }
    )
    assert run.find("region tiny: 4 rows, 5 needed")


def test_the_extremes_of_two_columns_make_no_gap(ask: Any) -> None:
    rows = [*build_rows(tp=1, g="a", h=""), *build_rows(fp=1, g="", h="b"), *build_rows(tp=1, fp=1, g="", h="")]
    run = ask(rows, kind="Slices", metric="accuracy", by=["g", "h"], minRows=1)
    assert run.values == pytest.approx(
        {"c_g_a": 1, "c_g_none": 1 / 3, "c_h_b": 0, "c_h_none": 2 / 3, "c_worst": 0, "c_gap": 2 / 3, "c_unanswered": 0}
    )


def test_checks_of_the_same_data_ask_once(serve: Serve, tmp_path: Path) -> None:
    model, asked = build_json_model(), []

    def respond(method: str, path: str, body: Any) -> tuple[int, Any]:
        asked.append(method)
        return model(method, path, body)

    checks = [{"kind": "Critical"}, {"kind": "Metric", "metric": "recall", "name": "r"}]
    assert check(tmp_path, serve(respond), checks, GROUPS, {}).code == 0
    assert asked == ["GET", "POST"]


def test_the_worst_slice_of_an_error_is_the_biggest(ask: Any) -> None:
    rows = [{"x": 1, "y": 2, "g": "a"}, {"x": 1, "y": 4, "g": "b"}]
    run = ask(rows, kind="Slices", metric="mae", by=["g"], minRows=1, each=False)
    assert run.values == {"c_worst": 3, "c_gap": 2, "c_unanswered": 0}


def test_slices_that_would_share_a_name_have_none(ask: Any) -> None:
    rows = [*build_rows(tp=1, g="a b"), *build_rows(fp=1, g="a-b"), *build_rows(tp=1, g="")]
    run = ask(rows, kind="Slices", metric="accuracy", by=["g"], minRows=1)
    assert run.values == {"c_g_none": 1, "c_worst": 0, "c_gap": 1, "c_unanswered": 0}
    assert run.find("c_g_a_b is left out: several parts would have this name")


GROUPS = [*build_rows(tp=8, fn=2, fp=1, tn=9, g="a"), *build_rows(tp=5, fn=5, fp=3, tn=7, g="b")]


def test_fairness_between_two_groups(ask: Any) -> None:
    measures = [
        f"{what}_{how}"
        for what in ("demographic_parity", "equalized_odds", "equal_opportunity")
        for how in ("difference", "ratio")
    ]
    run = ask(GROUPS, kind="Fairness", group="g", measures=measures, metrics=["precision", "accuracy"], minRows=20)
    assert run.values == pytest.approx(
        {
            "c_demographic_parity_difference": 9 / 20 - 8 / 20,
            "c_demographic_parity_ratio": 8 / 9,
            "c_equalized_odds_difference": 0.8 - 0.5,
            "c_equalized_odds_ratio": 1 / 3,
            "c_equal_opportunity_difference": 0.8 - 0.5,
            "c_equal_opportunity_ratio": 5 / 8,
            "c_precision_difference": 8 / 9 - 5 / 8,
            "c_accuracy_difference": 17 / 20 - 12 / 20,
            "c_unanswered": 0,
        }
    )
    assert run.find("group a: 20 rows, 10 are 1, 9 answered 1")


def test_a_small_group_is_not_left_out_in_silence(ask: Any) -> None:
    rows = [*GROUPS, *build_rows(tp=1, tn=1, g="c")]
    run = ask(rows, kind="Fairness", group="g", minRows=20)
    assert run.values == {"c_unanswered": 0}
    assert "fewer than 20 rows in group c (2)" in run.find("c_equalized_odds_difference is left out")
    run = ask(rows, kind="Fairness", group="g", minRows=20, exclude=["c"])
    assert run.values["c_equalized_odds_difference"] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (build_rows(tp=3, tn=3, g="a"), "there are fewer than two groups"),
        (build_rows(tp=3, tn=3, g="a") + build_rows(tn=4, g="b"), "group 'b' has no positive rows"),
        (build_rows(tp=3, tn=3, g="a") + build_rows(tp=4, g="b"), "group 'b' has no negative rows"),
    ],
)
def test_a_rate_of_no_rows_is_no_rate(ask: Any, rows: Rows, reason: str) -> None:
    run = ask(rows, kind="Fairness", group="g", measures=["equalized_odds_difference"], minRows=1)
    assert reason in run.find("c_equalized_odds_difference is left out")


def test_no_answer_to_one_row_makes_only_its_own_slice_unknown(serve: Serve, tmp_path: Path) -> None:
    def answer(row: Any) -> Any:
        if row["x"] == 7:
            raise RefusedError(422)
        return row["x"]

    rows = [*build_rows(tp=3, fp=1, g="a"), *build_rows(tp=2, g="b"), {"x": 7, "y": 1, "g": "b"}]
    slices = {"kind": "Slices", "metric": "accuracy", "by": ["g"], "minRows": 1}
    fair = {"kind": "Fairness", "name": "f", "group": "g", "minRows": 1}
    run = check(tmp_path, serve(build_json_model(answer)), [slices, fair], rows, {})
    assert run.values == {"c_g_a": 0.75, "c_worst": 0.75, "c_unanswered": 1, "f_unanswered": 1}
    assert run.find("c_g_b is left out: 1 of 3 rows have no answer")


@pytest.mark.parametrize(
    "fields", [{"kind": "Slices", "metric": "accuracy", "by": ["nowhere"]}, {"kind": "Fairness", "group": "nowhere"}]
)
def test_a_column_that_is_not_there(serve: Serve, tmp_path: Path, fields: Any) -> None:
    run = check(tmp_path, serve(build_json_model()), [fields], GROUPS, {})
    assert run.code == 64
    assert '"nowhere" is not a column of the data: g, x, y' in run.said
