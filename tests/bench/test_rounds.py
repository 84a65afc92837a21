"""A round is measured from the first bad answer of its own version, and says so when there was none."""

from tests.bench.rounds import Round, build_figures, measure_round
from tests.traffic.answers import Answer
from tests.traffic.route import RouteChange

ANSWERS = [
    Answer(9.0, 9.1, 500, "stable"),
    Answer(10.0, 10.1, 200, "bad-1"),
    Answer(11.0, 11.5, 500, "bad-1"),
    Answer(10.9, 11.0, 500, "bad-1"),
    Answer(12.9, 13.0, 200, "bad-1"),
    Answer(20.0, 20.1, 500, "bad-2"),
]
CHANGES = [
    RouteChange(5.0, {"digits-a": 100}),
    RouteChange(9.5, {"digits-a": 80, "digits-b": 20}),
    RouteChange(12.5, {"digits-a": 100}),
]


def test_a_round_begins_with_the_first_bad_answer_of_its_own_version() -> None:
    assert measure_round("bad-1", "digits-b", ANSWERS, CHANGES) == Round(1.5, 2.0, 4, 2)


def test_a_round_without_a_bad_answer_or_without_weight_is_no_round() -> None:
    assert "none was bad" in str(measure_round("bad-3", "digits-b", ANSWERS, CHANGES))
    assert "never gave digits-c weight" in str(measure_round("bad-1", "digits-c", ANSWERS, CHANGES))
    assert "never gave digits-b weight" in str(measure_round("bad-1", "digits-b", ANSWERS, CHANGES[:2]))


def test_the_target_is_for_the_route_at_p95_and_for_lost_requests() -> None:
    rounds = [Round(2.0, 2.2, 60, 12)] * 18 + [Round(3.5, 3.7, 90, 20)] * 2
    judged = {figure.name: figure.ok for figure in build_figures(rounds, 0) if figure.ok is not None}
    assert judged == {"first bad answer → 0 % in the route, p95": False, "requests lost on the way": True}
    assert build_figures([], 1)[1].value is None
