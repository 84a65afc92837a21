"""CEL rules that several kinds share. Pure data; each one is checked again in `serinus.api.validate`."""

from serinus.api.meta import DURATION_PATTERN
from serinus.api.resource import Rule


def well_formed(pattern: str, expression: str) -> str:
    """Return a CEL rule that speaks up only where the text matches its pattern, whose own refusal says enough."""
    escaped = pattern.replace("\\", "\\\\")
    return f"!self.matches('{escaped}') || ({expression})"


def longer_than_0s(field: str) -> Rule:
    """Return the rule that the duration in `field` is not zero."""
    return Rule(
        well_formed(DURATION_PATTERN, "duration(self) > duration('0s')"),
        f"{field} must be longer than 0s",
        says=f"'{field} must be longer than 0s, not ' + self",
    )
