"""Accelerators are counted as a cluster counts them: those of a pod that is ending are not free yet."""

from typing import Any

from tests.bench.release import ACCELERATOR, Good, Other, build_figures, count_accelerators


def pod(phase: str, gpus: int = 1, **metadata: Any) -> dict[str, Any]:
    limits = {ACCELERATOR: str(gpus)} if gpus else {}
    return {
        "metadata": metadata,
        "status": {"phase": phase},
        "spec": {"containers": [{"resources": {"limits": limits}}, {"name": "sidecar"}]},
    }


def test_pending_and_ending_pods_count_and_ended_ones_do_not() -> None:
    pods = [pod("Pending"), pod("Running", 2), pod("Running", deletionTimestamp="now"), pod("Succeeded"), pod("Failed")]
    assert count_accelerators(pods) == 4
    assert count_accelerators([pod("Running", 0), {"metadata": {}, "spec": {"containers": [{}]}}]) == 0


def test_more_accelerators_than_promised_miss_the_target() -> None:
    good = [Good(0.1, 1, 1.2, 9, loads=4, peak=8)]
    others = [Other("BlueGreen", 8, None), Other("InPlace", 5, "3.5s")]
    figures = {figure.name: figure for figure in build_figures(good, others, 1, 0, 100)}
    assert figures["Canary 25, 50 %: accelerators at once, p95"].ok
    assert figures["BlueGreen: accelerators at once"].ok
    assert figures["InPlace: accelerators at once"].ok is False
    assert figures["InPlace: nobody served for"].value == 3.5
