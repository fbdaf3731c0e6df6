"""An endpoint on a real socket that answers as the model's name says, and remembers who asked for what.

with Stub() as stub:
    Endpoint(base_url=stub.url, model="stalls")      # what each name does: MODES
    stub.requests[-1].headers["authorization"]
"""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import ipaddress
import json
import ssl
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

WORDS = ["Hello", ", ", "world", "."]
STREAM = {"Content-Type": "text/event-stream; charset=utf-8"}
SECRET_PAGE = "<html><title>Internal: payroll of everybody</title></html>"


@dataclass
class Request:
    line: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Stub:
    tls: ssl.SSLContext | None = None
    scheme: str = "http"
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    sent: int = 0  # tokens of the mode `endless`

    def __enter__(self) -> Stub:
        self.loop = asyncio.new_event_loop()
        started = threading.Event()

        async def serve() -> None:
            self.server = await asyncio.start_server(self._connection, "127.0.0.1", 0, ssl=self.tls)
            self.port = self.server.sockets[0].getsockname()[1]
            started.set()
            self.done = asyncio.Event()
            await self.done.wait()
            self.server.close()

        self.thread = threading.Thread(target=lambda: self.loop.run_until_complete(serve()), daemon=True)
        self.thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.done.set)
        self.thread.join(10)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/v1"

    def asked(self, model: str) -> list[Request]:
        return [request for request in self.requests if request.body.get("model") == model]

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            first = await reader.readexactly(1)
            if first == b"\x16":  # a TLS greeting, where none is spoken
                writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                return
            head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (h.partition(":") for h in head[1:] if h)
            }
            body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))) or b"{}")
            self.requests.append(Request(head[0], headers, body))
            work = asyncio.create_task(MODES[body["model"]](Reply(self, writer), self.requests[-1]))
            gone = asyncio.create_task(reader.read(1))  # the other side went away
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            for task in (work, gone):
                task.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            self.open -= 1
            writer.close()


@dataclass
class Reply:
    stub: Stub
    writer: asyncio.StreamWriter

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, status: int, headers: dict[str, str]) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        await self.raw(f"HTTP/1.1 {status} Stub\r\n{lines}Connection: close\r\n\r\n".encode("latin-1"))

    async def whole(self, status: int, body: str | bytes, headers: dict[str, str] | None = None) -> None:
        await self.head(status, headers or {"Content-Type": "application/json"})
        await self.raw(body.encode() if isinstance(body, str) else body)

    async def event(self, data: Any) -> None:
        await self.raw(f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode())

    async def token(self, text: str | None, finish: str | None = None) -> None:
        await self.event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]})

    async def answer(self, words: list[str] = WORDS) -> None:
        await self.head(200, STREAM)
        await self.event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
        for word in words:
            await self.token(word)
        await self.token(None, "stop")
        await self.event({"choices": [], "usage": {"completion_tokens": len(words)}})
        await self.event("[DONE]")


Mode = Callable[[Reply, Request], Awaitable[None]]
MODES: dict[str, Mode] = {}


def mode(function: Mode) -> Mode:
    MODES[function.__name__] = function
    return function


@mode
async def well(reply: Reply, request: Request) -> None:
    await reply.answer()


@mode
async def ends_without_done(reply: Reply, request: Request) -> None:
    await reply.head(200, STREAM)
    await reply.token("Hello")
    await reply.token("!", "stop")
    await asyncio.sleep(60)


@mode
async def goes_on(reply: Reply, request: Request) -> None:
    await reply.answer([" and so on."])


@mode
async def silent(reply: Reply, request: Request) -> None:
    await asyncio.sleep(60)


@mode
async def only_begins(reply: Reply, request: Request) -> None:
    await reply.head(200, STREAM)
    while True:
        await reply.raw(b": still here\n\n")
        await asyncio.sleep(0.1)


@mode
async def stalls(reply: Reply, request: Request) -> None:
    await reply.head(200, STREAM)
    await reply.token("Hello")
    await asyncio.sleep(60)


@mode
async def endless(reply: Reply, request: Request) -> None:
    await reply.head(200, STREAM)
    while True:
        await reply.token("word ")
        reply.stub.sent += 1
        await asyncio.sleep(0.01)


@mode
async def one_endless_line(reply: Reply, request: Request) -> None:
    await reply.head(200, STREAM)
    while True:
        await reply.raw(b"data: " + b"x" * 500_000)


@mode
async def breaks_off(reply: Reply, request: Request) -> None:
    await reply.head(200, STREAM)
    await reply.token("Hello")


@mode
async def garbage(reply: Reply, request: Request) -> None:
    await reply.raw(b"\x00\x01SSH-2.0-OpenSSH\r\n\r\n\x16\x03")


@mode
async def busy(reply: Reply, request: Request) -> None:
    await reply.whole(429, "{}", {"Retry-After": "120"})


