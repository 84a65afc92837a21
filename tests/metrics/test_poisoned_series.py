"""Series that a tenant makes up about the canary of another team, in a real Prometheus: what the operator's own queries
see of them.

Mallory has two pods that are scraped. Both export whatever the victim's pods and the gateway export, by the same names
and with the same labels, those of the target too: one says that all is well, the other that all is bad."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from serinus.core.counters import BAD, TOTAL, Point
from serinus.metrics.profiles import GATEWAYS, GRPC_GATEWAYS
from tests.metrics.points import add_up
from tests.metrics.real_prometheus import build_job, read_points, run_prometheus, serve_files
from tests.metrics.test_profiles_in_prometheus import CASES, EXPOSITIONS, Case

pytestmark = pytest.mark.cluster

Lie = Literal["well", "bad"]
LIES: tuple[Lie, ...] = ("well", "bad")
POD = {"namespace": "shop", "pod": "fraud-new-5d4f8c-x2x7k"}
GATEWAY = {"namespace": "gateways", "pod": "gateway-6c9f-k2v4m", "job": "gateway"}
GIVEN = (("job", "gateway"), ("namespace", "gateways"))
"""`spec.gatewayLabels` of the MetricsProvider."""
AT_GATEWAYS = {*GATEWAYS.values(), *GRPC_GATEWAYS.values()}
AT_PODS = [case for case in CASES if case.profile not in AT_GATEWAYS]
BEFORE_PODS = [case for case in CASES if case.profile in AT_GATEWAYS and case.sums]
SHOWN = ("http.written", "envoy-gateway-1.9.1", "traefik-3.7.15")
OFTEN = 99
_SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)")
_FAILED = re.compile(r'code(?:_class)?="5|status(?:_code)?="5')


def forge(line: str, lie: Lie, labels: dict[str, str]) -> str:
    """A line of an exposition with the labels of somebody else's target, and other figures."""
    found = _SAMPLE.match(line)
    if found is None:
        return line
    name, own, value = found.groups()
    kept = re.sub(rf'(?:^|,)\s*(?:{"|".join(labels)})="[^"]*"', "", own or "").strip(",")
    failed = bool(_FAILED.search(kept))
    often = OFTEN if failed == (lie == "bad") else 0 if failed else 1
    said = ",".join([*(f'{label}="{text}"' for label, text in labels.items()), *([kept] if kept else [])])
    return f"{name}{{{said}}} {float(value) * often + 1}"


def is_at_gateway(file: Path) -> bool:
    return any(case.file == file.stem and case.profile in AT_GATEWAYS for case in CASES)


@pytest.fixture(scope="module")
def expositions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those of the others, and what mallory makes of them."""
    folder = tmp_path_factory.mktemp("expositions")
    for file in EXPOSITIONS.glob("*.txt"):
        lines = file.read_text().splitlines()
        (folder / file.name).write_text("\n".join([*lines, ""]))
        for lie in LIES:
            labels = GATEWAY if is_at_gateway(file) else POD | {"job": "pods"}
            (folder / f"{file.stem}.{lie}.txt").write_text("\n".join([*(forge(one, lie, labels) for one in lines), ""]))
    return folder


@pytest.fixture(scope="module")
def run(expositions: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[str]:
    """A Prometheus that has scraped the gateways, the victim's pods and mallory's; `honor_labels` is the parameter."""
    with serve_files(expositions) as address:
        jobs: list[dict[str, Any]] = []
        for file in sorted(EXPOSITIONS.glob("*.txt")):
            honest = GATEWAY if is_at_gateway(file) else POD | {"job": "pods"}
            jobs.append(build_job(file.stem, address, file.name, honest | {"instance": f"honest/{file.stem}"}))
            for lie in LIES:
                own = {"namespace": "mallory", "pod": f"{lie}-7d9c-x8k2p", "job": "pods"}
                own["instance"] = f"{lie}/{file.stem}"
                jobs.append(build_job(f"{file.stem}-{lie}", address, f"{file.stem}.{lie}.txt", own))
        with run_prometheus(tmp_path_factory.mktemp("prometheus"), [j | request.param for j in jobs]) as url:
            yield url


kept_apart = pytest.mark.parametrize("run", [{"honor_labels": False}], indirect=True, scope="module", ids=["apart"])
believed = pytest.mark.parametrize("run", [{"honor_labels": True}], indirect=True, scope="module", ids=["believed"])


async def read(url: str, case: Case, given: tuple[tuple[str, str], ...] = ()) -> Sequence[Point]:
    """What the operator takes for the target's, by the query that it sends."""
    profile = replace(case.profile, given=given)
    targets = sorted({case.target, *(other.target for other in CASES if other.profile is case.profile)})
    return await read_points(url, profile, case.signal, case.target, targets)


