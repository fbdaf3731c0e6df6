"""Signatures after the Standard Webhooks specification (github.com/standard-webhooks/standard-webhooks, v1).

>>> headers("evt_1", 1700000000, b"{}", ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"])["webhook-signature"]
'v1,mhWcTkFlrv8bVjY4CkgtJpQJ/VIDVs2lhoWuUl9tpBU='

A receiver checks HMAC-SHA256 over `id.timestamp.body` with the shared secret, and that the timestamp is recent.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """A secret as receivers enter it: the prefix and 32 random bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signature(message_id: str, timestamp: int, body: bytes, secret: str) -> str:
    """`v1,` and the base64 of the HMAC under one secret. Source: the specification, "Signature scheme"."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def headers(message_id: str, timestamp: int, body: bytes, keys: Sequence[str]) -> dict[str, str]:
    """The three headers; a signature for each active secret, separated by spaces.

    Args:
        timestamp: of this attempt, in seconds since 1970.
        keys: one secret, or two while they are rotated.
    """
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(message_id, timestamp, body, key) for key in keys),
    }
