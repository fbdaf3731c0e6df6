"""The broker: reachable through its socket only, and a queue outlives a crash."""

import os
import signal
import stat
import time

import redis

from annotation.project.embedded.keeper import Starting

from .conftest import processes_of, wait_until


def client(places) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(places.valkey_socket))


def test_queued_messages_survive_kill_9(fresh):
    lease = Starting("valkey", fresh).wait()
    with client(fresh) as connection:
        connection.rpush("default", *[f"message {n}" for n in range(100)])
        assert connection.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert connection.config_get("port") == {"port": "0"}
    assert stat.S_IMODE(fresh.valkey_socket.stat().st_mode) == 0o700
    time.sleep(1.5)  # the file is written once a second

    for pid, command in processes_of(fresh.data_dir).items():
        if "valkey-server" in command:
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not lease.is_alive, "the keeper notices")
    lease.release()
    lease = Starting("valkey", fresh).wait()

    with client(fresh) as connection:
        assert connection.llen("default") == 100
    assert lease.release_and_wait() is True
    assert processes_of(fresh.data_dir) == {}
