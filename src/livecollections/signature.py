"""Signature: how the receiver of a webhook knows whose message it is, and that nobody changed it.

Two rules. The scheme is v1 of Standard Webhooks: an HMAC with SHA-256 over the id, the time and the body. A message
bears one signature for each secret, so that a secret can be changed while both are known.

It knows no HTTP, and never says a secret.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable

from .errors import ConfigurationError

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64
"""Bytes of a key (Standard Webhooks, "Signature scheme")."""


def key_of(secret: str) -> bytes:
    """The key that a secret stands for. Raises ConfigurationError, which does not tell the secret."""
    text = secret.removeprefix(PREFIX) if isinstance(secret, str) else ""
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not SHORTEST <= len(key) <= LONGEST or text == secret:
        raise ConfigurationError(
            f"secret: {PREFIX!r} and {SHORTEST} to {LONGEST} bytes in base64 are needed "
            f"(`python -c \"import base64, secrets; print('{PREFIX}' + "
            'base64.b64encode(secrets.token_bytes(32)).decode())"` draws one)'
        )
    return key


def sign(keys: Iterable[bytes], message: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a message.

    message: its id, the same each time it is sent.  timestamp: of this time, seconds since 1970.
    """
    signed = f"{message}.{timestamp}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys]
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{each}" for each in signatures),
    }
