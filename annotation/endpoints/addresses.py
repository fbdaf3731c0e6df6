"""The server connects only where its operator allows (WHETSTONE_ENDPOINT_HOSTS), whatever an address in the data says.

    target = check("https://api.example.org/v1")     # before it is stored, and again before each request; sends nothing
    transport = CheckedTransport(target)             # for httpx: looks the name up once, checks and uses its addresses

The certificate is verified for the name. Redirects, proxies of the environment and names in disguise are not followed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.utils.translation import gettext as _

from annotation.endpoints.failures import EndpointFailed
from annotation.errors import Invalid
from annotation.project.env import HOST_NAME, AllowedHost

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Never, even if somebody named them: where clouds hand out credentials, and addresses that stand for others.
NEVER = [
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "100.100.100.200/32", "168.63.129.16/32", "224.0.0.0/3",
        "::/128", "::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "fd00:ec2::/32",
        "fe80::/10", "fec0::/10", "ff00::/8",
    )
]  # fmt: skip
MOST_BYTES = 8 * 1024 * 1024  # of one answer; 4,096 tokens are about one
LOOPBACK_V6 = ipaddress.IPv6Address("::1")  # lies in ::/96
BASE_URL = re.compile(
    r"(https?)://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?((?:/[A-Za-z0-9._~-]+)*)/?"
)


@dataclass(frozen=True)
class Target:
    """A base address that was checked, and what the operator allows its name to resolve to."""

    base_url: str  # without a slash at the end
    host: AllowedHost

    @property
    def is_public(self) -> bool:
        return not self.host.networks


def check(base_url: str) -> Target:
    """The address, if the operator allows it. Raises Invalid `address_not_allowed`; looks nothing up and sends nothing."""
    found = BASE_URL.fullmatch(base_url) if isinstance(base_url, str) and len(base_url) <= 300 else None
    if found is None or "/.." in base_url or "/./" in base_url:
        raise _refused(_("Write it as https://host/v1, without user, query or spaces."))
    scheme, host = found[1], found[2].strip("[]").lower()
    if not HOST_NAME.fullmatch(host):
        try:  # only the usual spelling: no 0x7f000001, 2130706433, 127.1, ::ffff:7f00:1
            if str(ipaddress.ip_address(host)) != host:
                raise ValueError
        except ValueError:
            raise _refused(_("This is no host name and no address in its usual form.")) from None
    port = urlsplit(base_url).port if int((found[3] or ":1")[1:]) < 65536 else 0
    port = (443 if scheme == "https" else 80) if port is None else port
    for allowed in settings.ENDPOINT_HOSTS:
        if (allowed.scheme, allowed.host, allowed.port) == (scheme, host, port):
            if not HOST_NAME.fullmatch(host) and not is_allowed(ipaddress.ip_address(host), allowed):
                break
            return Target(base_url.rstrip("/"), allowed)
    raise _refused(_("The operator of this site has not allowed it (WHETSTONE_ENDPOINT_HOSTS)."))


def is_allowed(address: Address, host: AllowedHost) -> bool:
    """Whether the host may be at this address: a public one, or one of the networks that the operator named for it."""
    if address != LOOPBACK_V6 and any(address in network for network in NEVER):
        return False
    if host.networks:
        return any(address in network for network in host.networks)
    return address.is_global


async def resolve(host: AllowedHost) -> list[str]:
    """The addresses of a host. Raises EndpointFailed: `address_refused` if one of them is not allowed, `unreachable`."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host.host, host.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise EndpointFailed("unreachable") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses:
        raise EndpointFailed("unreachable")
    for text in addresses:
        if "%" in text or not is_allowed(ipaddress.ip_address(text), host):
            raise EndpointFailed("address_refused")
    return addresses


class CheckedTransport(httpx.AsyncBaseTransport):
    """Connects to addresses that were checked, never to a name: what a name means cannot change in between.

    `trusted` are the authorities of certificates, for a program without our settings; else those of the settings.
    """

    def __init__(
        self, target: Target, *, trusted: ssl.SSLContext | None = None, most_bytes: int = MOST_BYTES
    ) -> None:
        self.target, self.most_bytes = target, most_bytes
        verify = trusted or authorities(settings.ENDPOINT_CA_FILE)
        self.inner = httpx.AsyncHTTPTransport(verify=verify, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = self.target.host
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        if (request.url.scheme, request.url.host, port) != (host.scheme, host.host, host.port):
            raise EndpointFailed("address_refused")
        connect_s = request.extensions.get("timeout", {}).get("connect")
        try:
            async with asyncio.timeout(connect_s):
                addresses = await resolve(host)
        except TimeoutError:
            raise EndpointFailed("unreachable") from None
        extensions = {**request.extensions, "sni_hostname": host.host}
        for n, address in enumerate(addresses, start=1):
            try:
                response = await self.inner.handle_async_request(
                    httpx.Request(
                        request.method,
                        request.url.copy_with(host=address),
                        headers=request.headers,
                        stream=request.stream,
                        extensions=extensions,
                    )
                )
                assert isinstance(response.stream, httpx.AsyncByteStream)
                response.stream = _Bounded(response.stream, self.most_bytes)
                return response
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if n == len(addresses):
                    raise
        raise AssertionError("unreachable")

    async def aclose(self) -> None:
        await self.inner.aclose()


class _Bounded(httpx.AsyncByteStream):
    """A body that ends with EndpointFailed `too_much` before it fills the memory."""

    def __init__(self, stream: httpx.AsyncByteStream, most_bytes: int) -> None:
        self.stream, self.most_bytes = stream, most_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for part in self.stream:
            received += len(part)
            if received > self.most_bytes:
                raise EndpointFailed("too_much")
            yield part

    async def aclose(self) -> None:
        await self.stream.aclose()


@lru_cache(maxsize=4)
def authorities(more: Path | None) -> ssl.SSLContext:
    """The usual authorities of certificates, and one of the operator's own."""
    context = httpx.create_ssl_context(trust_env=False)
    if more is not None:
        context.load_verify_locations(cafile=more)
    return context


def _refused(rule: str) -> Invalid:
    return Invalid(_("This address is not allowed."), code="address_not_allowed", fields={"base_url": [rule]})
