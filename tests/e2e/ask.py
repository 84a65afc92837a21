"""One request at a time, with headers of the test's choice."""

import json
import sys
from dataclasses import dataclass

from tests.support.model import Model
from tests.traffic.answers import VERSION_HEADER

PROGRAM = """
import json, sys, urllib.error, urllib.request as u
url, headers = sys.argv[1], json.loads(sys.argv[2])
try:
    answer = u.urlopen(u.Request(url, headers=headers), timeout=5)
except urllib.error.HTTPError as error:
    answer = error
print(json.dumps([answer.status, list(answer.headers.items())]))
"""


@dataclass(frozen=True)
class Told:
    """An answer: its status, who gave it, and the cookie that it set."""

    status: int
    version: str
    cookie: str


def ask(model: Model, *, host: str | None = None, **headers: str) -> Told:
    """A GET through the model's gateway; underscores in the names of headers stand for dashes."""
    given = {"Host": host or model.host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    command = [sys.executable, "-c", PROGRAM, f"{model.gateway_url}/", json.dumps(given)]
    said = model.cluster.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    status, pairs = json.loads(said)
    heads = {name.lower(): value for name, value in pairs}
    return Told(status, heads.get(VERSION_HEADER.lower(), ""), heads.get("set-cookie", ""))
