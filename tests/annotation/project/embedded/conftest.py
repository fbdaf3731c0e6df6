"""A data directory per test (or per module), and a look at which processes still run on it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from annotation.project.embedded import Places
from annotation.project.embedded.keeper import stop_when_unused

ROOT = Path(__file__).resolve().parents[4]


def processes_of(data_dir: Path) -> dict[int, str]:
    """Processes whose command names the data directory or its sockets: the servers, keepers and what runs the site."""
    found = {}
    listing = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,stat=,args="], capture_output=True, text=True, check=True
    ).stdout
    for line in listing.splitlines():
        pid, state, command = line.split(None, 2)
        named = str(data_dir) in command or str(Places(data_dir).socket_dir) in command
        if named and not state.startswith("Z") and int(pid) != os.getpid():
            found[int(pid)] = command
    return found


def wait_until(condition: Callable[[], object], what: str, limit_s: float = 20.0) -> float:
    """Seconds until the condition holds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < limit_s, f"not within {limit_s:.0f} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - began


def connect(places: Places) -> psycopg.Connection:
    where = places.database()
    return psycopg.connect(host=where["HOST"], user=where["USER"], dbname=where["NAME"], autocommit=True)


def postmaster_pid(places: Places) -> int:
    (file,) = places.postgres_dir.glob("*/postmaster.pid")
    return int(file.read_text().split("\n")[0])


def hold(places: Places, *services: str) -> subprocess.Popen[str]:
    """Another process that uses the servers until it is ended; says "ready" and the postmaster's number."""
    code = (
        "import sys; from pathlib import Path; from annotation.project import embedded; "
        "places = embedded.Places(Path(sys.argv[1])); embedded.ensure_running(*sys.argv[2:], places=places); "
        "file = next(places.postgres_dir.glob('*/postmaster.pid')); "
        "print('ready', file.read_text().split()[0], flush=True); sys.stdin.read()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(places.data_dir), *(services or ("postgres",))],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "BROKER_URL")},
    )  # fmt: skip


def remove(places: Places) -> None:
    for name in ("postgres", "valkey"):
        stop_when_unused(places, name)
    for pid in processes_of(places.data_dir):
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(places.socket_dir, ignore_errors=True)
    shutil.rmtree(places.data_dir, ignore_errors=True)


@pytest.fixture(autouse=True)
def no_server_of_yours(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about the embedded servers, whatever the rest of the suite runs on."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("BROKER_URL", raising=False)


@pytest.fixture
def fresh() -> Iterator[Places]:
    """An empty data directory."""
    places = Places(Path(tempfile.mkdtemp(prefix="wh-")) / "data")
    yield places
    remove(places)
    places.data_dir.parent.rmdir()
