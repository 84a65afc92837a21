"""A Secret gives access only if it is meant to, and only to hosts that the admin allows."""

import base64
from typing import Any

import pytest

from serinus.forge.access import GitAccess, read_git_secret
from serinus.forge.outcome import Refused

TOKEN = "t0ken-that-nobody-may-see"
HOSTS = {"GitHub.com": "https", "api.github.com": "https", "git.local:3000": "http"}
GOOD = {"url": "https://github.com/payments/deploy.git", "token": TOKEN}


def secret(label: str | None = "git", **values: str | bytes) -> dict[str, Any]:
    encoded = {
        key.replace("_", "."): base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()
        for key, value in values.items()
    }
    labels = {} if label is None else {"serinus.dev/credentials": label}
    return {"metadata": {"namespace": "ml", "name": "deploy", "labels": labels}, "data": encoded}


def test_everything_it_may_hold() -> None:
    access = read_git_secret(secret(**GOOD, username="bot", api="https://api.github.com/", ca_crt="PEM\nPEM\n"), HOSTS)
    assert access == GitAccess(GOOD["url"], "bot", TOKEN, "https://api.github.com", "PEM\nPEM")
    assert access.path == "payments/deploy"
    assert TOKEN not in repr(access)
    assert "PEM" not in repr(access)


def test_the_least_it_must_hold() -> None:
    access = read_git_secret(secret(url="http://git.local:3000/ml/deploy/", token=f"{TOKEN}\n"), HOSTS)
    assert access == GitAccess("http://git.local:3000/ml/deploy", "x-access-token", TOKEN)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (secret(None, **GOOD), "has no label serinus.dev/credentials: git"),
        (secret("aws", **GOOD), "has no label"),
        ({}, "has no label"),
        (secret(url=GOOD["url"]), "has no key token"),
        (secret(token=TOKEN), "has no key url"),
        (secret(**GOOD, username=b"\xff"), "key username is no text"),
        (secret(**GOOD, username="a:b"), "key username holds a colon"),
        (secret(url=GOOD["url"], token=f"{TOKEN}\r\nHost: x"), "key token is not one line"),
        (secret(url=GOOD["url"], token="x" * 70_000), "key token is not one line"),
        (secret(url="https://evil.example/a/b", token=TOKEN), "host evil.example is not among those"),
        (secret(url="http://github.com/a/b", token=TOKEN), "may be asked by https only"),
        (secret(url="https://github.com@evil.example/a/b", token=TOKEN), "must not hold credentials"),
        (secret(url=f"https://x:{TOKEN}@github.com/a/b", token=TOKEN), "must not hold credentials"),
        (secret(url="ssh://github.com/a/b", token=TOKEN), "right would be https://HOST/PATH"),
        (secret(url="git@github.com:a/b.git", token=TOKEN), "right would be https://HOST/PATH"),
        (secret(url="https://github.com/", token=TOKEN), "names no repository"),
        (secret(url="https://github.com/a/b?x=1", token=TOKEN), "names no repository"),
        (secret(**GOOD, api="https://169.254.169.254/"), "key api: host 169.254.169.254 is not among"),
    ],
)
def test_what_is_wrong_with_it_is_said_without_its_values(raw: dict[str, Any], said: str) -> None:
    refused = read_git_secret(raw, HOSTS)
    assert isinstance(refused, Refused), refused
    assert said in refused.message
    assert TOKEN not in refused.message
