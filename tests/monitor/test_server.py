"""What senders, training and Prometheus see over HTTP."""

import asyncio
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from examples.monitor.serinus_monitor.monitor import Stable
from tests.monitor.bench import START, lines, make_features
from tests.monitor.conftest import Open, Stand

CONTRACT = {
    "model_drift_score": {"statistic", "feature"},
    "model_drift_threshold": {"statistic", "feature"},
    "model_drift_window_samples": set(),
    "model_drift_window_end_timestamp_seconds": set(),
    "model_drift_window_seconds": set(),
    "model_drift_reference_info": {"reference_digest"},
    "model_quality": {"metric", "slice"},
    "model_quality_samples": set(),
    "model_label_coverage_ratio": set(),
}
"""Series that policies may rely on, with their labels beside namespace, model and version."""


def read(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def reference(rows: int = 1000, seed: int = 1) -> bytes:
    return lines({"features": row} for row in make_features(np.random.default_rng(seed), rows))


def predictions(time: float, rows: int = 200, prefix: str = "p") -> bytes:
    features = make_features(np.random.default_rng(4), rows)
    return lines(
        {"id": f"{prefix}{n}", "time": time, "features": row, "prediction": 1, "slice": "region=eu"}
        for n, row in enumerate(features)
    )


def list_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def fill(stand: Stand, until: float = START + 185) -> None:
    """A minute of predictions, most of them labelled, and the time until its windows are over."""
    stand.now = START + 10
    assert (await stand.post("/predictions", predictions(START + 10)))[0] == 200
    assert (await stand.post("/labels", lines({"id": f"p{n}", "label": 1} for n in range(160))))[0] == 200
    stand.now = until
    await stand.service.close()


async def test_the_contract_is_exported_with_its_labels_and_nothing_else_about_the_model(open_monitor: Open) -> None:
    stand = await open_monitor(label_delay=5.0)
    assert (await stand.post("/references/sha256:aa", reference(), "PUT"))[0] == 201
    await fill(stand, until=START + 65)
    found = read(await stand.scrape())
    common = {"namespace", "model", "version"}
    for name, labels in CONTRACT.items():
        assert name in found, name
        for given, _ in found[name]:
            assert set(given) == common | labels
            assert (given["namespace"], given["model"], given["version"]) == ("ml", "fraud", "v1")
    others = {name for name in found if not name.startswith("process_")} - CONTRACT.keys()
    assert others == {
        "model_monitor_reference_loaded",
        "model_monitor_rows_total",
        "model_quality_window_seconds",
        "model_quality_window_end_timestamp_seconds",
    }
    one = [given for given, _ in found["model_drift_score"] if given["feature"] == "_max"]
    assert sorted(given["statistic"] for given in one) == ["js", "ks", "psi"], "one series for each statistic"
    assert found["model_drift_reference_info"] == [
        ({"namespace": "ml", "model": "fraud", "version": "v1", "reference_digest": "sha256:aa"}, 1.0)
    ]


async def test_quality_and_coverage_are_those_of_the_labels_that_came(open_monitor: Open) -> None:
    stand = await open_monitor()
    await fill(stand)
    found = read(await stand.scrape())
    assert found["model_quality_samples"][0][1] == 160
    assert found["model_label_coverage_ratio"][0][1] == 0.8
    values = {(labels["metric"], labels["slice"]): value for labels, value in found["model_quality"]}
    assert values["accuracy", "_all"] == values["accuracy", "region=eu"] == 1.0
    assert found["model_quality_window_end_timestamp_seconds"][0][1] == START + 60


async def test_without_a_reference_there_is_no_drift_and_it_is_said_everywhere(open_monitor: Open) -> None:
    stand = await open_monitor()
    await fill(stand)
    found = read(await stand.scrape())
    assert "model_drift_score" not in found
    assert "model_drift_threshold" not in found
    assert "model_drift_reference_info" not in found
    assert found["model_monitor_reference_loaded"][0][1] == 0
    said = [line for line in stand.log if "no drift is measured" in line]
    assert len(said) == 1
    assert "sha256-aa.jsonl" in said[0]
    async with stand.client.get("/readyz") as answer:
        assert answer.status == 200, "else no reference could be brought"
        assert "sha256-aa.jsonl" in (await answer.json())["referenceProblem"]
    await stand.service.follow()
    assert len([line for line in stand.log if "no drift is measured" in line]) == 1, "once, not at every look"


async def test_the_reference_follows_promotion(open_monitor: Open) -> None:
    stand = await open_monitor()
    await stand.post("/references/sha256:aa", reference(), "PUT")
    await stand.post("/references/sha256:bb", reference(seed=2), "PUT")
    await fill(stand)
    stand.source.stable = Stable("v2", "sha256:bb", START + 100)
    await stand.service.follow()
    found = read(await stand.scrape())
    assert {given["version"] for given, _ in found["model_drift_reference_info"]} == {"v2"}
    assert found["model_drift_reference_info"][0][0]["reference_digest"] == "sha256:bb"
    assert "model_drift_window_samples" not in found, "what was measured of v1 says nothing of v2"
    assert "model_quality" not in found


async def test_a_version_that_cannot_be_told_for_a_while_is_the_last_one(open_monitor: Open) -> None:
    stand = await open_monitor()
    stand.source.stable = "GET https://10.96.0.1:443: no answer"
    await stand.service.follow()
    await stand.service.follow()
    assert (await stand.post("/predictions", predictions(START)))[0] == 200
    assert stand.log.count("GET https://10.96.0.1:443: no answer") == 1


async def test_before_any_version_is_known_senders_are_told_to_come_again(open_monitor: Open) -> None:
    stand = await open_monitor()
    stand.service.monitor.stable = None
    stand.source.stable = "ModelDeployment fraud has no stable revision yet"
    await stand.service.follow()
    for path in ("/predictions", "/labels"):
        assert await stand.post(path, b"") == (503, "ModelDeployment fraud has no stable revision yet\n")
    assert "model_" not in (await stand.scrape()).replace("process_", "")


async def test_wrong_lines_are_answered_with_their_numbers_and_the_others_are_kept(open_monitor: Open) -> None:
    stand = await open_monitor()
    status, text = await stand.post("/predictions", b"nonsense\n" + predictions(START, rows=3))
    assert status == 200
    body = json.loads(text)
    assert (body["rejected"], body["no_reference"]) == (1, 3)
    assert body["mistakes"][0].startswith("line 1: ")
    status, text = await stand.post("/labels", b"nonsense")
    assert status == 400
    assert json.loads(text)["rejected"] == 1
    assert 'model_monitor_rows_total{kind="label"' in await stand.scrape()


@pytest.mark.parametrize("path", ["/predictions", "/labels"])
async def test_a_body_has_a_bound_also_after_it_was_unpacked(open_monitor: Open, path: str) -> None:
    stand = await open_monitor(max_body=2000)
    assert (await stand.post(path, b" " * 2001))[0] == 413
    assert (await stand.post(path, gzip.compress(b" " * 1_000_000), **{"Content-Encoding": "gzip"}))[0] in (400, 413)
    assert (await stand.post(path, b" " * 2000))[0] == 200


async def test_a_reference_is_checked_before_it_is_kept_and_never_replaced(open_monitor: Open) -> None:
    stand = await open_monitor(max_references=2)
    put = "/references/sha256:cc"
    status, text = await stand.post(put, b"{}\n", "PUT")
    assert status == 400
    assert "features: Field required" in text
    assert not stand.folder.exists()
    assert (await stand.post(put, reference(), "PUT"))[0] == 201
    assert (await stand.post(put, reference(), "PUT"))[0] == 200
    status, text = await stand.post(put, reference(seed=2), "PUT")
    assert (status, text) == (409, "there is another reference sha256-cc.jsonl already\n")
    assert (await stand.post("/references/d", reference(), "PUT"))[0] == 201
    assert (await stand.post("/references/e", reference(), "PUT"))[0] == 507
    assert sorted(path.name for path in stand.folder.iterdir()) == ["d.jsonl", "sha256-cc.jsonl"]


@pytest.mark.parametrize("name", ["..%2F..%2Fetc%2Fpasswd", ".hidden", "a" * 300, "%00", "..", "%2Fetc%2Fx", ""])
async def test_what_is_no_name_of_a_reference_is_refused(open_monitor: Open, name: str, tmp_path: Path) -> None:
    stand = await open_monitor()
    assert (await stand.post(f"/references/{name}", reference(), "PUT"))[0] in (400, 404, 405)
    assert list_files(tmp_path) == []


async def test_a_name_never_leads_out_of_the_folder(open_monitor: Open, tmp_path: Path) -> None:
    stand = await open_monitor()
    for name in ("a%2F..%2F..%2Fb", "a%5Cb", "a%20b%3Fc", "a%00b"):
        await stand.post(f"/references/{name}", reference(), "PUT")
    assert {path.parent for path in list_files(tmp_path)} == {stand.folder}


async def test_references_of_a_server_are_fetched_and_cannot_be_put(open_monitor: Open) -> None:
    source = await open_monitor()
    asked = str(source.client.make_url("/readyz"))
    stand = await open_monitor(references=asked + "?{digest}")
    assert any("no drift is measured" in line and "sha256:aa" in line for line in stand.log), "that is no reference"
    assert (await stand.post("/references/sha256:aa", reference(), "PUT"))[0] == 405
    stand = await open_monitor(references=str(source.client.make_url("/none/")) + "{digest}")
    assert any("HTTP 404" in line for line in stand.log)
    stand = await open_monitor(references=asked + "?{digest}", max_body=1024)
    assert stand.service.monitor.reference is None


async def test_with_a_token_file_only_its_holders_may_send_and_all_may_read(open_monitor: Open, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    stand = await open_monitor(token_file=tmp_path / "token")
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret"}):
        assert (await stand.post("/predictions", b"", **headers))[0] == 401
        assert (await stand.post("/references/a", reference(), "PUT", **headers))[0] == 401
    assert (await stand.post("/predictions", b"", Authorization="Bearer secret"))[0] == 200
    await stand.scrape()


async def test_while_a_threshold_is_calculated_rows_are_taken_and_a_promotion_wins(open_monitor: Open) -> None:
    stand = await open_monitor()
    await stand.post("/references/sha256:aa", reference(), "PUT")
    stand.now = START + 10
    await stand.post("/predictions", predictions(START + 10))
    stand.now = START + 65
    closing = asyncio.create_task(stand.service.close())
    await asyncio.sleep(0)
    status, _ = await stand.post("/predictions", predictions(START + 64, prefix="q"))
    assert status == 200
    stand.source.stable = Stable("v2", "sha256:bb", START + 64)
    await stand.service.follow()
    await closing
    assert stand.service.monitor.drift is None, "it was about v1"
