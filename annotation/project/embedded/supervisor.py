"""Runs the site on one machine: web server, workers, and the servers they need; stops all of it, or none is left.

    with Supervisor(places, leases, say=print) as supervisor:
        supervisor.start(web(8000))
        supervisor.wait_for_site(8000)
        supervisor.watch()               # returns when a signal asks to stop, raises PartEnded when a part ends by itself

Every part is in a session of its own, so Ctrl-C reaches only the supervisor, which then stops the parts in order: first
the workers (a running task is given time to end), then web, then the servers. If the supervisor itself is killed, the
kernel tells the parts, and the keepers notice that nobody needs their servers.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType

from annotation.project.embedded.keeper import Lease
from annotation.project.embedded.places import EmbeddedError, Places
from annotation.project.embedded.processes import open_log, spawn, tail

ROOT = Path(__file__).resolve().parents[3]
LOOK_EVERY_S = 0.1
LAST_GRACE_S = 5.0


@dataclass(frozen=True)
class Part:
    """One process of the site, and how it is asked to stop: a list of (signal, seconds to wait)."""

    name: str
    module: Sequence[str]  # what follows `python -m`
    stages: Sequence[tuple[int, float]]
    end_signal: int = signal.SIGTERM  # when the supervisor was killed
    environment: dict[str, str] = field(default_factory=dict)
    once: bool = False  # meant to end by itself
    again_after_s: float | None = (
        None  # started again when it ends by itself; the rest of the site does not need it
    )


class PartEnded(EmbeddedError):
    """A part of the site ended by itself; the message ends with the tail of its log."""


class Supervisor:
    def __init__(self, places: Places, leases: Sequence[Lease], *, say: Callable[[str], object]) -> None:
        self.places = places
        self.leases = list(leases)
        self.say = say
        self._running: list[tuple[Part, subprocess.Popen[bytes]]] = []
        self._due: list[tuple[float, Part]] = []  # parts that ended, and when they are started again
        self._asked_to_stop = 0
        self._handlers: dict[int, object] = {}

    def start(self, part: Part) -> None:
        log = self.places.log(part.name)
        open_log(log)
        process = spawn(
            [sys.executable, "-m", *part.module],
            log=log,
            end_signal=part.end_signal,
            environment={**os.environ, **part.environment},
            directory=ROOT,
        )
        self._running.append((part, process))

    def run(self, part: Part) -> bool:
        """Runs a part that is meant to end, passing on what it says; whether it ended well."""
        log = self.places.log(part.name)
        open_log(log)
        already = log.stat().st_size if log.exists() else 0
        self.start(part)
        job, process = self._running[-1]
        with log.open("rb") as lines:
            lines.seek(already)
            while True:
                ended = process.poll() is not None
                for line in lines.read().decode("utf-8", "replace").splitlines():
                    self.say(line.strip())
                if ended:
                    self._running.remove((job, process))
                    return process.returncode == 0
                self.check()
                time.sleep(LOOK_EVERY_S)

    def wait_for_site(self, port: int, *, limit_s: float = 120.0) -> None:
        """Returns when the health check answers 200."""
        deadline = time.monotonic() + limit_s
        while not site_answers(port):
            self.check()
            if time.monotonic() > deadline:
                log = self.places.log("web")
                raise PartEnded(
                    f"The site does not answer after {limit_s:.0f} s. The end of {log}:\n{tail(log)}"
                )
            time.sleep(LOOK_EVERY_S)

    def check(self) -> None:
        """Raises PartEnded if anything that should run does not."""
        self._start_again()
        for part, process in self._running:
            if process.poll() is not None and not part.once:
                log = self.places.log(part.name)
                raise PartEnded(
                    f"{part.name} ended with status {process.returncode}. The end of {log}:\n{tail(log)}"
                )
        for lease in self.leases:
            if not lease.is_alive:
                log = self.places.log(lease.server.name)
                raise PartEnded(f"{lease.server.name} ended. The end of {log}:\n{tail(log)}")

    def _start_again(self) -> None:
        now = time.monotonic()
        for part, process in list(self._running):
            if part.again_after_s is not None and process.poll() is not None:
                self._running.remove((part, process))
                self._due.append((now + part.again_after_s, part))
                self.say(f"  {part.name} ended with status {process.returncode}; it is started again")
        for due, part in [entry for entry in self._due if entry[0] <= now]:
            self._due.remove((due, part))
            self.start(part)

    def watch(self) -> None:
        """Returns when SIGINT, SIGTERM or SIGHUP arrives."""
        while not self._asked_to_stop:
            self.check()
            time.sleep(LOOK_EVERY_S)

    def stop(self) -> None:
        """Stops the parts in the order workers, web, servers; a second Ctrl-C skips the waiting."""
        self._asked_to_stop = 0
        workers = [entry for entry in self._running if entry[0].name != "web"]
        for group in (workers, [entry for entry in self._running if entry not in workers]):
            self._stop_together(group)
        self._running.clear()
        for lease in self.leases:
            lease.release()
        for lease in self.leases:
            if not lease.release_and_wait():
                self.say(f"  {lease.server.name} stays up for another process that uses it")

    def _stop_together(self, entries: Sequence[tuple[Part, subprocess.Popen[bytes]]]) -> None:
        started = time.monotonic()
        sent = {part.name: 0 for part, _ in entries}
        while waiting := [(part, process) for part, process in entries if process.poll() is None]:
            waited = time.monotonic() - started
            for part, process in waiting:
                due = 0.0
                for number, (signal_number, grace_s) in enumerate(part.stages):
                    if number == sent[part.name] and (waited >= due or self._asked_to_stop):
                        if number == 1 and not self._asked_to_stop:
                            self.say(f"  {part.name} is still busy; stopping it (Ctrl-C again: at once)")
                        process.send_signal(signal_number)
                        sent[part.name] += 1
                    due += grace_s
                if waited >= due or self._asked_to_stop > 1:
                    _signal_session(process, signal.SIGTERM)
                if waited >= due + LAST_GRACE_S or self._asked_to_stop > 1:
                    _signal_session(process, signal.SIGKILL)
            time.sleep(LOOK_EVERY_S / 2)
        for _, process in entries:
            _signal_session(process, signal.SIGKILL)  # whatever a part left behind in its session

    def __enter__(self) -> "Supervisor":
        def ask(number: int, frame: FrameType | None) -> None:
            self._asked_to_stop += 1
            if not self._watching_or_stopping(frame):
                raise KeyboardInterrupt

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._handlers[number] = signal.signal(number, ask)
        return self

    def _watching_or_stopping(self, frame: FrameType | None) -> bool:
        """Whether the signal arrived where the flag is looked at; anywhere else the work is interrupted."""
        while frame is not None:
            if frame.f_code in (Supervisor.watch.__code__, Supervisor.stop.__code__):
                return True
            frame = frame.f_back
        return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)  # type: ignore[arg-type]


def _signal_session(process: subprocess.Popen[bytes], number: int) -> None:
    """To everything in a part's session, as a training program that a worker started."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # nothing is left there


