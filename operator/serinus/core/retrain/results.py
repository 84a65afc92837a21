"""What a training says it made: one JSON object, read strictly and trusted as far as somebody else confirms it.

Two ways to be without results: there are none yet (None), and there are some that are wrong (a Fault). A number that is
none (NaN, text, beyond any scale) is no fault of the results: the gate that needs it has no evidence."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from serinus.api.modeluri import Malformed, Reference, parse_reference
from serinus.api.podtemplate import child, objects_in
from serinus.api.runplan import RunPlan
from serinus.api.statuspath import find_first, parse_path
from serinus.core.configmaps import RESULTS_KEY

Raw = dict[str, Any]

MESSAGE_LIMIT: Final = 4096
"""Bytes of a termination message; the kubelet cuts longer ones."""
LIMIT: Final = 262_144
"""Bytes of results from elsewhere."""
DEEPEST: Final = 16
DIGEST_FORM: Final = re.compile(r"[a-z0-9]{2,16}:[0-9a-f]{32,128}")

MALFORMED: Final = "ResultsMalformed"
TOO_LARGE: Final = "ResultsTooLarge"
INCOMPLETE: Final = "ResultsIncomplete"
DIGEST_MISMATCH: Final = "DigestMismatch"


@dataclass(frozen=True)
class Fault:
    """What is wrong with results, so that they count for nothing."""

    reason: str
    message: str


@dataclass(frozen=True)
class Results:
    """What a training says it made."""

    uri: str
    digest: str | None = None
    """What pins the model: an algorithm and hex digits."""
    snapshot: str | None = None
    """Id of the data."""
    snapshot_digest: str | None = None
    source: str | None = None
    signature: str | None = None
    registry_run: str | None = None
    champion_digest: str | None = None
    """The champion that was evaluated on the same data."""
    raw: Raw = field(default_factory=dict)

    def value(self, path: str) -> Any:
        """What stands at a dotted path; None where nothing does."""
        return _at(self.raw, path)

    @property
    def unpinned(self) -> tuple[str, ...]:
        """What a candidate needs to be made again, and is missing."""
        needed = {
            "model.digest": self.digest,
            "the id of the data snapshot": self.snapshot,
            "data.digest": self.snapshot_digest,
            "source.revision": self.source,
        }
        return tuple(name for name, value in needed.items() if value is None)


def read_results(text: str, plan: RunPlan, snapshot: str | None = None) -> Results | Fault:
    """Read the results of a run with `plan`; `snapshot` is the data that it was told to train on, if it was."""
    raw = _parse(text, MESSAGE_LIMIT if plan.results.from_ == "TerminationMessage" else LIMIT)
    if isinstance(raw, Fault):
        return raw
    for part in ("model", "data", "source", "metrics", "champion", "signature", "mlflow", "size"):
        if raw.get(part) is not None and not isinstance(raw[part], dict):
            return Fault(MALFORMED, f"{part} must be an object, not {_type_of(raw[part])}")
    uri = _at(raw, "model.uri")
    if uri is None:
        return Fault(INCOMPLETE, "model.uri is missing: where the model lies, such as models:/fraud/7")
    reference = parse_reference(uri) if isinstance(uri, str) else Malformed(f"must be text, not {_type_of(uri)}")
    if isinstance(reference, Malformed):
        return Fault(MALFORMED, f"model.uri {reference.message}")
    fault = _check_digests(raw) or _check_texts(raw)
    if fault is not None:
        return fault
    return _build(raw, reference, plan, snapshot)


def compare_digests(said: str | None, registered: str | None) -> Fault | None:
    """Whether the registry has another model than the results say. What one of both does not know is not compared."""
    if said is None or registered is None or _bare(said) == _bare(registered):
        return None
    return Fault(DIGEST_MISMATCH, f"the results say {said}, the registry has {registered}")


def find_termination_message(pods: Iterable[Raw], container: str | None = None) -> str | None:
    """The results among the last words of a child's pods: of the newest pod whose container ended well and said JSON;
    once all have ended, else of the newest that ended well and said anything. What failed or was disrupted says
    nothing."""
    known = list(pods)
    said = [word for pod in known for word in _words_of(pod, container)]
    said.sort(key=lambda word: (word[0], word[1]), reverse=True)
    texts = [text for _, _, text in said]
    # News of pods come one by one, and those of the one with the results may be the last.
    all_ended = all(child(pod, "status").get("phase") in ("Succeeded", "Failed") for pod in known)
    other = texts[0] if texts and all_ended else None
    return next((text for text in texts if text.lstrip().startswith("{")), other)


def find_in_child(raw: Raw, path: str) -> str | None:
    """The results in a child's own status: text with JSON, or an object; None where there is neither."""
    steps = parse_path(path)
    value = find_first(raw, steps) if not isinstance(steps, str) else None
    if isinstance(value, dict | list):
        return json.dumps(value, separators=(",", ":"))
    return value if isinstance(value, str) and value.strip() else None


def find_in_config_map(raw: Raw | None) -> str | None:
    """The results in the ConfigMap that SERINUS_RESULTS names."""
    text = child(raw, "data").get(RESULTS_KEY)
    return text if isinstance(text, str) and text.strip() else None


