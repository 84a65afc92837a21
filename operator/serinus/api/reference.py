"""`python -m serinus.api.reference docs/conditions.md`: the page of conditions and reasons, from the constants."""

import sys
from pathlib import Path

from serinus.api import reasons, retrainreasons

HEAD = """\
<!-- Made by `make docs` from operator/serinus/api/reasons.py and retrainreasons.py; edit there. -->

# Conditions and reasons

Every transition is told three times with the same word: in a condition, in an Event, and in the log.
`kubectl describe mdep NAME` shows the first two.

| condition | means |
| --- | --- |
"""


def render_reference() -> str:
    """The page as Markdown."""
    rows = [f"| {name} | {sentence} |" for name, sentence in (reasons.CONDITIONS | retrainreasons.CONDITIONS).items()]
    words = [f"| {name} | {sentence} |" for name, sentence in (reasons.REASONS | retrainreasons.REASONS).items()]
    table = ["", "| reason | what it means, and what happens next |", "| --- | --- |", *words]
    return HEAD + "\n".join([*rows, *table]) + "\n"


def keep_page(arguments: list[str], page: str) -> int:
    """Write a page that is made from code, to the last of the arguments; with --check only say whether it is true, exit
    status 1 if not.
    """
    path = Path(arguments[-1])
    if "--check" not in arguments:
        path.write_text(page)
        return 0
    fresh = path.exists() and path.read_text() == page
    if not fresh:
        print(f"{path} is not what the code says: run make docs", file=sys.stderr)
    return 0 if fresh else 1


if __name__ == "__main__":
    sys.exit(keep_page(sys.argv[1:], render_reference()))
