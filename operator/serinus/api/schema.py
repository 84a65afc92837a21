"""From a pydantic model to a structural schema, the subset of OpenAPI that a CustomResourceDefinition may contain.

Pydantic writes JSON Schema, of which the API server accepts only a part; what has no structural form is an error here
and never dropped in silence.
"""

from typing import Any, Final

from serinus.api.meta import Model

Schema = dict[str, Any]

_NOTED_ELSEWHERE: Final = frozenset({"title", "$defs"})
_KEY_ORDER: Final = (
    "description",
    "type",
    "format",
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
    "default",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "maxProperties",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-validations",
    "required",
    "properties",
    "additionalProperties",
    "items",
)
"""Every keyword we use, in the order it is written; any other is an error."""


def build_schema(model: type[Model], *, defaults: bool = True) -> Schema:
    """Return the structural schema of a model; without `defaults` for a status, where the API server must add nothing.

    ValueError names a keyword that has no structural form.
    """
    raw = model.model_json_schema(by_alias=True, mode="validation")
    return _convert(raw, raw.get("$defs", {}), defaults=defaults)


def describe(text: str) -> str:
    """Return a docstring as one line, the form in which `kubectl explain` wraps it itself."""
    return " ".join(text.split())


def _convert(node: Schema, definitions: dict[str, Schema], *, defaults: bool) -> Schema:
    node = _unwrap(node, definitions)
    out: Schema = {}
    for key, value in node.items():
        match key:
            case "properties":
                out[key] = {name: _convert(each, definitions, defaults=defaults) for name, each in value.items()}
            case "items":
                out[key] = _convert(value, definitions, defaults=defaults)
            case "additionalProperties":
                if isinstance(value, dict):
                    out[key] = _convert(value, definitions, defaults=defaults)
            case "description":
                out[key] = describe(value)
            case "default":
                # Defaults of objects are those of their fields, which whoever reads the spec fills in.
                if defaults and value not in (None, []) and not isinstance(value, dict):
                    out[key] = value
            case "const":
                out["enum"] = [value]
            case _ if key not in _NOTED_ELSEWHERE:
                out[key] = value
    if out.get("type") == "array":
        out.setdefault("x-kubernetes-list-type", "atomic")
    return _in_order(out)


def _unwrap(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """Resolve references and "or null", what stands beside them wins over what they lead to."""
    while True:
        beside = {key: value for key, value in node.items() if key not in ("$ref", "anyOf")}
        if "$ref" in node:
            node = definitions[node["$ref"].rpartition("/")[2]] | beside
        elif "anyOf" in node:
            choices = [choice for choice in node["anyOf"] if choice != {"type": "null"}]
            if len(choices) != 1:
                raise ValueError(f"a choice of several forms is not structural: {choices}")
            node = choices[0] | beside
        else:
            return node


def _in_order(schema: Schema) -> Schema:
    if unknown := schema.keys() - set(_KEY_ORDER):
        raise ValueError(f"not structural: {', '.join(sorted(unknown))}")
    return {key: schema[key] for key in _KEY_ORDER if key in schema}
