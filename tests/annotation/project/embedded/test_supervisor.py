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
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from annotation.project.embedded import EmbeddedError, Places
from annotation.project.embedded.keeper import Starting
from annotation.project.embedded.supervisor import Part, PartEnded, Supervisor, choose_port, is_free

from .conftest import ROOT, connect, postmaster_pid, processes_of, remove, wait_until


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

    def wait_for(self, text: str, limit_s: float = 120) -> float:
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

    def end(self, limit_s: float = 120) -> int:
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

    try:
        wait_until(gone, f"processes {pids} end", limit_s)
    except AssertionError as error:
        left = ["ps", "-ww", "-o", "pid=,ppid=,stat=,etimes=,args=", "-p", ",".join(map(str, pids))]
        error.add_note(subprocess.run(left, capture_output=True, text=True, check=False).stdout)
        raise


@pytest.fixture(scope="module")
def places() -> Iterator[Places]:
    """One data directory for the tests of this file, so that PostgreSQL is made and migrated once."""
    made = Places(Path(tempfile.mkdtemp(prefix="wh-")) / "data")
    yield made
    remove(made)
    made.data_dir.parent.rmdir()


@pytest.fixture
def up(places: Places) -> Iterator[Callable[..., Up]]:
    """Starts the site; whatever a failed test leaves running is killed."""
    started: list[Up] = []

    def start(port: int = 0, *, starter: bool = False) -> Up:
        started.append(Up(places, port or free_port(), starter=starter))
        return started[-1]

    yield start
    for site in started:
        if site.process.poll() is None:
            for pid in site.pids():
                os.kill(pid, signal.SIGKILL)
            site.process.wait()


