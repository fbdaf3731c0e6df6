"""Keys are encrypted in the database (Fernet: AES-128-CBC with HMAC-SHA256) and opened only to make a request.

>>> unseal(seal("sk-…"))
'sk-…'

`WHETSTONE_ENCRYPTION_KEYS` seals with its first secret and opens with any: put a new one in front, run
`manage.py reseal_keys`, then take the old one away. Without it the site's secret key is used.
"""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from annotation.endpoints.failures import EndpointFailed


def seal(key: str) -> str:
    """The key as it is stored; an empty one stays empty."""
    return _fernets().encrypt(key.encode()).decode() if key else ""


def unseal(sealed: str) -> str:
    """The key itself. Raises EndpointFailed `key_lost` when none of the secrets opens it."""
    try:
        return _fernets().decrypt(sealed).decode() if sealed else ""
    except (InvalidToken, ValueError):
        raise EndpointFailed("key_lost") from None


def reseal(sealed: str) -> str:
    """Sealed by the first secret, whichever sealed it before. Raises as `unseal`."""
    try:
        return _fernets().rotate(sealed).decode() if sealed else ""
    except (InvalidToken, ValueError):
        raise EndpointFailed("key_lost") from None


def _fernets() -> MultiFernet:
    return MultiFernet([_fernet(secret) for secret in settings.ENCRYPTION_KEYS])


@lru_cache(maxsize=16)
def _fernet(secret: str) -> Fernet:
    derived = HKDF(SHA256(), length=32, salt=None, info=b"whetstone: keys of endpoints").derive(
        secret.encode()
    )
    return Fernet(base64.urlsafe_b64encode(derived))