@mode
async def busy_once(reply: Reply, request: Request) -> None:
    if len(reply.stub.asked("busy_once")) % 2:
        await reply.whole(429, "{}", {"Retry-After": "1"})
    else:
        await reply.answer()


@mode
async def fails(reply: Reply, request: Request) -> None:
    await reply.whole(500, '{"error": {"message": "CUDA out of memory"}}')


@mode
async def fails_twice(reply: Reply, request: Request) -> None:
    if len(reply.stub.asked("fails_twice")) % 3:
        await reply.whole(503, "")
    else:
        await reply.answer()


@mode
async def fails_midway(reply: Reply, request: Request) -> None:
    await reply.head(200, STREAM)
    await reply.token("Hello")
    await reply.event({"error": {"message": "the engine died"}})


@mode
async def page(reply: Reply, request: Request) -> None:
    await reply.whole(200, SECRET_PAGE, {"Content-Type": "text/html"})


@mode
async def page_as_events(reply: Reply, request: Request) -> None:
    await reply.whole(200, f"data: {SECRET_PAGE}\n\n", STREAM)


@mode
async def json_error(reply: Reply, request: Request) -> None:
    await reply.whole(200, json.dumps({"detail": "a\u202eb" + "x" * 300}, ensure_ascii=False))


@mode
async def wrong_schema(reply: Reply, request: Request) -> None:
    await reply.head(200, STREAM)
    await reply.event({"object": "completion", "output": "Hello"})


@mode
async def text_is_a_number(reply: Reply, request: Request) -> None:
    await reply.head(200, STREAM)
    await reply.event({"object": "chunk", "choices": [{"delta": {"content": 7}}]})


@mode
async def no_choices(reply: Reply, request: Request) -> None:
    await reply.head(200, STREAM)
    await reply.event({"choices": []})
    await reply.event("[DONE]")


@mode
async def null_text(reply: Reply, request: Request) -> None:
    await reply.head(200, STREAM)
    await reply.token(None)
    await reply.token(None, "stop")
    await reply.event("[DONE]")


@mode
async def deep(reply: Reply, request: Request) -> None:
    await reply.head(200, STREAM)
    await reply.event("[" * 100_000)


@mode
async def compressed(reply: Reply, request: Request) -> None:
    await reply.whole(200, gzip.compress(b"data: x\n\n"), {**STREAM, "Content-Encoding": "gzip"})


@mode
async def echoes(reply: Reply, request: Request) -> None:
    await reply.whole(400, json.dumps({"error": {"message": "bad request", "headers": request.headers}}))


@mode
async def echoes_a_part(reply: Reply, request: Request) -> None:
    key = request.headers["authorization"].split()[-1]
    await reply.whole(400, json.dumps({"error": {"message": f"no such thing: {' '.join(key[3:12])}"}}))


@mode
async def wants_another_key(reply: Reply, request: Request) -> None:
    await reply.whole(401, json.dumps({"error": {"message": "Incorrect API key: sk-…"}}))


@mode
async def not_this_model(reply: Reply, request: Request) -> None:
    await reply.whole(404, json.dumps({"error": {"message": "The model does not exist."}}))


# --- Certificates ----------------------------------------------------------------------------------------------------


def certificates(folder: Path) -> tuple[Path, dict[str, ssl.SSLContext]]:
    """An authority to trust, and servers' contexts: good, expired, other_host, self_signed, unknown_authority."""
    authority, its_key = _certificate("Stub authority", None, None, is_authority=True)
    stranger, its_other_key = _certificate("Another authority", None, None, is_authority=True)
    file = folder / "authority.pem"
    file.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    made = {
        "good": _certificate("localhost", authority, its_key),
        "expired": _certificate("localhost", authority, its_key, days=-1),
        "other_host": _certificate("elsewhere.example", authority, its_key),
        "self_signed": _certificate("localhost", None, None),
        "unknown_authority": _certificate("localhost", stranger, its_other_key),
    }
    contexts = {}
    for name, (certificate, key) in made.items():
        chain = folder / f"{name}.pem"
        chain.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        contexts[name].load_cert_chain(chain)
    return file, contexts


def _certificate(
    name: str, issuer: Any, issuer_key: Any, *, is_authority: bool = False, days: int = 30
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    names: list[x509.GeneralName] = [x509.DNSName(name.replace(" ", "-"))]
    if name == "localhost":
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    signer = issuer_key or key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=60))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, key_cert_sign=is_authority, crl_sign=is_authority,
                content_commitment=False, key_encipherment=False, data_encipherment=False,
                key_agreement=False, encipher_only=False, decipher_only=False,
            ),
            critical=True,
        )
    )  # fmt: skip
    return builder.sign(signer, hashes.SHA256()), key
