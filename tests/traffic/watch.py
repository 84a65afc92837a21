"""Follows objects through `kubectl get --watch`, each change with the time at which it arrived here."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Raw = dict[str, Any]

StartKubectl = Callable[[Sequence[str]], "subprocess.Popen[str]"]
"""Starts kubectl with these arguments, stdout a text pipe."""


@dataclass(frozen=True)
class Change:
    """`at`: seconds since the epoch. `kind`: ADDED, MODIFIED or DELETED."""

    at: float
    kind: str
    object: Raw

    @property
    def name(self) -> str:
        return str(self.object["metadata"]["name"])


def read_changes(lines: Iterable[str]) -> Iterator[Change]:
    """The changes in what kubectl prints: an object a line or, by another printer of it, indented so that a brace at
    the beginning of a line ends an object."""
    text: list[str] = []
    for line in lines:
        text.append(line)
        if line.startswith("}") or (len(text) == 1 and line.rstrip().endswith("}")):
            event = json.loads("".join(text))
            text.clear()
            yield Change(time.time(), event["type"], event["object"])


class Watch:
    """A thread that keeps `objects` (by name) up to date; use as a context manager.

    `arguments` choose the objects as for `kubectl get`, for example `("pods", "--namespace", "demo")`; `name` narrows
    them to one object, which need not exist yet. `on_change` runs in the thread. A watch that ends starts again with
    all objects ADDED once more.
    """

    def __init__(
        self,
        start_kubectl: StartKubectl,
        *arguments: str,
        name: str | None = None,
        on_change: Callable[[Change], None] | None = None,
    ) -> None:
        only = (f"--field-selector=metadata.name={name}",) if name else ()
        self._arguments = ("get", *arguments, *only, "--watch", "--output-watch-events", "--output=json")
        self._start_kubectl = start_kubectl
        self._on_change = on_change
        self._process: subprocess.Popen[str] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=" ".join(self._arguments[:2]), daemon=True)
        self.objects: dict[str, Raw] = {}

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        if self._process is not None:
            self._process.terminate()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stopping.is_set():
            with self._start_kubectl(self._arguments) as process:
                self._process = process
                if self._stopping.is_set():
                    process.terminate()
                known: dict[str, Raw] = {}
                for change in read_changes(process.stdout or ()):
                    self._note(change, known)
            self._stopping.wait(0.5)

    def _note(self, change: Change, known: dict[str, Raw]) -> None:
        if change.kind == "DELETED":
            known.pop(change.name, None)
        else:
            known[change.name] = change.object
        self.objects = dict(known)
        if self._on_change is not None:
            self._on_change(change)
