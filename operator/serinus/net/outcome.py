"""What any server may come to when it is asked for something."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Away:
    """It did not answer as one: to be asked again later."""

    message: str


@dataclass(frozen=True)
class Refused:
    """It must not be asked, or says no: asking again changes nothing until a person has acted. `access`: that is about
    who asks, or whom; a better Secret or setting cures it, and what was asked for need not change."""

    message: str
    access: bool = field(default=False, compare=False)
