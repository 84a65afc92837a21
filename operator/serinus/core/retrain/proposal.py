"""What a pull request changes, and what it says: pure words about a run."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from serinus.api.meta import format_time
from serinus.api.redact import flatten
from serinus.api.retrainrun import RetrainRunSpec
from serinus.api.retrainstatus import ModelState
from serinus.api.runplan import FileEdit
from serinus.api.runstatus import RetrainRunStatus, RunModel

LONGEST: Final = 200
"""Characters of one cell."""


@dataclass(frozen=True)
class Written:
    """`value` is wanted at `path` of `file`."""

    file: str
    path: str
    value: str


def write_edits(edits: Iterable[FileEdit], model: RunModel | ModelState) -> tuple[Written, ...] | str:
    """What each place becomes for a model; a sentence where it has no digest and one is wanted."""
    written = []
    for edit in edits:
        if edit.value in ("Digest", "UriWithDigest") and model.digest is None:
            return f"{edit.file}: {edit.path} wants the digest of {model.uri}, which has none"
        values = {"Digest": model.digest or "", "UriWithDigest": f"{model.uri}@{model.digest}"}
        written.append(Written(edit.file, edit.path, values.get(edit.value or "Uri", model.uri)))
    return tuple(written)


def title_of(policy: str, model: RunModel | ModelState, *, back: bool) -> str:
    """One line, for commit and pull request."""
    return f"{policy}: {'back to' if back else 'promote'} {flatten(model.uri)}"


def describe_proposal(namespace: str, run: str, spec: RetrainRunSpec, status: RetrainRunStatus, *, back: bool) -> str:
    """The provenance of a candidate and what its gates found, as Markdown."""
    model = status.model
    lines = [f"RetrainRun {_code(f'{namespace}/{run}')} of RetrainPolicy {_code(spec.policy.name)}.", ""]
    if back:
        why = status.message or "it was rolled back"
        lines += ["The candidate of that run is no longer served, and git still asks for it.", "", _code(why), ""]
    facts = {
        "Model": model.uri if model else None,
        "Digest": model.digest if model else None,
        "Data": model.snapshot if model else None,
        "Digest of the data": model.snapshot_digest if model else None,
        "Code": model.source if model else None,
        "Champion": spec.champion.uri if spec.champion else None,
        "Asked for by": spec.requester or ", ".join(reason.trigger for reason in spec.reasons),
        "Decided": format_time(spec.decided_at),
        "Approved by": ", ".join(one.approver for one in status.approvals if one.counted and one.decision == "Approve"),
    }
    lines += ["| | |", "| --- | --- |", *(f"| {name} | {_code(value)} |" for name, value in facts.items() if value)]
    if status.gates:
        lines += ["", "| Gate | Verdict | Candidate | Champion | Allowed |", "| --- | --- | --- | --- | --- |"]
    for gate in status.gates:
        cells = [gate.name, gate.verdict, *("" if one is None else f"{one}" for one in (gate.value, gate.champion))]
        lines.append(f"| {' | '.join(_code(cell) for cell in (*cells, gate.bound))} |")
    return "\n".join(lines) + "\n"


def _code(text: str) -> str:
    """As code, in which nothing links, nobody is mentioned and no cell ends."""
    plain = flatten(text).replace("`", "'").replace("|", "¦")[:LONGEST]
    return f"`{plain}`" if plain else ""
