"""Asks an endpoint for a response and gives its text as it comes.

    async with aclosing(stream(endpoint, messages, sampling=Sampling())) as tokens:
        async for text in tokens: ...

Leaving the loop closes the connection, which is how an endpoint learns to stop; so always with `aclosing`.

httpx with httpx-sse, and not the `openai` package: that one follows redirects, repeats what a server said in its errors,
sends facts about this machine, and has no words for half of what can go wrong; what is left of it is one POST.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

import httpx
from django.utils.translation import gettext as _
from httpx_sse import EventSource, ServerSentEvent

from annotation.endpoints.addresses import CheckedTransport, Target, check
from annotation.endpoints.breaker import breaker_of
from annotation.endpoints.excerpts import EXCERPT_BYTES, safe_excerpt
from annotation.endpoints.failures import ILL, RETRIED, EndpointFailed
from annotation.endpoints.keys import unseal
from annotation.endpoints.models import Endpoint
from annotation.errors import Invalid
from annotation.generation.sampling import Sampling

T = TypeVar("T")

ATTEMPTS = 3
FIRST_WAIT_S = 0.5  # doubled each time, of which a random part is waited
LONGEST_WAIT_S = 20.0
EXCERPT_S = 2.0


async def stream(
    endpoint: Endpoint,
    messages: list[dict[str, Any]],
    *,
    prefix: str = "",
    sampling: Sampling,
    is_trial: bool = False,
) -> AsyncGenerator[str, None]:
    """The text of one response, piece by piece, after `prefix` if it goes on from there.

    It is asked for up to three times, only while nothing has come. A trial is made once, whether or not the endpoint is
    switched on, and whatever happened to others. Raises EndpointFailed.
    """
    if not (endpoint.is_active or is_trial):
        raise EndpointFailed("inactive")
    body = _body(endpoint, messages, prefix, sampling)
    breaker = breaker_of(endpoint)
    if not is_trial:
        breaker.ask()
    is_decided = False
    try:
        async with aclosing(_with_retries(endpoint, body, attempts=1 if is_trial else ATTEMPTS)) as texts:
            async for text in texts:
                if not is_decided:
                    is_decided = True
                    breaker.succeeded()
                yield text
        is_decided = True
        breaker.succeeded()
    except EndpointFailed as failed:
        is_decided = True
        if failed.code in ILL:
            breaker.failed()
        raise
    finally:
        if not is_decided:
            breaker.stopped()


async def complete(
    endpoint: Endpoint, messages: list[dict[str, Any]], *, prefix: str = "", sampling: Sampling
) -> str:
    """The whole text of one response, without the prefix. Raises EndpointFailed."""
    async with aclosing(stream(endpoint, messages, prefix=prefix, sampling=sampling)) as texts:
        return "".join([text async for text in texts])


def _body(
    endpoint: Endpoint, messages: list[dict[str, Any]], prefix: str, sampling: Sampling
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": endpoint.model,
        "messages": messages,
        "stream": True,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        endpoint.length_field: sampling.max_new_tokens,
    }
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if prefix:
        if not endpoint.may_continue:
            raise EndpointFailed("cannot_continue")
        body["messages"] = [*messages, {"role": "assistant", "content": prefix}]
        if endpoint.continuation == Endpoint.Continuation.VLLM:
            body |= {"continue_final_message": True, "add_generation_prompt": False}
    return body


async def _with_retries(endpoint: Endpoint, body: dict[str, Any], attempts: int) -> AsyncGenerator[str, None]:
    ends_at = time.monotonic() + endpoint.total_s
    for attempt in range(attempts):
        has_begun = False
        try:
            async with aclosing(_once(endpoint, body, ends_at)) as texts:
                async for text in texts:
                    has_begun = True
                    yield text
            return
        except EndpointFailed as failed:
            wait_s = failed.retry_after_s
            if wait_s is None:
                wait_s = random.uniform(0.5, 1.0) * FIRST_WAIT_S * 2**attempt
            is_last = attempt + 1 == attempts or wait_s > min(LONGEST_WAIT_S, ends_at - time.monotonic())
            if has_begun or is_last or failed.code not in RETRIED:
                raise
        await asyncio.sleep(wait_s)


async def _once(endpoint: Endpoint, body: dict[str, Any], ends_at: float) -> AsyncGenerator[str, None]:
    limit = _Limit(ends_at, endpoint.first_token_s, "no_first_token")
    async with _answer(endpoint, body, limit) as answer:
        has_text, is_complete, data = False, False, ""
        async with aclosing(EventSource(answer.response).aiter_sse()) as events:
            while not is_complete and (event := await limit.wait_for(_next(events))) is not None:
                if event.data.strip() == "[DONE]":
                    is_complete = True
                    break
                data = event.data
                text, is_complete = _read(data, answer)
                has_text = has_text or text is not None
                if text:
                    yield text
                    limit = _Limit(ends_at, endpoint.between_tokens_s, "stalled")
        if not is_complete:
            raise EndpointFailed("broken_off")
        if not has_text:
            raise answer.unexpected(data)


class _Answer:
    """A response that has begun, and what is needed to quote from it safely."""

    def __init__(self, response: httpx.Response, target: Target, key: str) -> None:
        self.response = response
        self.target = target
        self.key = key

    def unexpected(self, said: str) -> EndpointFailed:
        return EndpointFailed(
            "unexpected", excerpt=safe_excerpt(said, key=self.key, is_public=self.target.is_public)
        )

    async def refusal(self) -> EndpointFailed:
        """Why there are no tokens, by the status and the beginning of the body."""
        status, headers = self.response.status_code, self.response.headers
        if status in (401, 403):
            return EndpointFailed("key_refused")  # what it says about a key is not repeated
        if 300 <= status < 400:
            return EndpointFailed("redirected")
        said = await self.beginning()
        excerpt = safe_excerpt(said, key=self.key, is_public=self.target.is_public)
        if status == 429:
            return EndpointFailed(
                "busy", excerpt=excerpt, retry_after_s=retry_after_s(headers.get("Retry-After"))
            )
        if status >= 500:
            wait_s = retry_after_s(headers.get("Retry-After")) if status == 503 else None
            return EndpointFailed("failing", excerpt=excerpt, retry_after_s=wait_s)
        return EndpointFailed("not_accepted" if status >= 400 else "unexpected", excerpt=excerpt)

    async def beginning(self) -> str:
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(EXCERPT_S):
                async for part in self.response.aiter_raw():
                    parts.append(part)
                    if sum(map(len, parts)) >= EXCERPT_BYTES:
                        break
        except (TimeoutError, httpx.TransportError):
            pass
        return b"".join(parts)[:EXCERPT_BYTES].decode(errors="replace")


@asynccontextmanager
async def _answer(endpoint: Endpoint, body: dict[str, Any], limit: _Limit) -> AsyncIterator[_Answer]:
    """The beginning of a stream of events; its connection ends with the block, whatever happens in it."""
    try:
        target = check(endpoint.base_url)
    except Invalid:  # it was allowed when it was stored
        raise EndpointFailed("address_refused") from None
    key = unseal(endpoint.sealed_key)
    headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity", "User-Agent": "Whetstone"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    # A connection for each stream: closing it is what stops the endpoint. The time-outs are ours; of httpx only connecting.
    client = httpx.AsyncClient(
        transport=CheckedTransport(target),
        timeout=httpx.Timeout(None, connect=endpoint.connect_s),
        trust_env=False,
        follow_redirects=False,
    )
    async with client:
        request = client.build_request(
            "POST", f"{target.base_url}/chat/completions", json=body, headers=headers
        )
        try:
            response = await limit.wait_for(client.send(request, stream=True))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise not_connected(error) from None
        except httpx.RemoteProtocolError:
            raise EndpointFailed("unexpected") from None
        except httpx.TransportError:
            raise EndpointFailed("broken_off") from None
        try:
            answer = _Answer(response, target, key)
            if (
                response.status_code != 200
                or response.headers.get("Content-Encoding", "identity") != "identity"
            ):
                raise await answer.refusal()
            if response.headers.get("Content-Type", "").partition(";")[0].strip() != "text/event-stream":
                raise answer.unexpected(await answer.beginning())
            yield answer
        finally:
            await response.aclose()


async def _next(events: AsyncGenerator[ServerSentEvent, None]) -> ServerSentEvent | None:
    """The next event, or None at the end."""
    try:
        return await anext(events, None)
    except httpx.TransportError:
        raise EndpointFailed("broken_off") from None


def _read(data: str, answer: _Answer) -> tuple[str | None, bool]:
    """The text of one event (None if it has none) and whether the response is complete with it."""
    try:
        chunk = json.loads(data)
        if "error" in chunk and "choices" not in chunk:
            raise EndpointFailed(
                "failing",
                excerpt=safe_excerpt(data, key=answer.key, is_public=answer.target.is_public),
            )
        if not chunk["choices"]:  # how many tokens were used
            return None, False
        choice = chunk["choices"][0]
        text = choice["delta"].get("content")
        is_last = choice.get("finish_reason") is not None
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        raise answer.unexpected(data) from None
    if text is not None and not isinstance(text, str):
        raise answer.unexpected(data)
    return text, is_last


class _Limit:
    """Until when to wait for the next thing: so many seconds, and never longer than the whole may take."""

    def __init__(self, ends_at: float, seconds: float, code: str) -> None:
        now = time.monotonic()
        self.at = min(ends_at, now + seconds)
        self.code = code if now + seconds <= ends_at else "took_too_long"

    async def wait_for(self, awaited: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(max(0.0, self.at - time.monotonic())):
                return await awaited
        except TimeoutError:
            raise EndpointFailed(self.code) from None


def not_connected(error: BaseException) -> EndpointFailed:
    """Why there is no connection: `certificate`, `no_secure_connection` or `unreachable`."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return EndpointFailed("certificate", why=_why(cause))
        if isinstance(cause, ssl.SSLError):
            return EndpointFailed("no_secure_connection")
        cause = cause.__cause__ or cause.__context__
    return EndpointFailed("unreachable")


def _why(error: ssl.SSLCertVerificationError) -> str:
    known = {
        10: _("it has expired"),
        18: _("it is signed by nobody but itself"),
        19: _("it is signed by nobody whom this server trusts"),
        20: _("it is signed by nobody whom this server trusts"),
        62: _("it is for another host"),
        64: _("it is for another host"),
    }  # X509_V_ERR_… of OpenSSL
    return known.get(error.verify_code, _("it is not valid"))


def retry_after_s(said: str | None) -> float | None:
    """Retry-After in seconds; a date, or nonsense, counts as not said."""
    text = (said or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None
