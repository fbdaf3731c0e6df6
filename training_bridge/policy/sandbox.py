"""Runs untrusted code against tests in a process that can do little and not for long.

Limits of the kernel on CPU time, memory, file size and open files; a wall clock, after which the whole session is killed;
an empty environment and an empty directory that is thrown away; no network where the kernel lets us leave it; and a hook
that refuses new processes, sockets, foreign libraries and files elsewhere. This keeps the accidents of a learning policy
from doing harm. It is no prison: whoever trains on the answers of a hostile model puts the whole worker into a container.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import secrets
import signal
import subprocess
import sys
import tempfile

CPU_S, WALL_S = 2, 4.0
MEMORY = 512 << 20
FILE_BYTES, OPEN_FILES = 1 << 20, 32
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
OUTPUT_BYTES = 64 << 10

# Runs inside. The nonce tells our line from whatever the code prints.
RUNNER = r"""
import sys, json
def run():
    given = json.loads(sys.stdin.read())
    out, nonce = sys.stdout, given.pop("nonce")
    def refuse(event, arguments):
        if event.startswith(("subprocess.", "socket.", "ctypes.", "os.fork", "os.exec", "os.posix_spawn", "os.system",
                             "os.kill", "pty.", "sys._getframe", "gc.", "signal.", "shutil.", "os.remove", "os.rename")):
            raise PermissionError(f"{event} is not allowed here")
        if event == "open" and str(arguments[0]).startswith(("/proc", "/dev", "/etc", "/root", "/home")):
            raise PermissionError("this file is not allowed here")
    import ast
    names = {"__name__": "answer"}
    trees = ast.parse(given["tests"])
    sys.addaudithook(refuse)
    try:
        exec(compile(given["code"], "answer", "exec"), names)
    except BaseException:
        out.write(f"\n{nonce} 0\n"); out.flush(); return
    passed = 0
    for node in trees.body:
        try:
            exec(compile(ast.Module([node], []), "tests", "exec"), names)
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                names[node.name]()
                passed += 1
            elif isinstance(node, ast.Assert):
                passed += 1
        except BaseException:
            continue
    out.write(f"\n{nonce} {passed}\n"); out.flush()
run()
"""


def share_passed(code: str, tests: str, number: int) -> float:
    """The share of `number` tests that pass after the code has run; 0 when it does not run, or not in time."""
    nonce = secrets.token_hex(16)
    given = json.dumps({"code": code, "tests": tests, "nonce": nonce})
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", RUNNER],
            cwd=folder,
            env={"PATH": "", "LANG": "C.UTF-8"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_confine,
        )
        try:
            said, _ = process.communicate(given.encode("utf-8", "replace"), timeout=WALL_S)
        except subprocess.TimeoutExpired:
            said = b""
        finally:
            with contextlib.suppress(ProcessLookupError):  # all of them have left
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
    for line in said[-OUTPUT_BYTES:].decode("utf-8", "replace").splitlines():
        if line.startswith(f"{nonce} "):
            return min(1.0, int(line.split()[1]) / number)
    return 0.0


def _confine() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # Refused where users may make no namespaces of their own; then the hook alone keeps from the network.
        ctypes.CDLL(None).unshare(CLONE_NEWUSER | CLONE_NEWNET)
