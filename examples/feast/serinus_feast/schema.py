"""The features of a service as JSON Schema, which a ModelDeployment compares from one release to the next."""

from collections.abc import Iterable
from typing import Any, Final

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_TYPES: Final[dict[str, dict[str, Any]]] = {
    "BOOL": {"type": "boolean"},
    "INT32": {"type": "integer"},
    "INT64": {"type": "integer"},
    "FLOAT": {"type": "number"},
    "DOUBLE": {"type": "number"},
    "DECIMAL": {"type": "string"},
    "STRING": {"type": "string"},
    "UUID": {"type": "string", "format": "uuid"},
    "TIME_UUID": {"type": "string", "format": "uuid"},
    "UNIX_TIMESTAMP": {"type": "string", "format": "date-time"},
    "ZONED_TIMESTAMP": {"type": "string", "format": "date-time"},
    "BYTES": {"type": "string", "contentEncoding": "base64"},
    "PDF_BYTES": {"type": "string", "contentEncoding": "base64"},
    "IMAGE_BYTES": {"type": "string", "contentEncoding": "base64"},
    "MAP": {"type": "object"},
    "SCALAR_MAP": {"type": "object"},
    "STRUCT": {"type": "object"},
    "JSON": {},
}
"""Types of Feast (names of ValueType) as they are in JSON; what is not here may be anything."""


def build_schema(service: Any, *, full_names: bool) -> dict[str, Any]:
    """One property for each feature of `service`, all required. `full_names`: VIEW__FEATURE, as Feast names them where
    several views have a feature of the same name."""
    properties: dict[str, Any] = {}
    for view, feature in list_features(service):
        name = f"{view}__{feature.name}" if full_names else str(feature.name)
        if name in properties:
            raise ValueError(f"two views have a feature {name}: ask for full names")
        properties[name] = describe(feature.dtype.to_value_type().name)
    return {
        "$schema": DIALECT,
        "title": str(service.name),
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
    }


def list_features(service: Any) -> Iterable[tuple[str, Any]]:
    """Each feature with the name that its view has in the service."""
    for projection in service.feature_view_projections:
        for feature in projection.features:
            yield projection.name_to_use(), feature


def describe(value_type: str) -> dict[str, Any]:
    """A type of Feast in JSON Schema."""
    for suffix, more in (("_LIST", {}), ("_SET", {"uniqueItems": True})):
        if value_type.endswith(suffix):
            return {"type": "array", "items": dict(_TYPES.get(value_type.removesuffix(suffix), {})), **more}
    return dict(_TYPES.get(value_type, {}))
