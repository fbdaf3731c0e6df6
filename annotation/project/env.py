"""Typed readers of environment variables that fail loudly.

    PORT = envint("WHETSTONE_PORT", 8000, low=1, high=65535)

A variable that is set to an empty string counts as not set. A bad value stops the process
with the variable's name, what was read and what would be accepted; a secret is never shown.
"""

import ipaddress
import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}

D = TypeVar("D", Path, None)


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


def envpath(name: str, default: D) -> Path | D:
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
    return None if text is None else _strong(name, text, shortest)


def _strong(name: str, text: str, shortest: int) -> str:
    if len(text) < shortest or len(set(text)) < 10:
        raise ImproperlyConfigured(
            f"{name} is too weak: it has {len(text)} characters, {len(set(text))} of them different; "
            f"at least {shortest} and 10 are needed. Make one with: "
            'python3 -c "import secrets; print(secrets.token_urlsafe(50))"'
        )
    return text


def envsecrets(name: str) -> list[str]:
    """Several secrets as `envsecret` takes one, separated by commas, the newest first; none if it is not set."""
    return [_strong(name, secret, 50) for secret in envlist(name, [])]


Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOOPBACK: tuple[Network, ...] = (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128"))
HOST_NAME = re.compile(
    r"(?=.{1,253}$)(?!(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)$)"  # what ends in a number is an address to some
    r"[a-z0-9_][a-z0-9_-]{0,62}(?:\.[a-z0-9_][a-z0-9_-]{0,62})*"
)


@dataclass(frozen=True)
class AllowedHost:
    """Where the server may connect: https (or, inside a private network, http) to one host and port."""

    scheme: str
    host: str  # lower case; an IPv6 address without brackets
    port: int
    networks: tuple[Network, ...] = ()  # its addresses lie in one of these; none: all of them are public

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def envhosts(name: str) -> list[AllowedHost]:
    """Hosts as `[http://|https://]host[:port][=network]`, separated by commas.

    api.example.org                                 https on port 443, at public addresses only
    http://127.0.0.1:8080, http://localhost:8080    an address, or this machine
    http://vllm.internal:8000=10.1.0.0/16           a name of a private network
    """
    return [_allowed_host(name, entry) for entry in envlist(name, [])]


def _allowed_host(name: str, entry: str) -> AllowedHost:
    origin, _equals, network = (part.strip() for part in entry.partition("="))
    scheme, _slashes, rest = origin.rpartition("://")
    found = re.fullmatch(r"(?:\[([0-9a-f:.]+)\]|([^\[\]:/?#@]+))(?::([0-9]{1,5}))?", rest.lower())
    wrong = ImproperlyConfigured(
        f"{name}: {entry!r} is not a host. Write host, https://host:port, http://127.0.0.1:port or "
        "http://host:port=10.0.0.0/8 (the private network that its address lies in)."
    )
    if found is None or scheme.lower() not in ("", "http", "https"):
        raise wrong
    scheme, host = scheme.lower() or "https", found[1] or found[2]
    port = int(found[3] or (443 if scheme == "https" else 80))
    networks: tuple[Network, ...] = ()
    try:
        if network:
            networks = (ipaddress.ip_network(network),)
        elif host == "localhost":
            networks = LOOPBACK
        elif not HOST_NAME.fullmatch(host):
            networks = (ipaddress.ip_network(host),)
    except ValueError:
        raise wrong from None
    if not 0 < port < 65536 or (network and not all(n.is_private for n in networks)):
        raise wrong
    if scheme == "http" and not (networks and all(n.is_private for n in networks)):
        raise ImproperlyConfigured(
            f"{name}: {entry!r} would send keys unencrypted. Plain http is for private networks: name the one that the "
            "host lies in (http://host:port=10.0.0.0/8), or write https."
        )
    return AllowedHost(scheme, host, port, () if networks and networks[0].is_global else networks)


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


BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
S3_OPTIONS = ("endpoint_url", "region_name", "addressing_style")
ADDRESSING_STYLES = ("auto", "path", "virtual")


@dataclass(frozen=True)
class Storage:
    """Where copies go: how people call the place, without options, and an entry of Django's STORAGES."""

    place: str
    entry: dict[str, Any]


def envstorage(name: str) -> Storage | None:
    """A place for copies of files, as an address; None if it is not set.

    s3://bucket/prefix?endpoint_url=http://127.0.0.1:9000&region_name=eu-west-1    a bucket of S3 or of what speaks like it
    file:///mnt/second/whetstone                                                   a directory, such as another disk
    """
    text = _read(name)
    if text is None:
        return None
    shape = (
        "Write s3://bucket/prefix?endpoint_url=https://host:port&region_name=region (both options may be left out) or "
        "file:///absolute/path."
    )
    try:
        parts = urlsplit(text)
        has_password = "@" in parts.netloc or any(
            "@" in urlsplit(v).netloc for _n, v in parse_qsl(parts.query)
        )
    except ValueError:  # its message would repeat what was read, which may hold a password
        raise ImproperlyConfigured(f"{name} is no address. {shape}") from None
    if has_password:  # it is not repeated
        raise ImproperlyConfigured(
            f"{name} holds a user name or password. Take it out: keys come from the environment as boto3 reads it "
            f"(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or the role of the machine). {shape}"
        )
    if parts.scheme == "s3":
        return _s3(name, parts.netloc, parts.path.strip("/"), parts.query, bool(parts.fragment), shape)
    path = Path(unquote(parts.path))
    if parts.scheme != "file" or parts.netloc or parts.query or parts.fragment or len(path.parts) < 2:
        raise ImproperlyConfigured(f"{name}={_without_values(text)!r} is no address of a storage. {shape}")
    return Storage(
        f"file://{path}",
        {"BACKEND": "annotation.project.artifacts.disk.Disk", "OPTIONS": {"location": str(path)}},
    )


def _s3(name: str, bucket: str, prefix: str, query: str, has_fragment: bool, shape: str) -> Storage:
    if not BUCKET.fullmatch(bucket) or has_fragment or _is_odd(prefix):
        raise ImproperlyConfigured(
            f"{name}: {bucket!r} with the prefix {prefix!r} is no place in S3. {shape}"
        )
    options = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := sorted({*options} - {*S3_OPTIONS}):  # a key among them would be shown with its value
        raise ImproperlyConfigured(
            f"{name} has the option {unknown[0]!r}; {', '.join(S3_OPTIONS)} are read. Keys come from the environment "
            f"(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY). {shape}"
        )
    endpoint = options.get("endpoint_url", "https://host")
    if not re.fullmatch(r"https?://[^/?#\s]+/?", endpoint):
        raise ImproperlyConfigured(f"{name}: endpoint_url={endpoint!r} is not http(s)://host:port. {shape}")
    if options.get("addressing_style", "auto") not in ADDRESSING_STYLES:
        raise ImproperlyConfigured(
            f"{name}: addressing_style={options['addressing_style']!r} is none of {', '.join(ADDRESSING_STYLES)}."
        )
    if find_spec("storages") is None or find_spec("boto3") is None:
        raise ImproperlyConfigured(
            f"{name} names a bucket, and the packages for that are not installed. Install the extra s3: "
            "EXTRAS=s3 make install (or uv pip install -e '.[s3]')."
        )
    return Storage(
        f"s3://{bucket}/{prefix}".rstrip("/"),
        {
            "BACKEND": "annotation.project.artifacts.s3.S3",
            "OPTIONS": {"bucket_name": bucket, "location": prefix, **options},
        },
    )


def _is_odd(prefix: str) -> bool:
    return bool(prefix) and not {"", ".", ".."}.isdisjoint(prefix.split("/"))


def _without_values(text: str) -> str:
    return text.partition("?")[0]
