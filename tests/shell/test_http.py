import asyncio
import json
import math

import aiohttp
import pytest

from serinus.engine.store import Key
from serinus.engine.worker import Turn
from serinus.shell.http import Check, Finding, LoopMonitor, build_app, build_list_checks, serve, unknown_as_nan
from serinus.shell.telemetry import Telemetry
from tests.fakes.clock import FakeClock


async def fetch(port: int, path: str, accept: str = "") -> tuple[int, str, str]:
    headers = {"Accept": accept} if accept else {}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}", headers=headers) as got,
    ):
        return got.status, await got.text(), got.headers["Content-Type"]


def says(well: bool, text: str) -> Check:
    return lambda: Finding(well, text)


async def test_a_probe_is_well_only_if_every_check_is_and_says_what_it_saw() -> None:
    app = build_app([says(True, "a"), says(False, "b")], [says(True, "c")], Telemetry().registry)
    async with serve(app, 0, "127.0.0.1") as port:
        assert (await fetch(port, "/healthz"))[:2] == (503, "[+] a\n[-] b\n")
        assert (await fetch(port, "/readyz"))[:2] == (200, "[+] c\n")
        assert (await fetch(port, "/"))[0] == 404
    with pytest.raises(aiohttp.ClientError):
        await fetch(port, "/readyz")


@pytest.mark.parametrize(
    ("leader", "led_for", "age", "alive", "ready"),
    [
        pytest.param(False, 0.0, None, True, True, id="a standby is alive and ready"),
        pytest.param(False, 0.0, 99999.0, True, True, id="a standby need not list"),
        pytest.param(True, 5.0, None, True, False, id="a new leader is not ready before its first list"),
        pytest.param(True, 901.0, None, False, False, id="a leader that never gets a list is dead"),
        pytest.param(True, 9999.0, 300.0, True, True, id="a leader that listed lately is well"),
        pytest.param(True, 9999.0, 901.0, False, True, id="a leader whose list is old is dead"),
    ],
)
def test_the_list_decides(leader: bool, led_for: float, age: float | None, alive: bool, ready: bool) -> None:
    checks = build_list_checks(lambda: leader, lambda: led_for, lambda: age, limit=900)
    assert [check().well for check in checks] == [alive, ready]


async def test_a_blocked_loop_is_noticed_while_it_is_blocked_and_after() -> None:
    clock = FakeClock()
    monitor = LoopMonitor(clock, interval=0.01)
    assert monitor.lag() == 0
    task = asyncio.create_task(monitor.run())
    await asyncio.sleep(0)
    assert monitor.check().well
    clock.advance(6)
    assert not monitor.check().well
    await asyncio.sleep(0.015)
    assert monitor.lag() == pytest.approx(5.99)
    await asyncio.sleep(0.015)
    assert monitor.check().well
    task.cancel()


async def test_metrics_show_what_was_counted() -> None:
    telemetry = Telemetry()
    telemetry.gauge("serinus_queue_length", "Keys that wait", lambda: 7)
    telemetry.gauge("serinus_list_age_seconds", "Age", lambda: unknown_as_nan(None))
    telemetry.on_request("update", "modeldeployments/status", "200", 0.02)
    telemetry.on_request("update", "modeldeployments/status", "409", 0.02)
    telemetry.on_query("default", "Timeout", 3.0)
    telemetry.on_release("ml", "RolledBack")
    key = Key("ModelDeployment", "ml", "fraud")
    telemetry.on_turn(Turn(key, 0.1, None, 0, None))
    telemetry.on_turn(Turn(key, 0.1, ValueError(), 1, 0.5))
    telemetry.on_turn(Turn(key, 0.1, None, 1, 0.5))
    async with serve(build_app([], [], telemetry.registry), 0, "127.0.0.1") as port:
        status, text, content_type = await fetch(port, "/metrics")
        assert (await fetch(port, "/metrics", "application/openmetrics-text"))[1].endswith("# EOF\n")
    assert (status, content_type.split(";")[0]) == (200, "text/plain")
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values["serinus_queue_length"] == "7.0"
    assert math.isnan(float(values["serinus_list_age_seconds"]))
    assert values['serinus_kube_requests_total{code="409",resource="modeldeployments/status",verb="update"}'] == "1.0"
    assert values['serinus_status_writes_total{resource="modeldeployments"}'] == "1.0"
    assert values['serinus_metric_queries_total{outcome="Timeout",provider="default"}'] == "1.0"
    assert values['serinus_releases_total{namespace="ml",outcome="RolledBack"}'] == "1.0"
    for outcome in ("ok", "error", "retry"):
        assert values[f'serinus_reconcile_seconds_count{{kind="ModelDeployment",outcome="{outcome}"}}'] == "1.0"
    assert "fraud" not in json.dumps(list(values))
