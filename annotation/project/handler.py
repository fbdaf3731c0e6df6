"""Django behind ASGI, with one change of thread for each request, to a thread that is kept.

Most middleware and every view is written for threads. In Django's own async chain each piece of middleware goes to a thread
of the request and back, that thread is started and ended with the request, and a task waits beside it for the client to
leave: together that costs more CPU than the page itself (`python -m bench assignment`). Here the whole of a request, its
signals included, runs in one of a few threads that stay. What streams (tokens of a policy, a file) is sent from the event
loop, until its end or until the client has gone. A stream that a plain iterator makes has a thread of its own: whatever
the iterator opens, such as a cursor, belongs to the thread that opened it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import IO, Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.db import close_old_connections
from django.http import FileResponse
from django.urls import set_script_prefix


class Handler(ASGIHandler):
    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(settings.WEB_THREADS, thread_name_prefix="request")

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        try:
            respond = sync_to_async(self._respond, thread_sensitive=False, executor=self._threads)
            response = await respond(scope, body)
            if response.streaming:
                await self._stream(response, receive, send)
            else:
                await self.send_response(response, send)
        finally:
            body.close()

    def _respond(self, scope: Any, body: IO[bytes]) -> Any:
        """The response, closed unless it streams; the thread's database connection is back in the pool."""
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        request, refusal = self.create_request(scope, body)
        response: Any = refusal if request is None else self.get_response(request)
        response._handler_class = self.__class__
        if not response.streaming:
            response.close()  # says `request_finished`
            return response
        if isinstance(response, FileResponse):
            response.block_size = self.chunk_size
        close_old_connections()
        return response

    async def _stream(self, response: Any, receive: Any, send: Any) -> None:
        """Sends until the end; when the client leaves, whatever makes the text is cancelled or closed."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="stream")  # started by its first use
        in_thread: Callable[..., Any] = partial(sync_to_async, thread_sensitive=False, executor=thread)
        if not response.is_async:  # Django would gather all of it before it sends the first byte
            pieces = _joined(response.streaming_content, self.chunk_size)
            response.streaming_content = _following(in_thread(lambda: next(pieces, None)))
        sending = asyncio.create_task(self.send_response(response, send))
        leaving = asyncio.create_task(self.listen_for_disconnect(receive))
        try:
            await asyncio.wait([sending, leaving], return_when=asyncio.FIRST_COMPLETED)
            for task in (leaving, sending):
                task.cancel()
            await asyncio.gather(leaving, sending, return_exceptions=True)
            if not sending.cancelled():
                sending.result()
        finally:
            await in_thread(response.close)()
            thread.shutdown(wait=False)


async def _following(ask: Callable[[], Any]) -> AsyncIterator[bytes]:
    while (piece := await ask()) is not None:
        yield piece


def _joined(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Short pieces together, at least `size` bytes but for the last: not every line costs a turn of the event loop."""
    waiting, length = [], 0
    for piece in pieces:
        waiting.append(piece)
        length += len(piece)
        if length >= size:
            yield b"".join(waiting)
            waiting, length = [], 0
    if waiting:
        yield b"".join(waiting)
