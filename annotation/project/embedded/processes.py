"""Child processes that end with their parent, even when the parent is killed with -9.

On Linux the kernel sends the child a signal when its parent ends (PR_SET_PDEATHSIG; the parent is the *thread* that
started it, so start children from a thread that lives as long as they should). Elsewhere a small guard process holds
the reading end of a pipe and sends the signal when the pipe closes.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
LARGEST_LOG_BYTES = 20_000_000


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    end_signal: int = signal.SIGTERM,
    environment: Mapping[str, str] | None = None,
    account: tuple[int, int] | None = None,
    directory: Path | None = None,
    guard: bool = sys.platform != "linux",
) -> subprocess.Popen[bytes]:
    """Starts a command in a session of its own, so that Ctrl-C reaches only us; its output is appended to the log.

    end_signal: what it is sent if we end without stopping it. account: (user id, group id) to run as.
    """
    parent = os.getpid()
    extra: dict[str, Any] = {}
    if guard:
        command = [sys.executable, Path(__file__), str(int(end_signal)), *command]
        extra["stdin"] = subprocess.PIPE
    else:
        libc = ctypes.CDLL(None, use_errno=True)

        def die_with_parent() -> None:
            libc.prctl(PR_SET_PDEATHSIG, int(end_signal))
            if os.getppid() != parent:  # it ended before the line above
                os._exit(1)

        extra["stdin"] = subprocess.DEVNULL
        extra["preexec_fn"] = die_with_parent
    if account is not None:
        extra.update(user=account[0], group=account[1], extra_groups=[])
    with log.open("ab") as output:
        return subprocess.Popen(
            [os.fspath(part) for part in command],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=dict(environment) if environment is not None else None,
            cwd=directory,
            **extra,
        )


def open_log(path: Path) -> None:
    """Puts a grown log aside, so that logs of an installation that runs for years stay bounded."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LARGEST_LOG_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, to be shown when its process died."""
    if not path.exists():
        return "(no log)"
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 64_000))
        text = file.read().decode("utf-8", "replace")
    return "\n".join(text.splitlines()[-lines:]) or "(the log is empty)"


def stop(process: subprocess.Popen[bytes], number: int, *, grace_s: float) -> int:
    """Sends a signal, waits, and kills what does not end in time. Returns the exit status."""
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def _guard(end_signal: int, command: list[str]) -> int:
    """The guard: runs the command, passes signals on, and ends it when our standard input closes."""
    received: list[int] = []
    passed_on = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
    for number in passed_on:
        signal.signal(number, lambda number, frame: received.append(number))
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    for number in passed_on:
        signal.signal(number, lambda number, frame: child.send_signal(number))
    for early in received:  # before there was a child to pass it to
        child.send_signal(early)

    def watch() -> None:
        while os.read(0, 1024):
            pass
        child.send_signal(end_signal)

    threading.Thread(target=watch, daemon=True).start()
    status = child.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(_guard(int(sys.argv[1]), sys.argv[2:]))
