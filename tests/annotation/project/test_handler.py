"""How the web process works on a request: in a thread that is kept, whatever streams on the event loop."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from django.core import signals
from django.db import connection
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.urls import path

from annotation.project.handler import Handler

pytestmark = pytest.mark.django_db
ended: list[str] = []
made: list[str] = []
MOST_LINES = 100_000


def thread(request):
    return HttpResponse(f"{threading.current_thread().name} {request.body.decode()}")


def endless(request):
    async def numbers() -> AsyncIterator[bytes]:
        try:
            for number in range(10**9):
                yield b"%d\n" % number
                await asyncio.sleep(0.01)
        finally:
            ended.append(threading.current_thread().name)

    return StreamingHttpResponse(numbers())


def breaks(request):
    async def rows() -> AsyncIterator[bytes]:
        yield b"one"
        raise RuntimeError("the disk is full")

    return StreamingHttpResponse(rows())


def lines(request):
    """A line of 1 KiB after another, each with the thread that made it; the client may leave while one is made."""

    def rows() -> Iterator[bytes]:
        try:
            for number in range(MOST_LINES):
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
                made.append(threading.current_thread().name)
                yield b"%1023d\n" % number
                if number >= 640:
                    time.sleep(0.001)
        finally:
            ended.append(threading.current_thread().name)

    return StreamingHttpResponse(rows())


def lines_that_break(request):
    def rows() -> Iterator[bytes]:
        yield b"x" * 65_536
        raise RuntimeError("the disk is full")

    return StreamingHttpResponse(rows())


def file(request):
    return FileResponse(BytesIO(b"x" * 200_000))


def has_connection(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("yes")


urlpatterns = [
    path("thread", thread),
    path("endless", endless),
    path("breaks", breaks),
    path("lines", lines),
    path("lines-that-break", lines_that_break),
    path("file", file),
    path("has-connection", has_connection),
]


@pytest.fixture
def handler(settings) -> Handler:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = []
    settings.WEB_THREADS = 2
    ended.clear()
    made.clear()
    return Handler()


async def ask(
    handler: Handler,
    address: str,
    *,
    body: bytes = b"",
    leaves_after: int = 0,
    sent: list[dict[str, Any]] | None = None,
    on_send: Callable[[], object] = lambda: None,
) -> list[dict[str, Any]]:
    """What is sent for a request, put into `sent`; with `leaves_after` the client goes after so many messages."""
    sent = [] if sent is None else sent
    gone = asyncio.Event()
    arrived = False

    async def receive() -> dict[str, Any]:
        nonlocal arrived
        if not arrived:
            arrived = True
            return {"type": "http.request", "body": body, "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        on_send()
        sent.append(message)
        if leaves_after and len(sent) >= leaves_after:
            gone.set()

    scope = {
        "type": "http", "method": "POST", "path": f"/{address}", "query_string": b"", "headers": [],
        "server": ("testserver", 80),
    }  # fmt: skip
    await asyncio.wait_for(handler(scope, receive, send), 20)
    return sent


def text(sent: list[dict[str, Any]]) -> bytes:
    return b"".join(message.get("body", b"") for message in sent)


async def test_requests_are_worked_on_in_threads_that_stay(handler):
    before = threading.active_count()
    said = [text(await ask(handler, "thread", body=b"%d" % n)).decode().split() for n in range(20)]

    assert [word for _, word in said] == [str(n) for n in range(20)]
    assert {name for name, _ in said} <= {"request_0", "request_1"}
    assert threading.active_count() <= before + 2


async def test_more_requests_than_threads_wait_for_their_turn(handler):
    answers = await asyncio.gather(*(ask(handler, "thread", body=b"%d" % n) for n in range(12)))

    assert sorted(int(text(sent).split()[1]) for sent in answers) == list(range(12))


async def test_a_stream_ends_when_the_client_leaves(handler):
    sent = await ask(handler, "endless", leaves_after=5)

    assert text(sent).startswith(b"0\n1\n2\n")
    assert len(sent) < 20
    assert ended == [threading.main_thread().name]  # it ran on the event loop


async def test_streams_hold_no_thread(handler):
    streams = [asyncio.create_task(ask(handler, "endless", leaves_after=60)) for _ in range(6)]
    await asyncio.sleep(0.1)
    answer = await ask(handler, "thread")

    assert text(answer).startswith(b"request_")
    assert not any(stream.done() for stream in streams)
    await asyncio.gather(*streams)


async def test_lines_are_sent_while_more_are_made(handler):
    """The client leaves after four pieces of 64 KiB: nobody made the 100,000 lines for it."""
    sent = await ask(handler, "lines", leaves_after=5)

    assert [len(message["body"]) for message in sent[1:5]] == [65_536] * 4
    assert text(sent).split()[:3] == [b"0", b"1", b"2"]
    assert 256 <= len(made) < 3_000
    assert set(made) == {ended[0]}  # closed by the thread that made them
    assert len(ended) == 1 and ended[0].startswith("stream")


async def test_the_thread_of_a_stream_ends_with_it(handler):
    threads: set[threading.Thread] = set()
    await ask(handler, "lines", leaves_after=2, on_send=lambda: threads.update(threading.enumerate()))

    streams = [thread for thread in threads if thread.name.startswith("stream")]
    assert streams
    for thread in streams:
        thread.join(10)
    assert not any(thread.is_alive() for thread in streams)


@pytest.mark.parametrize(("address", "length"), [("breaks", 3), ("lines-that-break", 65_536)])
async def test_a_stream_that_breaks_is_not_ended_as_if_it_were_whole(handler, address, length):
    sent: list[dict[str, Any]] = []
    with pytest.raises(RuntimeError, match="the disk is full"):
        await ask(handler, address, sent=sent)

    assert len(text(sent)) == length
    assert sent[-1]["more_body"] is True  # the client sees that something is missing


async def test_a_file_is_sent_in_large_pieces(handler):
    sent = await ask(handler, "file")

    assert len(text(sent)) == 200_000
    assert max(len(message.get("body", b"")) for message in sent) == 65_536


@pytest.mark.parametrize(
    "address",
    ["thread", "endless", "breaks", "lines", "lines-that-break", "file", "has-connection", "unknown"],
)
async def test_every_request_is_said_to_begin_and_to_end_once(handler, address):
    heard: list[str] = []
    begins = lambda **_: heard.append("begins")  # noqa: E731
    ends = lambda **_: heard.append("ends")  # noqa: E731
    signals.request_started.connect(begins)
    signals.request_finished.connect(ends)
    try:
        await ask(handler, address, leaves_after=3 if address in {"endless", "lines"} else 0)
    except RuntimeError:
        assert "break" in address
    finally:
        signals.request_started.disconnect(begins)
        signals.request_finished.disconnect(ends)

    assert heard == ["begins", "ends"]


async def test_a_stream_gives_its_database_connection_back(handler):
    held: list[bool] = []

    def look(**_: Any) -> None:
        held.append(connection.connection is not None)

    signals.request_finished.connect(look)  # after Django's own, in the thread of the stream
    try:
        await ask(handler, "lines", leaves_after=2)
    finally:
        signals.request_finished.disconnect(look)

    assert held == [False]


async def test_the_database_connection_is_free_before_the_answer_is_sent(handler):
    """A client that reads slowly holds none."""
    order: list[str] = []

    def look(**_: Any) -> None:
        order.append("free" if connection.connection is None else "held")

    signals.request_finished.connect(look)
    try:
        sent = await ask(handler, "has-connection", on_send=lambda: order.append("sent"))
    finally:
        signals.request_finished.disconnect(look)

    assert text(sent) == b"yes"
    assert order == ["free", "sent", "sent"]
