"""How a kind presents itself to the API server, apart from its schema: names, columns, subresources, rules.

Declared beside each model and read by the CRD generator; data only.
"""

from dataclasses import dataclass
from typing import Any, Literal

from serinus.api.meta import GROUP, VERSION, StatusModel
from serinus.api.meta import Model as SpecModel


@dataclass(frozen=True, slots=True)
class Rule:
    """A CEL rule: `expression` must be true, otherwise the API server refuses the write with `message`."""

    expression: str
    message: str
    field: str = ""
    """Path below the place of the rule that the refusal names, such as `.steps`."""
    says: str = ""
    """CEL expression of a message that shows the value; `message` stands in for it should it fail."""

    def render(self) -> dict[str, str]:
        """Return the rule in the form of the CRD."""
        rendered = {"rule": self.expression, "message": self.message}
        rendered |= {"messageExpression": self.says} if self.says else {}
        return rendered | ({"fieldPath": self.field} if self.field else {})


def with_rules(*rules: Rule, **keywords: Any) -> dict[str, Any]:
    """Return the schema extension that carries CEL rules, and any further keywords, for a model or a field."""
    return {"x-kubernetes-validations": [rule.render() for rule in rules], **keywords}


def list_map(*keys: str) -> dict[str, Any]:
    """Return the schema extension of a list whose items are identified by `keys`, so that appliers can share it."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`; priority 0 is always shown, 1 only with `-o wide`."""

    name: str
    path: str
    type: Literal["string", "integer", "boolean", "date"] = "string"
    priority: int = 0
    description: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of the API group, as the API server knows it."""

    kind: str
    plural: str
    short_name: str
    scope: Literal["Namespaced", "Cluster"]
    description: str
    spec: type[SpecModel]
    status: type[StatusModel]
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = ()
    """Rules for the whole object; of the metadata they see the name only."""
    name_max_length: int | None = None
    scalable: bool = False

    @property
    def crd_name(self) -> str:
        """Return the name of the CustomResourceDefinition, `<plural>.<group>`."""
        return f"{self.plural}.{GROUP}"

    @property
    def path(self) -> str:
        """Return the path of the API that serves this kind, `/apis/<group>/<version>`."""
        return f"/apis/{GROUP}/{VERSION}"
