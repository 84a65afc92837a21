"""The strings in a query, taken out before anything else looks at the text.

What is inside a string may look like anything: operators, brackets, comments, the end of the string. And it may be
costly: the parser compiles regular expressions, for which a hostile one of 2,000 characters takes seconds. So each
string is replaced by a mark, the marked text is measured and parsed, and the marks in the result are looked up. Where
this reading of quotes differs from the parser's, the query means something else or nothing; it cannot get out of its
confinement, because nothing of the text is ever asked.
"""

import re
from dataclasses import dataclass
from typing import Final

_LITERAL: Final = re.compile(
    r"""(?P<string>"(?:\\[^\n]|[^"\\\n])*"|'(?:\\[^\n]|[^'\\\n])*'|`[^`]*`)|(?P<comment>\#[^\n]*)"""
)
_MARK: Final = re.compile(r"\$([0-9]+)\$")


@dataclass(frozen=True)
class Marked:
    """A query without strings and comments: string number n of `strings` (with its quotes) stands in `text` as the
    string "$n$", which no name can be mistaken for.
    """

    text: str
    strings: tuple[str, ...]


def mark_strings(text: str) -> Marked:
    """Take the strings and comments out of a query."""
    numbers: dict[str, int] = {}

    def mark(found: "re.Match[str]") -> str:
        string = found["string"]
        return " " if string is None else f'"${numbers.setdefault(string, len(numbers))}$"'

    marked = _LITERAL.sub(mark, text)
    return Marked(marked, tuple(numbers))


def fill_marks(text: str, values: tuple[str, ...]) -> str:
    """`text` with every mark replaced by the value of its number; marks of other numbers stay."""

    def fill(found: "re.Match[str]") -> str:
        number = int(found[1]) if len(found[1]) <= 6 else len(values)
        return values[number] if number < len(values) else found[0]

    return _MARK.sub(fill, text)
