"""The two languages that models are asked in: the Open Inference Protocol, version 2, and plain JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from .answers import Answer, build_answer
from .config import Config, Datatype, JsonTarget, OpenInferenceTarget
from .errors import UnacceptableError

Features = Mapping[str, Any]
Body = dict[str, Any]


def request_path(target: OpenInferenceTarget | JsonTarget) -> str:
    return f"{metadata_path(target)}/infer" if isinstance(target, OpenInferenceTarget) else target.path


def metadata_path(target: OpenInferenceTarget) -> str:
    version = f"/versions/{target.version}" if target.version is not None else ""
    return f"/v2/models/{target.model}{version}"


def rows_per_request(target: OpenInferenceTarget | JsonTarget) -> int:
    return 1 if isinstance(target, JsonTarget) and target.request_key is None else target.batch


def build_body(config: Config, rows: Sequence[Features]) -> Body:
    """What is posted for these rows; with `requestKey: null` exactly one."""
    target = config.target
    if isinstance(target, OpenInferenceTarget):
        return {"inputs": _build_tensors(target, config.features, rows)}
    if target.request_key is None:
        return dict(rows[0])
    given = [dict(row) if target.rows == "Objects" else [row[name] for name in config.features] for row in rows]
    return {target.request_key: given}


def _build_tensors(
    target: OpenInferenceTarget, features: Mapping[str, Datatype], rows: Sequence[Features]
) -> list[Body]:
    if target.layout == "Matrix":
        data = [row[name] for row in rows for name in features]
        shape = [len(rows), len(features)]
        return [{"name": target.input, "shape": shape, "datatype": target.datatype, "data": data}]
    return [
        {"name": name, "shape": [len(rows), 1], "datatype": datatype, "data": [row[name] for row in rows]}
        for name, datatype in features.items()
    ]


def read_answers(config: Config, body: Any, count: int) -> list[Answer]:
    """One answer for each row. UnacceptableError where the body has another form than configured."""
    if isinstance(config.target, OpenInferenceTarget):
        return _read_tensors(config, config.target, body, count)
    return _read_json(config, config.target, body, count)


def _read_tensors(config: Config, target: OpenInferenceTarget, body: Any, count: int) -> list[Answer]:
    outputs = body.get("outputs") if isinstance(body, dict) else None
    if not isinstance(outputs, list) or not outputs or not all(isinstance(one, dict) for one in outputs):
        raise UnacceptableError("the answer has no outputs")
    nothing: list[Any] = [None] * count
    wants_label = target.label is not None or target.score is None
    labels = _read_output(outputs, target.label, count) if wants_label else nothing
    scores = _read_output(outputs, target.score, count) if target.score is not None else nothing
    return [build_answer(*pair, target, config.labels) for pair in zip(labels, scores, strict=True)]


def _read_output(outputs: Sequence[Body], name: str | None, count: int) -> list[Any]:
    """The values of an output by row: one value, or the list of its columns."""
    output = outputs[0] if name is None else next((one for one in outputs if one.get("name") == name), None)
    if output is None:
        known = ", ".join(str(one.get("name")) for one in outputs)
        raise UnacceptableError(f"the answer has no output {name!r}; it has {known}")
    data = output.get("data")
    if not isinstance(data, list):
        raise UnacceptableError(f"output {output.get('name')!r} has no data")
    flat = [value for one in data for value in (one if isinstance(one, list) else [one])]
    if not flat or len(flat) % count:
        raise UnacceptableError(f"output {output.get('name')!r} has {len(flat)} values for {count} rows")
    width = len(flat) // count
    return flat if width == 1 else [flat[start : start + width] for start in range(0, len(flat), width)]


def _read_json(config: Config, target: JsonTarget, body: Any, count: int) -> list[Answer]:
    found = body
    if target.response_key is not None:
        if not isinstance(body, dict) or target.response_key not in body:
            raise UnacceptableError(f"the answer has no {target.response_key!r}")
        found = body[target.response_key]
    answers = [found] if target.request_key is None and not _is_list_of_one(found) else found
    if not isinstance(answers, list):
        raise UnacceptableError(f"the answer is not a list of answers but {type(found).__name__}")
    if len(answers) != count:
        raise UnacceptableError(f"there are {len(answers)} answers for {count} rows")
    return [_read_one(config, target, one) for one in answers]


def _is_list_of_one(found: Any) -> bool:
    return isinstance(found, list) and len(found) == 1


def _read_one(config: Config, target: JsonTarget, one: Any) -> Answer:
    for key in (target.label, target.score):
        if key is not None and not (isinstance(one, dict) and key in one):
            raise UnacceptableError(f"an answer has no {key!r}: {str(one)[:80]}")
    label = one[target.label] if target.label is not None else one
    score = one[target.score] if target.score is not None else None
    return build_answer(label, score, target, config.labels)