def web(port: int, *, host: str = "127.0.0.1", environment: dict[str, str] | None = None) -> Part:
    """uvicorn; without a limit on its patience an open event stream would keep it from ever ending."""
    module = [
        "uvicorn", "annotation.project.asgi:application", "--host", host, "--port", str(port),
        "--timeout-graceful-shutdown", "3", "--no-server-header", "--no-access-log", "--lifespan", "off",
        "--log-level", "info",
    ]  # fmt: skip
    return Part("web", module, [(signal.SIGTERM, 8.0)], environment=environment or {})


def worker(name: str, *, queue: str = "", beat: bool = False) -> Part:
    """A Celery worker of one process. SIGTERM lets a running task end, SIGQUIT ends it and gives it back."""
    module = [
        "celery", "-A", "annotation.project.celery", "worker", "-Q", queue or name, "-c", "1", "-n", f"{name}@%h",
        "-l", "info", "--without-gossip", "--without-mingle",
    ]  # fmt: skip
    if name == "default":
        module += ["--time-limit", str(2 * 3600)]  # below the visibility timeout
    if beat:
        module += ["-B"]
    return Part(f"worker-{name}", module, [(signal.SIGTERM, 10.0), (signal.SIGQUIT, 10.0)], signal.SIGQUIT)


def policy() -> Part:
    """The live policy, which loads a model when somebody asks it for the first time."""
    module = ["django", "serve_policy", "--settings", "annotation.project.settings"]
    return Part("policy", module, [(signal.SIGTERM, 5.0)], again_after_s=1.0)


def command(name: str) -> Part:
    """A management command that does something once."""
    module = ["django", name, "--settings", "annotation.project.settings"]
    return Part(name, module, [(signal.SIGTERM, 8.0)], once=True)


def site_answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def is_free(port: int) -> bool:
    """Whether we could listen there: on loopback, with what a just-closed server leaves behind tolerated."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose_port(wanted: int, *, strict: bool) -> int:
    """The port itself if free, else the next free one; strict: that one or an error."""
    if is_free(wanted):
        return wanted
    if not strict:
        for port in range(wanted + 1, min(wanted + 100, 65536)):
            if is_free(port):
                return port
    raise EmbeddedError(f"Port {wanted} is taken. Choose another with WHETSTONE_PORT.")
