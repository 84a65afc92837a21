"""The command line: every option has a word, and a wrong one is named."""

import pytest

from examples.monitor.serinus_monitor.errors import MonitorError
from examples.monitor.serinus_monitor.settings import Settings, read_settings

NEEDED = ("--namespace", "ml", "--model", "fraud")


def test_durations_and_lists_are_read_and_the_rest_has_defaults() -> None:
    given = read_settings([*NEEDED, "--window", "10m", "--statistics", "psi, ks", "--quality", "", "--port", "9090"])
    assert (given.window, given.statistics, given.quality, given.port) == (600.0, ("psi", "ks"), (), 9090)
    assert (given.label_delay, given.false_alarm) == (86_400.0, 0.01)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--window", "soon"), "--window 'soon': must be a duration such as 90s, 10m or 24h"),
        (("--window", "0s"), "--window '0s': Input should be greater than or equal to 1"),
        (("--statistics", "psi,magic"), "--statistics 'psi,magic': must be names out of psi, js, ks"),
        (("--statistics", ""), "--statistics ''"),
        (("--quality", "auc"), "--quality 'auc': must be names out of accuracy"),
        (("--false-alarm", "2"), "--false-alarm '2': Input should be less than 0.5"),
        (("--references", "file:///references/"), "must begin with file://, http:// or https://"),
        (("--references", "ftp://host/{digest}"), "must begin with"),
        (("--label-delay", "720h", "--quality-window", "1h"), "--quality-window must be at least 40500s"),
        (("--grace", "2h", "--window", "1m"), "--grace must be at most 64 times --window and --quality-window"),
        (("--port", "99999"), "--port '99999'"),
    ],
)
def test_a_wrong_option_is_named_with_its_value_and_what_would_be_right(options: tuple[str, ...], said: str) -> None:
    with pytest.raises(MonitorError) as raised:
        read_settings([*NEEDED, *options])
    assert said in str(raised.value)


def test_every_option_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_settings(["--help"])
    shown = capsys.readouterr().out
    for name, field in Settings.model_fields.items():
        assert f"--{name.replace('_', '-')}" in shown
        assert field.description
