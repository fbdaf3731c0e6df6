"""`manage.py up` as an operator meets it: start, stop, crash, a taken port, a second one."""

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from annotation.project.embedded import EmbeddedError, Places
from annotation.project.embedded.supervisor import choose_port, is_free

from .conftest import ROOT, connect, processes_of, remove, wait_until


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Up:
    """A running `manage.py up`; what it says, line by line."""

    def __init__(self, places: Places, port: int, *, starter: bool = False) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "WHETSTONE_DATA_DIR": str(places.data_dir),
            "WHETSTONE_PORT": str(port),
            "PYTHONUNBUFFERED": "1",
        }
        self.places = places
        self.url = f"http://127.0.0.1:{port}"
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", *([] if starter else ["--no-starter"])],
            cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        self.said: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self._lines.put(line)

    def wait_for(self, text: str, limit_s: float = 60) -> float:
        """Seconds since the start until it says the text."""
        deadline = time.monotonic() + limit_s
        while True:
            try:
                self.said.append(self._lines.get(timeout=0.2))
            except queue.Empty:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"it did not say {text!r}; it said:\n{''.join(self.said)}")
                continue
            if text in self.said[-1]:
                return time.monotonic() - self.began

    def end(self, limit_s: float = 60) -> int:
        status = self.process.wait(limit_s)
        wait_until(lambda: self._drained(), "its last words")
        return status

    def _drained(self) -> bool:
        while not self._lines.empty():
            self.said.append(self._lines.get())
        return True

    def pids(self, *words: str) -> list[int]:
        """Processes of this site whose command has the words: children by session, servers by data directory."""
        listing = subprocess.run(
            ["ps", "-ww", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
        )
        rows = [line.split(None, 2) for line in listing.stdout.splitlines()]
        mine = {self.process.pid}
        for _ in range(5):
            mine |= {int(pid) for pid, parent, _ in rows if int(parent) in mine}
        mine |= set(processes_of(self.places.data_dir))
        return [
            int(pid)
            for pid, _, command in rows
            if int(pid) in mine and all(word in command for word in words)
        ]


def wait_until_all_are_gone(pids: list[int], limit_s: float = 30) -> None:
    def gone() -> bool:
        states = subprocess.run(
            ["ps", "-o", "stat=", "-p", ",".join(map(str, pids))], capture_output=True, text=True, check=False
        ).stdout.split()
        return all(state.startswith("Z") for state in states)

    wait_until(gone, f"processes {pids} end", limit_s)


@pytest.fixture(scope="module")
def places() -> Iterator[Places]:
    """One data directory for the tests of this file, so that PostgreSQL is made and migrated once."""
    made = Places(Path(tempfile.mkdtemp(prefix="wh-")) / "data")
    yield made
    remove(made)
    made.data_dir.parent.rmdir()


def test_it_starts_from_nothing_stops_on_ctrl_c_and_starts_again_with_its_data(places):
    first = Up(places, free_port())
    first_s = first.wait_for("Whetstone is at")
    assert httpx.get(f"{first.url}/healthz").json() == {"database": "ok"}
    assert httpx.get(f"{first.url}/accounts/login/").status_code == 200
    with connect(places) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
    wait_until(lambda: "ready" in places.log("worker-train").read_text(), "the workers are ready")
    everything = first.pids()
    assert len(first.pids("celery", "worker")) >= 4  # two workers, each with its pool process
    assert len(first.pids("uvicorn")) == 1

    os.killpg(first.process.pid, signal.SIGINT)  # as a terminal does

    assert first.end() == 0, "".join(first.said)
    assert "Stopped in" in first.said[-1]
    wait_until_all_are_gone(everything, 1)
    assert processes_of(places.data_dir) == {}
    assert "database system is shut down" in places.log("postgres").read_text()

    second = Up(places, free_port())
    second_s = second.wait_for("Whetstone is at")
    with connect(places) as connection:
        assert connection.execute("SELECT n FROM kept").fetchall() == [(1,)]
    everything = second.pids()
    second.process.send_signal(signal.SIGTERM)
    assert second.end() == 0, "".join(second.said)
    wait_until_all_are_gone(everything, 1)
    print(f"first start {first_s:.1f} s, second start {second_s:.1f} s")
    assert any("database is up to date" in line for line in first.said)
    assert not any("database is up to date" in line for line in second.said)  # nothing was left to migrate


def test_kill_9_of_the_supervisor_ends_everything_and_the_next_start_finds_the_data(places):
    up = Up(places, free_port())
    up.wait_for("Whetstone is at")
    wait_until(lambda: len(up.pids("celery", "worker")) >= 4, "the workers run")
    everything = up.pids()
    assert len(everything) > 8

    up.process.kill()
    up.process.wait()

    wait_until_all_are_gone(everything)
    assert processes_of(places.data_dir) == {}
    log = places.log("postgres").read_text()
    assert "database system is shut down" in log[log.rindex("ready to accept connections") :]


@pytest.mark.parametrize("victim", [("celery", "-Q train"), ("postgres", "-D")], ids=["worker", "postgres"])
def test_when_one_part_dies_all_stop_and_its_log_is_shown(places, victim):
    up = Up(places, free_port())
    up.wait_for("Whetstone is at")
    wait_until(lambda: up.pids(*victim), "it runs")
    everything = up.pids()

    os.kill(min(up.pids(*victim)), signal.SIGKILL)

    assert up.end() == 1
    said = "".join(up.said)
    assert re.search(r"(worker-train ended with status -9|postgres ended)\. The end of .*\.log:\n", said), (
        said
    )
    wait_until_all_are_gone(everything, 5)
    assert processes_of(places.data_dir) == {}


def test_a_second_one_on_the_same_data_is_refused_with_the_address_of_the_first(places):
    first = Up(places, free_port(), starter=True)
    first.wait_for("Ctrl-C stops everything")
    second = Up(places, free_port())

    assert second.end() == 1
    assert f"Whetstone is running already: {first.url}" in "".join(second.said)
    assert httpx.get(f"{first.url}/healthz").status_code == 200

    links = dict(re.findall(r"^(\w+) +(http\S+)$", "".join(first.said), re.MULTILINE))
    assert set(links) == {"labeler", "reviewer", "admin", "researcher"}
    with httpx.Client(follow_redirects=True) as browser:
        assert browser.get(links["labeler"]).status_code == 200

    other = subprocess.run(  # another command shares its database
        [sys.executable, "manage.py", "showmigrations", "annotation"],
        cwd=ROOT, env={"PATH": os.environ["PATH"], "WHETSTONE_DATA_DIR": str(places.data_dir)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "[X] 0001_initial" in other.stdout, other.stderr
    first.process.send_signal(signal.SIGINT)
    assert first.end() == 0


def test_a_taken_port_is_an_error_if_it_was_asked_for_and_passed_over_otherwise(places):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        up = Up(places, port)
        assert up.end() == 1
        said = "".join(up.said)
        assert f"Port {port} is taken" in said
        assert "WHETSTONE_PORT" in said

        assert not is_free(port)
        with pytest.raises(EmbeddedError, match="WHETSTONE_PORT"):
            choose_port(port, strict=True)
        chosen = choose_port(port, strict=False)
        assert port < chosen < port + 100
        assert is_free(chosen)
    assert choose_port(port, strict=False) == port
