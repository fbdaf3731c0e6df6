"""Requests and answers. What is safe to send twice is sent again by itself; anything else is yours to decide.

A request is sent again

- when it never reached the server (no connection), whatever it was;
- when the server said that it did nothing and when to come back (429, 503 with `Retry-After`), whatever it was;
- when the connection broke or a proxy gave up (502, 503, 504), only if sending it twice is sending it once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from whetstone_client.errors import ApiError, Json, Unanswered, kind_of

NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
UNSURE = frozenset({502, 503, 504})


@dataclass(frozen=True)
class Retries:
    """How often to try again, and for how long to wait in between, in seconds."""

    most: int = 6
    first_wait_s: float = 0.5  # doubled each time, of which a random part is waited
    longest_wait_s: float = 60.0  # a `Retry-After` beyond it is raised as TooMany or Unavailable

    def wait_s(self, attempt: int, retry_after_s: float | None) -> float | None:
        """How long to wait before attempt `attempt + 1`; None: no more."""
        if attempt >= self.most or (retry_after_s or 0.0) > self.longest_wait_s:
            return None
        if retry_after_s is not None:
            return retry_after_s + random.uniform(0.0, 0.25)
        return random.uniform(0.5, 1.0) * min(self.longest_wait_s, self.first_wait_s * 2.0**attempt)


class Transport:
    """One address, one token, one pool of connections."""

    def __init__(self, base_url: str, token: str, *, http: httpx.Client, retries: Retries) -> None:
        self.base_url = base_url.rstrip("/")
        self.http, self.retries = http, retries
        self.headers = {"Authorization": f"Bearer {token}", "User-Agent": "whetstone-client/0.1"}

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        return self.send("GET", path, params=params, is_safe=True)

    def post(self, path: str, body: Json | None = None, *, is_safe: bool) -> Any:
        return self.send("POST", path, json={} if body is None else body, is_safe=is_safe)

    def send(
        self,
        method: str,
        path: str,
        *,
        is_safe: bool,
        json: Any = None,
        content: bytes | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The JSON of the answer, or None if it has none. Raises ApiError, Unanswered."""
        attempt = 0
        while True:
            wait_s: float | None
            try:
                response = self.http.request(
                    method, self.address(path), json=json, content=content, params=params,
                    headers={**self.headers, **(headers or {})},
                )  # fmt: skip
            except httpx.TransportError as error:
                may = is_safe or isinstance(error, NOT_SENT)
                wait_s = self.retries.wait_s(attempt, None) if may else None
                if wait_s is None:
                    raise Unanswered(f"{method} {path}: {error or type(error).__name__}") from error
            else:
                if response.status_code < 400:
                    return response.json() if response.content else None
                refused = refusal(response)
                wait_s = self._wait_for(refused, attempt, is_safe)
                if wait_s is None:
                    if refused.status in (502, 504) and not is_safe:
                        raise Unanswered(f"{method} {path}: {refused}") from refused
                    raise refused
            time.sleep(wait_s)
            attempt += 1

    def pages(self, path: str, params: Mapping[str, Any] | None = None) -> Iterator[Json]:
        """Every row of a list, page after page."""
        address: str | None = path
        while address:
            page = self.get(address, params)
            yield from page["results"]
            # The next page, at our own address: a proxy may have told the server another name.
            found = urlsplit(page["next"] or "")
            address, params = (f"{found.path}?{found.query}" if page["next"] else None), None

    def address(self, path: str) -> str:
        if path.startswith("/"):  # from a link of the server
            parts = urlsplit(self.base_url)
            return f"{parts.scheme}://{parts.netloc}{path}"
        return f"{self.base_url}/api/{path}"

    def _wait_for(self, refused: ApiError, attempt: int, is_safe: bool) -> float | None:
        told = refused.status in (429, 503) and refused.retry_after_s is not None
        if told or refused.status == 429 or (is_safe and refused.status in UNSURE):
            return self.retries.wait_s(attempt, refused.retry_after_s)
        return None


def refusal(response: httpx.Response) -> ApiError:
    """The refusal that a response is; one that no Whetstone wrote (a proxy's page) is quoted shortly."""
    status = response.status_code
    about: dict[str, Any] = {
        "request_id": response.headers.get("X-Request-ID", ""),
        "retry_after_s": retry_after_s(response.headers.get("Retry-After")),
    }
    try:
        said = response.json()
        return kind_of(status)(
            status, code=said["code"], message=said["message"], fields=said["fields"], extra=said["extra"], **about
        )  # fmt: skip
    except (ValueError, KeyError, TypeError):
        quoted = " ".join(response.text[:200].split())
        return kind_of(status)(status, code="unexpected", message=quoted or response.reason_phrase, **about)


def retry_after_s(said: str | None) -> float | None:
    """Seconds until then, whether it was said in seconds or as a date; None if it was not said, or is nonsense."""
    if said is None:
        return None
    if said.strip().isdigit():
        return float(said)
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
