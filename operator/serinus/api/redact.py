"""Takes out of a text what looks like a credential, before the text is shown to anybody.

The last of several walls: nothing secret should reach a message in the first place. Whoever knows the secret itself (a
token that was sent, say) takes it out there; here only the form is known."""

import re
from typing import Final

HIDDEN: Final = "***"

_TOKENS: Final = (
    r"gh[pousr]_[A-Za-z0-9]{20,}",  # GitHub
    r"github_pat_[A-Za-z0-9_]{20,}",
    r"gl(?:pat|dt|rt|cbt|ptt)-[A-Za-z0-9_.-]{19,}[A-Za-z0-9_-]",  # GitLab
    r"hf_[A-Za-z0-9]{30,}",  # Hugging Face
    r"A(?:KIA|SIA)[A-Z0-9]{16}(?![A-Za-z0-9])",  # AWS
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}",  # Slack
    # JSON web tokens, signed or encrypted: what begins with {" in base64, and has dots
    r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+){1,3}",
)
"""Tokens that are known by themselves, by how they begin and how long they are."""

_FORMS: Final = (
    # user:password@ in an address, of any scheme, up to the last @ before a path
    (re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]{0,31}://)[^\s/\"'<>]+@"), rf"\1{HIDDEN}@"),
    # parameters of presigned and other addresses
    (
        re.compile(
            r"([?&](?:(?:access_|refresh_|id_|private_|job_)?token|api_?key|key|password|passwd|(?:client_)?secret|sig|"
            r"signature|X-(?:Amz|Goog)-(?:Signature|Credential|Security-Token))=)[^&\s\"'<>]+",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    # headers, as text or as a printed mapping
    (
        re.compile(
            r"((?:proxy-)?authorization|set-cookie|cookie|x-api-key)([\"']?\s*[:=]\s*(?:b?[\"'])?)[^\"'\n,}]+",
            re.IGNORECASE,
        ),
        rf"\1\2{HIDDEN}",
    ),
    # the words alone: what follows has a digit or a sign within, and is no end of a sentence
    (
        re.compile(r"\b(Bearer)\s+(?=[^\s\"']*(?:[0-9=_]|\.\w))[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE),
        rf"\1 {HIDDEN}",
    ),
    (
        re.compile(r"\b(Basic)\s+(?=[^\s\"']*[0-9=])[A-Za-z0-9+/]{8,}+={0,2}+(?![\w.-]*\w)", re.IGNORECASE),
        rf"\1 {HIDDEN}",
    ),
    (re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(_TOKENS)})"), HIDDEN),
    # private keys, whole or cut off
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
)
_HINTS: Final = (
    *("://", "=", "bearer", "basic", "cookie", "authorization", "-api-key", "-----begin"),
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "gldt-", "glrt-", "glcbt-", "glptt-"),
    *("hf_", "akia", "asia", "xox", "eyj"),
)


def redact(text: str) -> str:
    """The text with `***` in place of credentials in addresses and headers, of keys and of known tokens. What it
    returns it leaves alone."""
    lowered = text.lower()
    if not any(hint in lowered for hint in _HINTS):
        return text
    for form, shown in _FORMS:
        text = form.sub(shown, text)
    return text


def quote_server(text: str, *secrets: str) -> str:
    """What a server says, fit for a message: one line of at most 300 characters, without these secrets and whatever
    looks like one. They are taken out before the cut, as what is left of one would not be known for it."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return flatten(redact(text))[:300]


def flatten(text: str) -> str:
    """The text as one line of printable characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
