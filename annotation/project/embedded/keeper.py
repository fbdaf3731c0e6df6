"""One keeper process per embedded server: starts it, reaps it, stops it when nobody needs it any more.

Three lock files per server, all in <data dir>/locks, tell everything; the kernel frees them when a process ends:

    postgres.users    shared by every process that needs the server; the keeper takes it exclusively to stop
    postgres.start    held while somebody decides whether to start a keeper, so that many at once start one
    postgres.keeper   held exclusively by the keeper while it lives; says its number, then "ready" when the server answers

    python -m annotation.project.embedded.keeper postgres /srv/whetstone/.data      (started by `Starting`)

SIGTERM tells a keeper to stop as soon as nobody uses the server (otherwise it lingers for a second, for the next
command); SIGINT to stop it now.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from annotation.project.embedded.locks import FileLock, is_held
from annotation.project.embedded.places import EmbeddedError, Places
from annotation.project.embedded.postgres import Postgres
from annotation.project.embedded.processes import open_log, spawn, stop, tail
from annotation.project.embedded.valkey import Valkey

SERVERS: dict[str, type[Postgres] | type[Valkey]] = {"postgres": Postgres, "valkey": Valkey}
START_LIMIT_S = 60.0  # crash recovery of a busy database took 2 s; a slow disk may need longer
RETRY_START_S = 8.0  # a server that was killed may hold its shared memory for a moment
LINGER_S = 1.0
READY = "ready"
LOOK_EVERY_S = 0.1


class Lease:
    """The right to find a server running. Released by `release()`, or by the end of the process."""

    def __init__(self, server: Postgres | Valkey, users: FileLock) -> None:
        self.server = server
        self._users = users

    @property
    def is_alive(self) -> bool:
        """Whether the server is still being kept (it may be busy; it has not ended)."""
        return is_held(self.server.places.lock(f"{self.server.name}.keeper"))

    @property
    def is_released(self) -> bool:
        return self._users.is_closed

    def release(self) -> None:
        self._users.close()

    def release_and_wait(self) -> bool:
        """Releases, and waits until the server has stopped. False if others still use it, so that it runs on."""
        self._users.close()
        return stop_when_unused(self.server.places, self.server.name)


class Starting:
    """A server that is being started, or that was found running; `wait()` gives the lease."""

    def __init__(self, name: str, places: Places, *, scratch: bool = False) -> None:
        places.make_data_dir()
        self.server = SERVERS[name](places, scratch=scratch)
        self.places = places
        self._users = FileLock(places.lock(f"{name}.users"))
        self._users.shared()  # waits for a keeper that is just stopping
        self._keeper: subprocess.Popen[bytes] | None = None
        self._start()

    def _start(self) -> None:
        with FileLock(self.places.lock(f"{self.server.name}.start")) as start:
            start.exclusive()
            if not is_held(self.places.lock(f"{self.server.name}.keeper")):
                self._start_keeper()

    def _start_keeper(self) -> None:
        name = self.server.name
        open_log(self.places.log(name))
        command = [sys.executable, "-m", __name__, name, str(self.places.data_dir)]
        with self.places.log(name).open("ab") as log:
            self._keeper = subprocess.Popen(
                [*command, *(["--scratch"] if self.server.scratch else [])],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=Path(__file__).resolve().parents[3],
            )
        while not is_held(self.places.lock(f"{name}.keeper")) and self._keeper.poll() is None:
            time.sleep(0.01)

    def forget(self) -> None:
        """Gives up the wish to have it running."""
        self._users.close()

    def wait(self) -> Lease:
        """Returns when the server answers.

        Raises: EmbeddedError with the end of its log if it does not.
        """
        name = self.server.name
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            kept = is_held(self.places.lock(f"{name}.keeper"))
            if kept and is_watched(self.places, name) and self.server.is_ready():
                if self._keeper is not None:
                    self._keeper.returncode = 0  # it is on its own now: no warning when this object goes
                return Lease(self.server, self._users)
            if not kept and self._keeper is None:  # the one that was found was just ending
                self._start()
            elif not kept or time.monotonic() > deadline:
                self._users.close()
                log = self.places.log(name)
                raise EmbeddedError(f"{name} did not start. The end of {log}:\n{tail(log)}")
            time.sleep(0.03)


def keeper_pid(places: Places, name: str) -> int | None:
    """The number of the process that keeps the server, or kept it last."""
    words = places.lock(f"{name}.keeper").read_text().split()
    return int(words[0]) if words else None


def is_watched(places: Places, name: str) -> bool:
    """Whether the keeper has seen its server answer: from then on it ends with the server.

    Until then it starts a server that ends again, so that whoever sees the server answer before the keeper does would
    take a start for a steady state.
    """
    return places.lock(f"{name}.keeper").read_text().split()[1:] == [READY]


def stop_when_unused(places: Places, name: str) -> bool:
    """Waits until the server has stopped, without its usual linger. False if others use it, so that it runs on."""
    keeper = places.lock(f"{name}.keeper")
    if is_held(keeper) and (number := keeper_pid(places, name)):
        try:
            os.kill(number, signal.SIGTERM)
        except ProcessLookupError:
            pass  # it ended between the two lines
    shared_since: float | None = None
    while is_held(keeper):
        with FileLock(places.lock(f"{name}.users")) as users:
            others = users.shared(wait=False)  # refused as soon as the keeper is stopping the server
        if not others:
            shared_since = None
        elif shared_since is None:
            shared_since = time.monotonic()
        elif time.monotonic() - shared_since > 2:
            return False
        time.sleep(0.05)
    return True


def keep(name: str, places: Places, *, scratch: bool) -> int:
    """The keeper's life. Returns its exit status: 0 after an orderly stop, 1 when the server failed."""
    hurry = {"linger_s": LINGER_S, "now": 0.0}
    signal.signal(signal.SIGTERM, lambda number, frame: hurry.update(linger_s=0.0))
    signal.signal(signal.SIGINT, lambda number, frame: hurry.update(now=1.0))
    keeper = FileLock(places.lock(f"{name}.keeper"))
    deadline = time.monotonic() + 2
    while not keeper.exclusive(wait=False):  # somebody may be looking whether it is held, for a moment
        if time.monotonic() > deadline:
            return 0
        time.sleep(0.01)
    notes = places.lock(f"{name}.keeper")
    notes.write_text(f"{os.getpid()}\n")
    server = SERVERS[name](places, scratch=scratch)
    try:
        process = _start(server)
    except EmbeddedError as error:
        print(error, flush=True)
        return 1
    notes.write_text(f"{os.getpid()} {READY}\n")

    users = FileLock(places.lock(f"{name}.users"))
    idle_since: float | None = None
    while process.poll() is None:
        unused = users.exclusive(wait=False)
        now = time.monotonic()
        if unused:
            idle_since = idle_since or now
        else:
            idle_since = None
        if hurry["now"] or (idle_since is not None and now - idle_since >= hurry["linger_s"]):
            stop(process, server.stop_signal, grace_s=server.grace_s)
            return 0  # both locks go with the process, after the server
        if unused:
            users.unlock()
        time.sleep(LOOK_EVERY_S)
    print(f"{name} ended by itself, status {process.returncode}", flush=True)
    return 1


def _start(server: Postgres | Valkey) -> subprocess.Popen[bytes]:
    """Starts the server; again for a few seconds if it ends at once."""
    deadline = time.monotonic() + RETRY_START_S
    while True:
        server.prepare()
        process = spawn(
            server.command(),
            log=server.places.log(server.name),
            end_signal=server.stop_signal,
            account=server.account,
        )
        while process.poll() is None:
            if server.is_ready():
                return process
            time.sleep(0.03)
        if time.monotonic() > deadline:
            raise EmbeddedError(
                f"{server.name} ends with status {process.returncode} each time it is started."
            )
        time.sleep(0.3)


def main() -> int:
    parser = argparse.ArgumentParser(description="Keeps one embedded server.")
    parser.add_argument("name", choices=sorted(SERVERS))
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--scratch", action="store_true")
    options = parser.parse_args()
    return keep(options.name, Places(options.data_dir), scratch=options.scratch)


if __name__ == "__main__":
    sys.exit(main())
