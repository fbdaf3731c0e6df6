"""Django behind ASGI, with one change of thread for each request instead of one for every middleware.

Most middleware is written for threads. In Django's own async chain each piece goes to the request's thread and back, which
costs more CPU than the page itself (`python -m bench assignment`). Here the whole chain and an ordinary view run in that
thread; an async view (a stream of tokens) still runs on the event loop, and what it streams is sent from there.
"""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase


class Handler(ASGIHandler):
    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self.get_response, thread_sensitive=True)(request)
