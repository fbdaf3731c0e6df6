"""Children end with their parent, also where the kernel does not help (the guard)."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from annotation.project.embedded.processes import LARGEST_LOG_BYTES, open_log, spawn, stop, tail

from .conftest import ROOT, wait_until

PARENT = """
import sys, time
from pathlib import Path
from annotation.project.embedded.processes import spawn
child = spawn(["sh", "-c", "trap 'echo asked; exit 0' TERM; echo $$; while :; do sleep 0.05; done"],
              log=Path(sys.argv[1]), guard=sys.argv[2] == "guard")
print("started", flush=True)
time.sleep(60)
"""


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("way", ["kernel", "guard"])
def test_kill_9_of_the_parent_asks_the_child_to_end(tmp_path, way):
    log = tmp_path / "child.log"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(log), way], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout.readline() == "started\n"
    wait_until(lambda: log.read_text().strip().isdigit(), "the child runs")
    child = int(log.read_text())
    assert is_alive(child)

    parent.kill()
    parent.communicate()

    wait_until(lambda: not is_alive(child), "the child ends")
    assert log.read_text().split() == [str(child), "asked"]


def test_the_guard_passes_signals_and_the_status_on(tmp_path):
    process = spawn(
        ["sh", "-c", "trap 'exit 7' TERM; echo on; while :; do sleep 0.05; done"],
        log=tmp_path / "log",
        guard=True,
    )
    wait_until(lambda: "on" in tail(tmp_path / "log"), "it runs")

    assert stop(process, signal.SIGTERM, grace_s=5) == 7


def test_what_does_not_end_in_time_is_killed(tmp_path):
    process = spawn(["sh", "-c", "trap '' TERM; echo on; while :; do sleep 0.05; done"], log=tmp_path / "log")
    wait_until(lambda: "on" in tail(tmp_path / "log"), "it runs")
    began = time.monotonic()

    assert stop(process, signal.SIGTERM, grace_s=0.3) == -signal.SIGKILL
    assert 0.25 < time.monotonic() - began < 5


def test_a_child_has_a_session_of_its_own_so_ctrl_c_does_not_reach_it(tmp_path):
    process = spawn(["sleep", "30"], log=tmp_path / "log")

    assert os.getsid(process.pid) == process.pid != os.getsid(0)
    process.kill()
    process.wait()


def test_a_grown_log_is_put_aside_and_the_tail_is_its_last_lines(tmp_path):
    log = tmp_path / "logs" / "x.log"
    open_log(log)
    log.write_text("\n".join(f"line {n}" for n in range(100)))
    assert tail(log, 2) == "line 98\nline 99"

    with log.open("ab") as file:
        file.truncate(LARGEST_LOG_BYTES + 1)
    open_log(log)

    assert not log.exists()
    assert (tmp_path / "logs" / "x.log.1").exists()
    assert tail(log) == "(no log)"