def test_it_starts_from_nothing_stops_on_ctrl_c_and_starts_again_with_its_data(places, up):
    first = up()
    first_s = first.wait_for("Ctrl-C stops everything")
    assert httpx.get(f"{first.url}/healthz").json() == {"database": "ok"}
    assert httpx.get(f"{first.url}/accounts/login/").status_code == 200
    with connect(places) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
    wait_until(lambda: "ready" in places.log("worker-train").read_text(), "the workers are ready", 120)
    everything = first.pids()
    assert len(first.pids("celery", "worker")) >= 4  # two workers, each with its pool process
    assert len(first.pids("uvicorn")) == 1

    os.killpg(first.process.pid, signal.SIGINT)  # as a terminal does

    assert first.end() == 0, "".join(first.said)
    assert "Stopped in" in first.said[-1]
    wait_until_all_are_gone(everything, 1)
    assert processes_of(places.data_dir) == {}
    assert "database system is shut down" in places.log("postgres").read_text()

    second = up(starter=True)
    second_s = second.wait_for("Ctrl-C stops everything")
    with connect(places) as connection:
        assert connection.execute("SELECT n FROM kept").fetchall() == [(1,)]
    links = dict(re.findall(r"^(\w+) +(http\S+)$", "".join(second.said), re.MULTILINE))
    assert set(links) == {"labeler", "reviewer", "admin", "researcher"}
    with httpx.Client(follow_redirects=True, timeout=60) as browser:
        assert browser.get(links["labeler"]).status_code == 200

    third = up()  # on the same data
    assert third.end() == 1
    assert f"Whetstone is running already: {second.url}" in "".join(third.said)

    other = subprocess.run(  # another command shares the database
        [sys.executable, "manage.py", "showmigrations", "annotation"],
        cwd=ROOT, env={"PATH": os.environ["PATH"], "WHETSTONE_DATA_DIR": str(places.data_dir)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "[X] 0001_initial" in other.stdout, other.stderr

    everything = second.pids()
    second.process.send_signal(signal.SIGTERM)
    assert second.end() == 0, "".join(second.said)
    wait_until_all_are_gone(everything, 1)
    print(f"first start {first_s:.1f} s, second start {second_s:.1f} s")
    assert any("database is up to date" in line for line in first.said)
    assert not any("database is up to date" in line for line in second.said)  # nothing was left to migrate


def test_kill_9_of_the_supervisor_ends_everything(places, up):
    site = up()
    site.wait_for("Ctrl-C stops everything")
    wait_until(lambda: len(site.pids("celery", "worker")) >= 4, "the workers run", 120)
    everything = site.pids()
    assert len(everything) > 8

    site.process.kill()
    site.process.wait()

    wait_until_all_are_gone(everything, 60)
    assert processes_of(places.data_dir) == {}
    log = places.log("postgres").read_text()
    assert "database system is shut down" in log[log.rindex("ready to accept connections") :]


def test_a_taken_port_is_an_error_if_it_was_asked_for_and_passed_over_otherwise(up):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        site = up(port)
        assert site.end() == 1
        said = "".join(site.said)
        assert f"Port {port} is taken" in said
        assert "WHETSTONE_PORT" in said

        assert not is_free(port)
        with pytest.raises(EmbeddedError, match="WHETSTONE_PORT"):
            choose_port(port, strict=True)
        chosen = choose_port(port, strict=False)
        assert port < chosen < port + 100
        assert is_free(chosen)
    assert choose_port(port, strict=False) == port


# The supervisor alone, with parts that do little


def talk(places: Places, **changes: object) -> Part:
    """A part that says where it is and does what it is told on SIGTERM."""
    code = changes.pop("code", "import time; print('on', flush=True); time.sleep(60)")
    (places.data_dir / "parts").mkdir(parents=True, exist_ok=True)
    name = str(changes.pop("name", "part"))
    (places.data_dir / "parts" / f"{name.replace('-', '_')}.py").write_text(str(code))
    path = os.pathsep.join([str(places.data_dir / "parts"), os.environ.get("PYTHONPATH", "")])
    stages = changes.pop("stages", [(signal.SIGTERM, 5.0)])
    return Part(name, [name.replace("-", "_")], stages, environment={"PYTHONPATH": path}, **changes)


def says(places: Places, name: str, word: str) -> None:
    wait_until(
        lambda: places.log(name).exists() and word in places.log(name).read_text(), f"{name} says {word}"
    )


def test_when_a_part_dies_the_end_of_its_log_is_told_and_the_others_stop(fresh):
    fresh.make_data_dir()
    with pytest.raises(PartEnded) as told, Supervisor(fresh, [], say=print) as supervisor:
        supervisor.start(talk(fresh, name="web"))
        supervisor.start(talk(fresh, name="worker-x", code="import sys; sys.exit('the wheel came off')"))
        says(fresh, "web", "on")
        running = [process for _, process in supervisor._running]
        supervisor.watch()

    assert "worker-x ended with status 1" in str(told.value)
    assert str(told.value).endswith("the wheel came off")
    assert [process.poll() is not None for process in running] == [True, True]


def test_when_postgres_dies_it_is_told_with_its_log(fresh):
    lease = Starting("postgres", fresh).wait()
    with pytest.raises(PartEnded, match=r"postgres ended\. The end of .*postgres\.log:\n"), \
            Supervisor(fresh, [lease], say=print) as supervisor:  # fmt: skip
        os.kill(postmaster_pid(fresh), signal.SIGKILL)
        supervisor.watch()

    assert processes_of(fresh.data_dir) == {}


def test_workers_end_before_web_and_what_does_not_end_is_killed_with_all_it_started(fresh):
    fresh.make_data_dir()
    stubborn = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal, time; "
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)'])\n"
        "print('child', child.pid, flush=True); time.sleep(60)"
    )
    late = (
        "import signal, sys, time\n"
        "def end(*_): print(time.monotonic(), flush=True); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end); print('on', flush=True); time.sleep(60)"
    )
    heard: list[str] = []
    with Supervisor(fresh, [], say=heard.append) as supervisor:
        supervisor.start(talk(fresh, name="web", code=late))
        supervisor.start(talk(fresh, name="worker-a", code=late))
        stages = [(signal.SIGTERM, 0.3), (signal.SIGTERM, 0.3)]
        supervisor.start(talk(fresh, name="worker-b", code=stubborn, stages=stages))
        says(fresh, "web", "on")
        says(fresh, "worker-a", "on")
        says(fresh, "worker-b", "child")
        child = int(fresh.log("worker-b").read_text().split()[1])

    web_ended, worker_ended = (float(fresh.log(name).read_text().split()[1]) for name in ("web", "worker-a"))
    assert worker_ended < web_ended
    wait_until_all_are_gone([child], 5)
    assert any("worker-b is still busy" in line for line in heard)


def test_a_part_that_is_meant_to_end_passes_its_words_on_and_tells_how_it_ended(fresh):
    fresh.make_data_dir()
    heard: list[str] = []
    with Supervisor(fresh, [], say=heard.append) as supervisor:
        good = supervisor.run(talk(fresh, name="good", code="print('one'); print('two')", once=True))
        bad = supervisor.run(talk(fresh, name="bad", code="import sys; sys.exit('no')", once=True))
        supervisor.check()  # and neither counts as a part that died

    assert (good, bad) == (True, False)
    assert heard == ["one", "two", "no"]


def test_a_part_that_the_site_can_do_without_is_started_again(fresh):
    fresh.make_data_dir()
    heard: list[str] = []
    with Supervisor(fresh, [], say=heard.append) as supervisor:
        code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
        supervisor.start(talk(fresh, name="policy", code=code, again_after_s=0.1))
        wait_until(
            lambda: fresh.log("policy").exists() and fresh.log("policy").read_text().split(), "it runs"
        )
        os.kill(int(fresh.log("policy").read_text().split()[0]), signal.SIGKILL)

        def runs_again():
            supervisor.check()
            return len(set(fresh.log("policy").read_text().split())) == 2

        wait_until(runs_again, "it runs again")
    assert any("policy ended with status -9" in line for line in heard)
