"""A stream on its way to a page: events for a browser, and the row that says what came, whoever goes away first.

    return sse_response(events(generation, live))

The policy is read in a task of its own, which writes the row when it ends. The page only listens: when it goes away, the
task is ended, and with it the policy's work. A stop may be asked of another web process than the one that streams; each
process looks once for all of its streams, twice a second.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from asgiref.sync import sync_to_async
from django.db import DatabaseError, connections
from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _

from annotation.generation import services
from annotation.generation.models import Generation, Live
from annotation.generation.sampling import Sampling
from annotation.generation.source import Begun, Piece, SourceFailed, ask

log = logging.getLogger(__name__)

HEARTBEAT_S = 15.0
LOOK_EVERY_S = 0.5
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # what a database and a browser cannot keep

_running: dict[uuid.UUID, Stream] = {}
_watch: asyncio.Task[None] | None = None


def sse_response(events: AsyncIterator[bytes]) -> StreamingHttpResponse:
    """Server-sent events. The request's database connection goes back first: a stream must not hold one for minutes."""
    connections.close_all()
    return StreamingHttpResponse(
        events,
        content_type="text/event-stream",
        headers={
            "Content-Encoding": "identity",
            "Cache-Control": "no-cache, no-store",
            "X-Accel-Buffering": "no",
        },
    )


async def events(generation: Generation, live: Live) -> AsyncIterator[bytes]:
    """begin, piece (its id: code points so far), and at the end `end` or `failed`; a comment when nothing is said."""
    stream = Stream(generation, live)
    stream.start()
    try:
        yield _event("begin", {"generation": str(generation.pk), "prefix": generation.prefix})
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    name, data = await stream.news.get()
            except TimeoutError:
                yield b": still here\n\n"
                continue
            yield _event(name, data, number=stream.served)
            if name != "piece":
                return
    finally:
        stream.stop("left")


class Stream:
    def __init__(self, generation: Generation, live: Live):
        self.generation, self.live = generation, live
        self.language = get_language()
        self.news: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self.served = 0
        self._texts: list[str] = []
        self._tokens: list[tuple[int, float]] = []
        self._begun: Begun | None = None
        self._first_at: Any = None
        self._finish = ""

    def start(self) -> None:
        _running[self.generation.pk] = self
        self._reading = asyncio.create_task(self._read())
        self._ending = asyncio.create_task(self._end())
        _look_for_stops()

    def stop(self, why: str) -> None:
        if not self._reading.done():
            self._finish = why
            self._reading.cancel()

    async def _read(self) -> None:
        sampling = Sampling.of(self.generation.sampling)
        said = ask(self.live, self.generation.messages, prefix=self.generation.prefix, sampling=sampling)
        with override(self.language):
            async with aclosing(said):
                async for part in said:
                    if isinstance(part, Begun):
                        self._begun = part
                    elif isinstance(part, Piece):
                        self._take(part)
                    else:
                        self._finish = part.finish

    def _take(self, piece: Piece) -> None:
        self._tokens += piece.tokens
        text = UNSTORABLE.sub("", piece.text)
        if text:
            self._first_at = self._first_at or timezone.now()
            self._texts.append(text)
            self.served += len(text)
            self.news.put_nowait(("piece", {"text": text}))

    async def _end(self) -> None:
        """However the reading ended, the row is written, and then the page is told."""
        await asyncio.wait([self._reading])
        error: dict[str, str] | None = None
        state = Generation.State.FINISHED
        if self._reading.cancelled():
            state = Generation.State.STOPPED
        elif (raised := self._reading.exception()) is not None:
            state, self._finish = Generation.State.FAILED, ""
            if isinstance(raised, SourceFailed):
                error = {"code": raised.code, "message": raised.message}
            else:
                log.error("a stream broke", exc_info=raised)
                with override(self.language):
                    error = {
                        "code": "fault",
                        "message": _("The policy broke off in the middle of its answer."),
                    }
        try:
            await sync_to_async(_write, thread_sensitive=False)(
                generation_id=self.generation.pk,
                state=state,
                finish=self._finish,
                error=error,
                text="".join(self._texts),
                tokens=self._tokens,
                policy=self._begun and self._begun.policy,
                seed=self._begun and self._begun.seed,
                first_at=self._first_at,
            )
        finally:
            _running.pop(self.generation.pk, None)
            told = error or {"state": state.value, "finish": self._finish}
            self.news.put_nowait(("failed" if error else "end", told))


def _write(**row: Any) -> None:
    try:
        services.end(**row)
    finally:
        connections.close_all()


def _look_for_stops() -> None:
    global _watch
    if _watch is None or _watch.done():
        _watch = asyncio.create_task(_look())


async def _look() -> None:
    while _running:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            asked = await sync_to_async(_asked, thread_sensitive=False)(list(_running))
        except DatabaseError:
            log.warning("could not look which streams are to stop; the next look will tell", exc_info=True)
            continue
        for pk in asked:
            if stream := _running.get(pk):
                stream.stop("asked")


def _asked(running: list[uuid.UUID]) -> list[uuid.UUID]:
    try:
        asked = Generation.objects.filter(pk__in=running, stop_asked_at__isnull=False)
        return list(asked.values_list("pk", flat=True))
    finally:
        connections.close_all()


def _event(name: str, data: dict[str, Any], number: int | None = None) -> bytes:
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
