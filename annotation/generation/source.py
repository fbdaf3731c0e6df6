"""The two that can answer: the policy process on this machine, and an endpoint. Both say the same things.

    async with aclosing(ask(live, messages, prefix="", sampling=Sampling())) as said:
        async for part in said: ...          # Begun, Piece, …, Ended; or SourceFailed is raised

Leaving the loop ends the connection, and with it the stream on the other side.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from annotation.endpoints.client import stream
from annotation.endpoints.failures import EndpointFailed
from annotation.generation.models import Live
from annotation.generation.sampling import Sampling

LONGEST_LINE = 4 * 1024 * 1024
CONNECT_S = 5.0
FIRST_S = 120.0  # a policy may have to be read from disk first
NEXT_S = 30.0


@dataclass(frozen=True)
class Begun:
    prefix: str  # what it goes on from, as it was used
    policy: Mapping[str, Any]
    seed: int | None


@dataclass(frozen=True)
class Piece:
    text: str
    tokens: Sequence[tuple[int, float]] = ()


@dataclass(frozen=True)
class Ended:
    finish: str


class SourceFailed(Exception):
    """`code` for programs, `message` for the labeler."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code, self.message = code, message


Said = Begun | Piece | Ended


def ask(
    live: Live,
    messages: Sequence[Mapping[str, str]],
    *,
    prefix: str,
    sampling: Sampling,
    is_read: bool = True,
) -> AsyncGenerator[Said, None]:
    """What the campaign's policy says. `is_read`: somebody reads along, so it need not be faster than that."""
    if live.source == Live.Source.ENDPOINT:
        return _remote(live, messages, prefix, sampling)
    return _local(live.campaign_id, messages, prefix, sampling, is_read)


async def _local(
    campaign_id: int, messages: Sequence[Mapping[str, str]], prefix: str, sampling: Sampling, is_read: bool
) -> AsyncGenerator[Said, None]:
    request = {
        "op": "stream",
        "campaign": campaign_id,
        "messages": list(messages),
        "prefix": prefix,
        "sampling": sampling.dump(),
        "paced": is_read,
    }
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_unix_connection(settings.POLICY_SOCKET, limit=LONGEST_LINE)
    except (OSError, TimeoutError):
        raise SourceFailed("not_running", _("The policy is not running at the moment.")) from None
    try:
        writer.write(json.dumps(request).encode() + b"\n")
        await writer.drain()
        limit_s = FIRST_S
        while True:
            async with asyncio.timeout(limit_s):
                line = await reader.readline()
            if not line.endswith(b"\n"):
                raise SourceFailed("died", _("The policy broke off in the middle of its answer."))
            told = json.loads(line)
            if told["event"] == "begin":
                yield Begun(told["prefix"], told["policy"], told["seed"])
            elif told["event"] == "piece":
                limit_s = NEXT_S
                yield Piece(told["text"], tuple(zip(told["ids"], told["logprobs"], strict=True)))
            elif told["event"] == "end":
                yield Ended(told["finish"])
                return
            else:
                raise SourceFailed(str(told["code"]), _words(told["code"]))
    except TimeoutError:
        raise SourceFailed("stalled", _("The policy says nothing any more.")) from None
    except OSError:
        raise SourceFailed("died", _("The policy broke off in the middle of its answer.")) from None
    finally:
        writer.transport.abort()


async def _remote(
    live: Live, messages: Sequence[Mapping[str, str]], prefix: str, sampling: Sampling
) -> AsyncGenerator[Said, None]:
    assert live.endpoint is not None
    begun = prefix.rstrip()
    yield Begun(begun, {"model": live.endpoint.model}, sampling.seed)
    try:
        texts = stream(live.endpoint, [dict(m) for m in messages], prefix=begun, sampling=sampling)
        async with aclosing(texts):
            async for text in texts:
                yield Piece(text)
    except EndpointFailed as failed:
        raise SourceFailed(failed.code, failed.message) from None
    yield Ended("stop")


def _words(code: str) -> str:
    return {
        "busy": _("Too many people are asking the policy at once. Try again in a moment."),
        "refused": _("The policy cannot answer this: there is none yet, or the text is too long for it."),
    }.get(code, _("The policy broke off in the middle of its answer."))
