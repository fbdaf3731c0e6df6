"""One message over the wire: signed, to a checked address, without redirects, within ten seconds.

    outcome = send(url, secrets, message)        # touches no table; the relay writes down what came of it

The address passes the same checks as an endpoint's (`annotation/endpoints/addresses.py`): nothing is sent to a host that the
operator has not named.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from annotation.endpoints.addresses import CheckedTransport, Target, check
from annotation.endpoints.client import not_connected, retry_after_s
from annotation.endpoints.excerpts import EXCERPT_BYTES, safe_excerpt
from annotation.endpoints.failures import EndpointFailed
from annotation.errors import Invalid
from annotation.webhooks.signing import headers

CONNECT_S = 5.0
TOTAL_S = 10.0


@dataclass(frozen=True)
class Message:
    """What is sent: the id that a receiver remembers, and the bytes that are signed."""

    id: str
    body: bytes


@dataclass(frozen=True)
class Outcome:
    """What came of one attempt. `failure` is empty when a 2xx came, else a code of EndpointFailed or `gone`."""

    status: int | None
    failure: str
    excerpt: str
    duration_ms: int
    wait_s: float | None = None  # the receiver asked for so much time


def send(url: str, secrets: Sequence[str], message: Message) -> Outcome:
    """Sends one message and says what came of it; never raises for what the other side does."""
    began = time.monotonic()
    status, failure, excerpt, wait_s = None, "", "", None
    try:
        try:
            target = check(url)
        except Invalid:  # it was allowed when it was stored
            raise EndpointFailed("address_refused") from None
        status, failure, excerpt, wait_s = asyncio.run(_send(target, secrets, message))
    except EndpointFailed as failed:
        failure = failed.code
    return Outcome(status, failure, excerpt, round((time.monotonic() - began) * 1000), wait_s)


async def _send(
    target: Target, secrets: Sequence[str], message: Message
) -> tuple[int, str, str, float | None]:
    client = httpx.AsyncClient(
        transport=CheckedTransport(target),
        timeout=httpx.Timeout(TOTAL_S, connect=CONNECT_S),
        trust_env=False,
        follow_redirects=False,
    )
    sent = headers(message.id, int(time.time()), message.body, secrets) | {
        "Content-Type": "application/json",
        "User-Agent": "Whetstone",
        "Accept-Encoding": "identity",
    }
    try:
        async with asyncio.timeout(TOTAL_S), client:
            async with client.stream("POST", target.base_url, content=message.body, headers=sent) as response:
                said = await _beginning(response)
                excerpt = "".join(
                    safe_excerpt(said, key=secret, is_public=target.is_public) for secret in secrets[:1]
                )
                wait_s = retry_after_s(response.headers.get("Retry-After"))
                return response.status_code, _failure(response.status_code), excerpt, wait_s
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise not_connected(error) from None
    except (TimeoutError, httpx.TimeoutException):
        raise EndpointFailed("took_too_long") from None
    except httpx.RemoteProtocolError:
        raise EndpointFailed("unexpected") from None
    except httpx.TransportError:
        raise EndpointFailed("broken_off") from None


async def _beginning(response: httpx.Response) -> str:
    """The first bytes of the body; a receiver that goes on and on is cut off there."""
    body = b""
    async for part in response.aiter_raw():
        body += part
        if len(body) >= EXCERPT_BYTES:
            break
    return body[:EXCERPT_BYTES].decode(errors="replace")


def _failure(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return "redirected"
    if status == 410:
        return "gone"
    if status in (401, 403):
        return "key_refused"
    if status == 429:
        return "busy"
    return "not_accepted" if status < 500 else "failing"
