"""Counting: what belongs to the model, what was lost on the way, and when."""

from pathlib import Path

import pytest

from tests.traffic.answers import Answer, Tail, count, find_longest_gap, format_answer

GOOD = Answer(1.0, 1.1, 200, "v1")
OWN = Answer(2.0, 2.1, 500, "v2")
GATEWAY = Answer(3.0, 3.1, 502)
CUT = Answer(4.0, 4.1, error="ServerDisconnectedError: gone")


@pytest.mark.parametrize(
    ("answer", "ok", "own", "lost"),
    [
        (GOOD, True, False, False),
        (OWN, False, True, False),
        (GATEWAY, False, False, True),
        (CUT, False, False, True),
        (Answer(1.0, 1.1, 404, ""), False, False, True),
        (Answer(1.0, 1.1, 400, "v1"), False, False, True),
    ],
)
def test_every_answer_is_good_or_the_models_failure_or_lost(answer: Answer, ok: bool, own: bool, lost: bool) -> None:
    assert (answer.ok, answer.own_failure, answer.lost) == (ok, own, lost)


def test_tally_keeps_first_and_last_by_version_whatever_the_order() -> None:
    late = Answer(9.0, 9.5, 500, "v2")
    tally = count([late, GOOD, OWN, GATEWAY, CUT])
    assert (tally.requests, tally.own_failures, len(tally.lost)) == (5, 2, 2)
    v2 = tally.of("v2")
    assert (v2.requests, v2.failures, v2.first_bad_at, v2.last_at) == (2, 2, 2.1, 9.5)
    assert tally.of("v1").first_bad_at is None
    assert tally.of("never seen").requests == 0
    assert tally.explain_lost() == "1 x HTTP 502, 1 x ServerDisconnectedError"


def test_longest_gap_is_between_good_answers() -> None:
    assert find_longest_gap([GOOD, CUT, Answer(6.0, 6.1, 200, "v1")]) == pytest.approx(5.0)
    assert find_longest_gap([GOOD]) == 0.0


def test_tail_waits_for_the_second_half_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "answers"
    tail = Tail(path)
    assert tail.read_new() == []
    first, second = format_answer(GOOD), format_answer(OWN)
    path.write_text(first + "\n" + second[:7])
    assert tail.read_new() == [GOOD]
    path.write_text(first + "\n" + second + "\n")
    assert tail.read_new() == [OWN]
    assert tail.read_new() == []
