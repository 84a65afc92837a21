"""Fields that an API server did not keep: it drops without a word what the CRD does not know."""

from typing import Any, Final

from serinus.api.meta import GROUP

_CURE: Final = "is older than the operator and does not keep it; upgrade the CRDs to the operator's version"


def find_dropped(sent: Any, kept: Any, path: str) -> str | None:
    """The path of the first field of `sent` that is not in `kept`; None where everything is."""
    if isinstance(sent, dict):
        for name, value in sent.items():
            if not isinstance(kept, dict) or name not in kept:
                return f"{path}.{name}"
            found = find_dropped(value, kept[name], f"{path}.{name}")
            if found is not None:
                return found
    if isinstance(sent, list) and isinstance(kept, list):
        for number, (one, other) in enumerate(zip(sent, kept, strict=False)):
            found = find_dropped(one, other, f"{path}[{number}]")
            if found is not None:
                return found
    return None


def explain_dropped(plural: str, path: str) -> str:
    """What the admin is told, beginning with the field."""
    return f"{path}: the CRD {plural}.{GROUP} {_CURE}"
