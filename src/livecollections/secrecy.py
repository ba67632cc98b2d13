"""Secrecy: which names read like those of secrets, for what is served without anybody having looked at each column.

One rule: what is left out by mistake is named and shown, what is shown by mistake is known to all; so it errs to the
safe side. It knows names only.
"""

from __future__ import annotations

import re

_ANYWHERE = re.compile(
    r"passw|passphrase|passcode|secret(?!ar)|token|credential|crypt|"
    r"(api|private|access|session|auth|signing|master)_?key",
    re.IGNORECASE,
)
_WORDS = frozenset(["cvc", "cvv", "hash", "otp", "pass", "pin", "pw", "pwd", "salt", "ssn", "totp"])
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def is_like_secret(name: str) -> bool:
    """Whether a table or a column is named like a secret: ``password_hash``, ``apiKey``, ``otp``."""
    return bool(_ANYWHERE.search(name)) or not _WORDS.isdisjoint(word.lower() for word in _WORD.findall(name))