def read_share(points: Sequence[Point], *liars: Lie) -> float:
    """The share of failed requests, as it would be with only these of mallory's pods."""
    sums = add_up([point for point in points if said_by(point) in ("honest", *liars)])
    return sums[BAD] / sums[TOTAL]


def said_by(point: Point) -> str:
    return point.source.partition("/")[0]


def is_true(points: Sequence[Point], case: Case) -> bool:
    sums = add_up(points)
    return {key: sums.get(key) for key in case.sums} == case.sums


def name(case: Case) -> str:
    return f"{case.file}-{case.signal}-{case.target.revision}"


@kept_apart
@pytest.mark.parametrize("case", AT_PODS, ids=name)
async def test_nobody_speaks_for_the_pods_of_another_team(run: str, case: Case) -> None:
    points = await read(run, case)
    assert is_true(points, case)
    assert {said_by(point) for point in points} <= {"honest"}


@kept_apart
@pytest.mark.parametrize("case", BEFORE_PODS, ids=name)
async def test_nobody_speaks_for_a_gateway_whose_labels_are_known(run: str, case: Case) -> None:
    points = await read(run, case, GIVEN)
    assert is_true(points, case)
    assert {said_by(point) for point in points} <= {"honest"}


@kept_apart
@pytest.mark.parametrize("case", BEFORE_PODS, ids=name)
async def test_whoever_is_scraped_speaks_for_a_gateway_whose_labels_are_not_known(run: str, case: Case) -> None:
    """What a gateway counts names the revision in labels of its own, so `honor_labels` is no help: the reason why there
    are gatewayLabels."""
    assert not is_true(await read(run, case), case)


@believed
@pytest.mark.parametrize("case", AT_PODS, ids=name)
async def test_labels_that_are_honored_let_anybody_speak_for_the_pods(run: str, case: Case) -> None:
    assert not is_true(await read(run, case), case)


@believed
@pytest.mark.parametrize("case", BEFORE_PODS, ids=name)
async def test_labels_that_are_honored_let_anybody_speak_for_the_gateway(run: str, case: Case) -> None:
    assert not is_true(await read(run, case, GIVEN), case)


@believed
@pytest.mark.parametrize("case", [one for one in CASES if one.file in SHOWN and BAD in one.sums], ids=name)
async def test_what_is_made_up_would_have_turned_the_figures(run: str, case: Case) -> None:
    """The attack is one: believed, each of the two pods makes a release of another team look as it likes."""
    points = await read(run, case, GIVEN if case.profile in AT_GATEWAYS else ())
    truth = case.sums[BAD] / case.sums[TOTAL]
    assert read_share(points) == pytest.approx(truth)
    assert read_share(points, "well") < truth / 4
    assert read_share(points, "bad") > max(1.5 * truth, 0.3)


def test_no_gateway_is_left_out_but_one_that_was_never_read() -> None:
    untried = AT_GATEWAYS - {case.profile for case in BEFORE_PODS}
    assert {profile.name for profile in untried if profile.signals} == {"Envoy"}
