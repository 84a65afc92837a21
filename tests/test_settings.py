import pytest
from pydantic import ValidationError

from serinus.settings import SettingsError, load_settings


def test_without_variables_the_defaults_of_a_pod_hold() -> None:
    settings = load_settings({})
    assert settings.namespace == "serinus-system"
    assert settings.watch_namespaces == ()
    assert settings.mlflow_writable == ()
    assert (settings.http_port, settings.workers, settings.resync_interval) == (8080, 16, 300)
    assert (settings.leader_election, settings.lease_name, settings.lease_duration) == (True, "serinus", 15)
    assert (settings.log_level, settings.log_format) == ("info", "json")
    assert settings.identity != load_settings({}).identity


def test_variables_are_read_in_the_forms_people_write() -> None:
    settings = load_settings(
        {
            "SERINUS_WATCH_NAMESPACES": "ml, fraud ,",
            "SERINUS_RESYNC_INTERVAL": "1m30s",
            "SERINUS_LEADER_ELECTION": "false",
            "SERINUS_LOG_LEVEL": "DEBUG",
            "SERINUS_HTTP_PORT": "0",
            "SERINUS_KUBECONFIG": "",
            "SERINUS_SERVICE_HOST": "10.0.0.1",
            "SERINUS_PORT_8080_TCP_ADDR": "10.0.0.1",
            "PATH": "/bin",
        }
    )
    assert settings.watch_namespaces == ("ml", "fraud")
    assert settings.resync_interval == 90
    assert settings.leader_election is False
    assert settings.log_level == "debug"
    assert settings.http_port == 0
    assert settings.kubeconfig is None


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SERINUS_WORKERS", "many", "SERINUS_WORKERS: .*'many'"),
        ("SERINUS_WORKERS", "0", "SERINUS_WORKERS: .*'0'"),
        ("SERINUS_RESYNC_INTERVAL", "5 minutes", "SERINUS_RESYNC_INTERVAL: .*90s or 1h30m"),
        ("SERINUS_LEASE_DURATION", "1s", "SERINUS_LEASE_DURATION"),
        ("SERINUS_LOG_FORMAT", "xml", "SERINUS_LOG_FORMAT: .*'json' or 'console'"),
        ("SERINUS_WATCH_NAMESPACES", "ml,Not A Name", "SERINUS_WATCH_NAMESPACES: .*'Not A Name'"),
        ("SERINUS_MLFLOW_WRITABLE", "*/shared,fraud", "SERINUS_MLFLOW_WRITABLE: .*'fraud' is not NAMESPACE/PATTERN"),
        ("SERINUS_MLFLOW_WRITABLE", "ml-*/fraud", "SERINUS_MLFLOW_WRITABLE: .*'ml-\\*/fraud' is not NAMESPACE/PATTERN"),
        ("SERINUS_MLFLOW_WRITABLE", "ml/", "SERINUS_MLFLOW_WRITABLE: .*'ml/' is not NAMESPACE/PATTERN"),
        ("SERINUS_MLFLOW_WRITABLE", "ml/a/b", "SERINUS_MLFLOW_WRITABLE: .*'ml/a/b' is not NAMESPACE/PATTERN"),
        ("SERINUS_WORKER", "3", "unknown: SERINUS_WORKER; known are .*SERINUS_WORKERS"),
    ],
)
def test_a_bad_variable_is_named(name: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        load_settings({name: value})


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        load_settings({}).workers = 3  # type: ignore[misc]


def test_a_receiver_needs_keys() -> None:
    with pytest.raises(SettingsError, match=r"SERINUS_RECEIVER_SECRET: .*events without a signature are not taken"):
        load_settings({"SERINUS_RECEIVER_LISTEN_PORT": "8090"})
    settings = load_settings({"SERINUS_RECEIVER_LISTEN_PORT": "8090", "SERINUS_RECEIVER_SECRET": "events"})
    assert (settings.receiver_listen_port, settings.receiver_secret) == (8090, "events")
    assert load_settings({}).receiver_listen_port is None
    assert load_settings({"SERINUS_GIT_HOSTS": "github.com, api.github.com"}).git_hosts == (
        "github.com",
        "api.github.com",
    )
