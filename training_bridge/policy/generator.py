"""The live policy: many streams of tokens at once, over a unix socket, one JSON line per message.

    > {"op": "stream", "campaign": 3, "messages": [{"role": "user", "content": "Tell me about otters."}],
       "prefix": "Otters can ", "sampling": {"temperature": 1.0, "max_new_tokens": 80, "seed": 7}, "paced": true}
    < {"event": "begin", "policy": {"id": 12, "name": "round 2", "sha256": "…"}, "prefix": "Otters can", "seed": 7,
       "prefix_tokens": 4}
    < {"event": "piece", "text": " close their", "ids": [311, 90], "logprobs": [-0.2, -1.4]}
    < {"event": "end", "finish": "stop"}          or {"event": "failed", "code": "…", "message": "…"}

One connection is one stream. Closing it, or the line {"op": "stop"}, stops it at the next token. {"op": "status"} says
what is loaded and how much runs. A stream keeps the policy that it began with; which one is live is asked again at the
beginning of each, so a promotion takes hold between two streams and never inside one.

The loop itself is in `engine.py`. It is imported with the first stream, so that an installation in which nobody asks a
live policy does not pay for torch.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from training_bridge.programs import Problem

if TYPE_CHECKING:
    from training_bridge.policy.engine import Engine, Policy

MOST_STREAMS = 256
KEPT_POLICIES = 2  # in memory without a stream: the live one, and the one before it
MESSAGES_PER_S = 400  # of all streams together: with many, each message holds more tokens
LONGEST_LINE = 4 * 1024 * 1024


class Source(NamedTuple):
    """Where a policy's files are, and what is told about it."""

    path: str
    version: Mapping[str, Any]  # {"id", "name", "sha256"}


Resolve = Callable[[int], Source]  # campaign -> the policy that is live there; raises Problem when none is


class Server:
    """Answers on the socket. `serve` returns when it is cancelled."""

    def __init__(self, resolve: Resolve, *, pace: float | None = None):
        self.resolve = resolve
        self.pace = pace  # tokens a second; None as the engine has it
        self._engine: Engine | None = None
        self._policies: dict[str, Policy] = {}
        self._loading = asyncio.Lock()
        self._open = 0

    async def serve(self, path: Path) -> None:
        with suppress(FileNotFoundError):
            path.unlink()
        mask = os.umask(0o077)
        try:
            server = await asyncio.start_unix_server(self._answer, path, limit=LONGEST_LINE, backlog=512)
        finally:
            os.umask(mask)
        try:
            async with server:
                await server.serve_forever()
        finally:
            if self._engine:
                self._engine.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = json.loads(await reader.readline())
            if request["op"] == "status":
                running = self._engine.streams if self._engine else 0
                await _write(writer, {"event": "status", "streams": running, "open": self._open})
            elif request["op"] == "stream":
                self._open += 1
                try:
                    await self._stream(request, reader, writer)
                finally:
                    self._open -= 1
        except Problem as problem:
            await _write(writer, {"event": "failed", "code": "refused", "message": str(problem)})
        except (ValueError, KeyError, TypeError) as error:
            said = f"That is no request: {type(error).__name__}."
            await _write(writer, {"event": "failed", "code": "bad_request", "message": said})
        except OSError:
            pass  # the peer went away
        finally:
            writer.close()

    async def _stream(
        self, request: Mapping[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._open > MOST_STREAMS:
            said = f"{MOST_STREAMS} streams run already. Try again in a moment."
            return await _write(writer, {"event": "failed", "code": "busy", "message": said})
        source = await asyncio.to_thread(self.resolve, int(request["campaign"]))
        policy, engine = await self._policy(source)
        from training_bridge.policy.engine import row_of

        loop = asyncio.get_running_loop()
        news: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        row = row_of(policy, request, lambda told: loop.call_soon_threadsafe(news.put_nowait, told))
        begin = {
            "event": "begin",
            "policy": source.version,
            "prefix": str(request.get("prefix") or "").rstrip(),
            "seed": row.seed,
            "prefix_tokens": len(row.prompt),
        }
        stop = asyncio.create_task(_asked_to_stop(reader))
        try:
            await _write(writer, begin)
            engine.add(row)
            while True:
                told = asyncio.create_task(news.get())
                await asyncio.wait((told, stop), return_when=asyncio.FIRST_COMPLETED)
                if stop.done():
                    told.cancel()
                    return await _write(writer, {"event": "end", "finish": "stopped"})
                for message in _joined([told.result(), *_all(news)]):
                    await _write(writer, message)
                    if message["event"] != "piece":
                        return
                await asyncio.wait((stop,), timeout=self._open / MESSAGES_PER_S)
        finally:
            engine.stop(row)
            stop.cancel()

    async def _policy(self, source: Source) -> tuple[Policy, Engine]:
        key = f"{source.path}\0{source.version.get('sha256')}"
        async with self._loading:  # one at a time, and whoever waits finds it loaded
            if self._engine is None:
                self._engine = await asyncio.to_thread(_engine, self.pace)
            if key not in self._policies:
                self._policies[key] = await asyncio.to_thread(_loaded, source)
                while len(self._policies) > KEPT_POLICIES:  # a stream that runs holds its own
                    self._policies.pop(next(iter(self._policies)))
            self._policies[key] = self._policies.pop(key)  # used last
            return self._policies[key], self._engine


def _all(news: asyncio.Queue[dict[str, Any]]) -> list[dict[str, Any]]:
    return [news.get_nowait() for _ in range(news.qsize())]


def _joined(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same with all pieces as one."""
    pieces = [m for m in messages if m["event"] == "piece"]
    others = [m for m in messages if m["event"] != "piece"]
    if not pieces:
        return others
    whole = {
        "event": "piece",
        "text": "".join(piece["text"] for piece in pieces),
        "ids": [i for piece in pieces for i in piece["ids"]],
        "logprobs": [p for piece in pieces for p in piece["logprobs"]],
    }
    return [whole, *others]


def _engine(pace: float | None) -> Engine:
    from training_bridge.policy.engine import PACE, Engine

    engine = Engine(pace=pace or PACE)
    engine.start()
    return engine


def _loaded(source: Source) -> Policy:
    from training_bridge.policy.engine import Policy

    return Policy.load(source.path)


async def _asked_to_stop(reader: asyncio.StreamReader) -> None:
    """Returns with a line, whatever it says, or when the peer is gone."""
    with suppress(OSError, ValueError):
        await reader.readline()


async def _write(writer: asyncio.StreamWriter, message: Mapping[str, Any]) -> None:
    writer.write(json.dumps(message, ensure_ascii=False).encode() + b"\n")
    await writer.drain()
