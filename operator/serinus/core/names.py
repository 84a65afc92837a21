"""Names of objects that are made from other names, and must stay apart when they are cut."""

import hashlib

MARK_LENGTH = 8


def fit_name(wanted: str, limit: int) -> str:
    """`wanted` where it has at most `limit` characters, else its beginning with a mark made from all of it."""
    if len(wanted) <= limit:
        return wanted
    mark = hashlib.sha256(wanted.encode()).hexdigest()[:MARK_LENGTH]
    return f"{wanted[: limit - MARK_LENGTH - 1].rstrip('-.')}-{mark}"