def _parse(text: str, limit: int) -> Raw | Fault:
    size = len(text.encode(errors="replace"))
    if size > limit:
        return Fault(TOO_LARGE, f"the results have {size:,} bytes and may have {limit:,} there")
    try:
        raw = json.loads(text, object_pairs_hook=_no_twins)
    except (ValueError, RecursionError) as error:
        cut = " (termination messages are cut at 4096 bytes: use results.from ConfigMap)" if size >= 4095 else ""
        return Fault(MALFORMED, f"the results are not JSON{cut}: {str(error)[:120]}; they begin with {text[:40]!r}")
    if not isinstance(raw, dict):
        return Fault(MALFORMED, f"the results must be one JSON object, not {_type_of(raw)}")
    if _depth(raw) > DEEPEST:
        return Fault(MALFORMED, f"the results are nested deeper than {DEEPEST} levels")
    try:
        json.dumps(raw, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return Fault(MALFORMED, "the results have text that is none: half of a surrogate pair")
    return raw


def _no_twins(pairs: list[tuple[str, Any]]) -> Raw:
    """An object whose keys are unique: of two values nobody could say which one was meant."""
    built = dict(pairs)
    if len(built) < len(pairs):
        twin = next(key for index, (key, _) in enumerate(pairs) if key in {name for name, _ in pairs[:index]})
        raise ValueError(f"the key {twin[:40]!r} stands twice in one object")
    return built


def _build(raw: Raw, reference: Reference, plan: RunPlan, snapshot: str | None) -> Results | Fault:
    own = _pin_of(reference)
    said = _at(raw, "model.digest")
    if own is not None and said is not None and own != said:
        return Fault(DIGEST_MISMATCH, f"model.uri is pinned to {own}, and model.digest says {said}")
    source = plan.data.snapshot_from.result
    named = _at(raw, source) if source is not None else snapshot
    candidates = (named, _at(raw, "data.id"), snapshot, _at(raw, "data.digest"))
    trained_on = next((_short(str(one)) for one in candidates if isinstance(one, str | int) and one != ""), None)
    return Results(
        uri=reference.uri,
        digest=said or own,
        snapshot=trained_on,
        snapshot_digest=_at(raw, "data.digest"),
        source=_at(raw, "source.revision") or None,
        signature=_at(raw, "signature.identity") or None,
        registry_run=_at(raw, "mlflow.run") or None,
        champion_digest=_at(raw, "champion.digest"),
        raw=raw,
    )


def _check_digests(raw: Raw) -> Fault | None:
    for path in ("model.digest", "data.digest", "champion.digest"):
        value = _at(raw, path)
        if value is not None and not (isinstance(value, str) and DIGEST_FORM.fullmatch(value)):
            form = "an algorithm and hex digits, such as sha256: and 64 hex digits"
            return Fault(MALFORMED, f"{path} {_show(value)} must be {form}")
    return None


_TEXTS: Final = {"data.id": 256, "source.revision": 256, "signature.identity": 256, "mlflow.run": 128}


def _check_texts(raw: Raw) -> Fault | None:
    for path, longest in _TEXTS.items():
        value = _at(raw, path)
        if value is None or (path == "data.id" and isinstance(value, int) and not isinstance(value, bool)):
            continue
        if not isinstance(value, str) or len(value) > longest:
            return Fault(MALFORMED, f"{path} {_show(value)} must be text of at most {longest} characters")
    return None


def _pin_of(reference: Reference) -> str | None:
    """The digest in a reference that pins itself, where it is one of content."""
    if reference.digest is None or reference.scheme not in ("oci", "https", "hf"):
        return None
    algorithm = "git" if reference.scheme == "hf" else "sha256"
    return f"{algorithm}:{_bare(reference.digest)}"


def _words_of(pod: Raw, container: str | None) -> Iterable[tuple[str, str, str]]:
    """When a container ended well, its pod, and what it said last."""
    status = child(pod, "status")
    conditions = objects_in(status.get("conditions"))
    if status.get("phase") == "Failed" or any(
        one.get("type") == "DisruptionTarget" and one.get("status") == "True" for one in conditions
    ):
        return
    for one in objects_in(status.get("containerStatuses")):
        end = child(one, "state", "terminated")
        text = end.get("message")
        named = container is None or one.get("name") == container
        if named and end.get("exitCode") == 0 and isinstance(text, str) and text.strip():
            yield str(end.get("finishedAt") or ""), str(child(pod, "metadata").get("name") or ""), text


def _at(raw: Any, path: str) -> Any:
    for key in path.split("."):
        raw = raw.get(key) if isinstance(raw, dict) else None
    return raw


def _depth(value: Any) -> int:
    deepest, stack = 0, [(value, 1)]
    while stack:
        here, depth = stack.pop()
        deepest = max(deepest, depth)
        if isinstance(here, dict):
            stack += [(each, depth + 1) for each in here.values()]
        elif isinstance(here, list):
            stack += [(each, depth + 1) for each in here]
    return deepest


def _bare(digest: str) -> str:
    return digest.rpartition(":")[2]


def _short(text: str) -> str:
    return text if len(text) <= 256 else f"{text[:255]}…"


def _show(value: Any) -> str:
    return json.dumps(value, default=str)[:60]


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    names = {dict: "an object", list: "a list", str: "text", int: "a number", float: "a number", type(None): "null"}
    return names.get(type(value), type(value).__name__)
