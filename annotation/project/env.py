"""Typed readers of environment variables that fail loudly.

    PORT = envint("WHETSTONE_PORT", 8000, low=1, high=65535)

A variable that is set to an empty string counts as not set. A bad value stops the process
with the variable's name, what was read and what would be accepted; a secret is never shown.
"""

import os
from pathlib import Path
from typing import Any

import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}


def _read(name: str) -> str | None:
    return os.environ.get(name, "").strip() or None


def envstr(name: str, default: str) -> str:
    """The text of a variable, or the default."""
    return _read(name) or default


def envbool(name: str, default: bool) -> bool:
    """True for 1, true, yes, on; False for 0, false, no, off; any case."""
    text = _read(name)
    if text is None:
        return default
    if text.lower() in TRUE:
        return True
    if text.lower() in FALSE:
        return False
    raise ImproperlyConfigured(f"{name}={text!r} is neither true nor false. Write 1 or 0.")


def envint(name: str, default: int, *, low: int | None = None, high: int | None = None) -> int:
    """A whole number between low and high, both included."""
    text = _read(name)
    if text is None:
        return default
    try:
        number = int(text)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={text!r} is not a whole number.") from None
    if (low is not None and number < low) or (high is not None and number > high):
        raise ImproperlyConfigured(f"{name}={number} is out of range: from {low} to {high} is allowed.")
    return number


def envlist(name: str, default: list[str]) -> list[str]:
    """Comma-separated texts, trimmed, empty ones dropped."""
    text = _read(name)
    if text is None:
        return list(default)
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise ImproperlyConfigured(f"{name}={text!r} lists nothing. Separate the values by commas.")
    return parts


def envpath(name: str, default: Path) -> Path:
    """An absolute path; `~` is expanded, a relative path is refused."""
    text = _read(name)
    if text is None:
        return default
    path = Path(text).expanduser()
    if not path.is_absolute():
        raise ImproperlyConfigured(f"{name}={text!r} is relative. Write an absolute path.")
    return path


def envsecret(name: str, *, shortest: int = 50) -> str | None:
    """A secret of at least `shortest` characters of which ten differ, or None; its value is never shown."""
    text = _read(name)
    if text is None:
        return None
    if len(text) < shortest or len(set(text)) < 10:
        raise ImproperlyConfigured(
            f"{name} is too weak: it has {len(text)} characters, {len(set(text))} of them different; "
            f"at least {shortest} and 10 are needed. Make one with: "
            'python3 -c "import secrets; print(secrets.token_urlsafe(50))"'
        )
    return text


def envdb(name: str) -> dict[str, Any] | None:
    """A Django database from a libpq address (postgresql://user:password@host:port/name?sslmode=require), or None."""
    text = _read(name)
    if text is None:
        return None
    if not text.startswith(("postgresql://", "postgres://")):
        raise ImproperlyConfigured(f"{name} must begin with postgresql://; no other database will do.")
    try:
        parts = conninfo_to_dict(text)
    except psycopg.ProgrammingError:  # its message would repeat the password
        raise ImproperlyConfigured(
            f"{name} is not a PostgreSQL address. Write postgresql://user:password@host:port/database "
            "and percent-encode special characters (a space is %20, an at sign %40)."
        ) from None
    if not parts.get("dbname"):
        raise ImproperlyConfigured(f"{name} names no database: postgresql://user:password@host:port/database")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": str(parts.pop("port", "")),
        "OPTIONS": parts,
    }
