"""Who serves which host and path on which listener."""

from datetime import UTC, datetime

from serinus.controllers.claims import ClaimIndex
from serinus.engine.store import Key

EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
ONE, TWO = Key("ModelDeployment", "ml", "one"), Key("ModelDeployment", "ml", "two")


def claim(listener: str = "", host: str = "f.example.com") -> tuple[str, str, str, str]:
    return ("gateways/public", host, "PathPrefix:/", listener)


def test_the_older_one_wins_and_the_younger_is_told_who_it_is() -> None:
    index = ClaimIndex()
    assert index.put(TWO, [claim()], LATE) == set()
    assert index.put(ONE, [claim()], EARLY) == {TWO}
    assert index.find_conflict(ONE) is None
    assert index.find_conflict(TWO) == (ONE, claim())


def test_whoever_gives_way_frees_the_other() -> None:
    index = ClaimIndex()
    index.put(ONE, [claim()], EARLY)
    index.put(TWO, [claim()], LATE)
    assert index.put(ONE, [claim(host="g.example.com")], EARLY) == {TWO}
    assert index.find_conflict(TWO) is None
    assert index.drop(ONE) == set()


def test_the_same_age_is_decided_by_name() -> None:
    index = ClaimIndex()
    index.put(TWO, [claim()], EARLY)
    index.put(ONE, [claim()], EARLY)
    assert index.find_conflict(TWO) == (ONE, claim())


def test_two_listeners_of_a_gateway_are_two_places() -> None:
    index = ClaimIndex()
    index.put(ONE, [claim("internal")], EARLY)
    index.put(TWO, [claim("public")], LATE)
    assert index.find_conflict(TWO) is None


def test_all_listeners_include_each() -> None:
    for first, second in (("", "public"), ("public", "")):
        index = ClaimIndex()
        index.put(ONE, [claim(first)], EARLY)
        index.put(TWO, [claim(second)], LATE)
        assert index.find_conflict(ONE) is None
        assert index.find_conflict(TWO) == (ONE, claim(second))
