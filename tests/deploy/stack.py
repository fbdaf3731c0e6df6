"""The site as deploy/ has it, on this machine: nginx with TLS, two web processes, two workers, the commands of the Procfile.

To it PostgreSQL and the broker are servers of yours (DATABASE_URL, BROKER_URL); the settings are those of production. With
another broker: WHETSTONE_DEPLOY_BROKER_URL=amqp://… pytest tests/deploy
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def procfile() -> dict[str, str]:
    lines = (DEPLOY / "Procfile").read_text().splitlines()
    return {name: command.strip() for name, _colon, command in (line.partition(":") for line in lines)}


class Stack:
    """Started by `with`; `url` is nginx's address, `verify` what a client trusts."""

    def __init__(self, directory: Path, database_url: str, broker_url: str, **more: str) -> None:
        self.directory, self.parts = directory, dict[str, subprocess.Popen[bytes]]()
        self.https, self.http, *self.web_ports = _free_ports(4)
        self.url = f"https://localhost:{self.https}"
        (directory / "certs").mkdir(parents=True)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
            "DATABASE_URL": database_url,
            "BROKER_URL": broker_url,
            "DJANGO_SETTINGS_MODULE": "annotation.project.settings",
            "WHETSTONE_HTTPS": "1",
            "WHETSTONE_ALLOWED_HOSTS": "localhost",
            "WHETSTONE_DATA_DIR": str(directory / "data"),
            "WHETSTONE_STATIC_DIR": str(directory / "static"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            **more,
        }
        self.verify = ssl.create_default_context()

    def __enter__(self) -> Stack:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
             "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
             "-keyout", "privkey.pem", "-out", "fullchain.pem"],
            cwd=self.directory / "certs", check=True, capture_output=True,
        )  # fmt: skip
        self.verify.load_verify_locations(self.directory / "certs" / "fullchain.pem")
        self.run("python manage.py collectstatic --no-input --verbosity 0")
        try:
            self._start_nginx()
            for n, port in enumerate(self.web_ports, start=1):
                self.start(f"web{n}", "web", PORT=str(port))
            for n in (1, 2):
                self.start(f"worker{n}", "worker", NODE=f"deploy{n}-{os.getpid()}", CONCURRENCY="1")
            for port in self.web_ports:
                self.until(lambda port=port: self._answers(port))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.parts.values():
            if process.poll() is None:
                process.terminate()
        for process in self.parts.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def start(self, name: str, part: str, **environment: str) -> None:
        """A process of the Procfile, in a session of its own."""
        command = f"exec {procfile()[part]}"
        with (self.directory / f"{name}.log").open("ab") as log:
            self.parts[name] = subprocess.Popen(
                ["sh", "-c", command], cwd=ROOT, env={**self.environment, **environment}, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def kill(self, name: str) -> None:
        """The process and its children, without a word."""
        os.killpg(self.parts[name].pid, signal.SIGKILL)
        self.parts[name].wait()

    def run(self, command: str) -> str:
        done = subprocess.run(
            ["sh", "-c", command], cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, verify=self.verify, timeout=60, **options)

    def until(self, true: Callable[[], Any], seconds: float = 90) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := true()):
            ended = [name for name, process in self.parts.items() if process.poll() is not None]
            assert time.monotonic() < deadline, f"it did not happen; {ended} ended\n{self.logs()}"
            time.sleep(0.1)
        return found

    def logs(self) -> str:
        found = (f"== {log.name}\n{log.read_text()[-1500:]}" for log in sorted(self.directory.glob("*.log")))
        return "\n".join(found)

    def _answers(self, port: int) -> bool:
        try:
            return (
                httpx.get(f"http://127.0.0.1:{port}/healthz", headers={"Host": "localhost"}).status_code
                == 200
            )
        except httpx.TransportError:
            return False

    def _start_nginx(self) -> None:
        """deploy/nginx.conf as it is, with this test's ports and folders in the place of the system's."""
        site = (DEPLOY / "nginx.conf").read_text() + (DEPLOY / "upstream.conf").read_text()
        for here, there in (
            ("listen 443", f"listen 127.0.0.1:{self.https}"),
            ("listen 80", f"listen 127.0.0.1:{self.http}"),
            ("/etc/whetstone/certs", str(self.directory / "certs")),
            ("/var/www/whetstone/static", str(self.directory / "static")),
            ("/var/log/nginx", str(self.directory)),
            ("127.0.0.1:8001", f"127.0.0.1:{self.web_ports[0]}"),
            ("127.0.0.1:8002", f"127.0.0.1:{self.web_ports[1]}"),
        ):
            assert here in site, here
            site = site.replace(here, there)
        temporary = "\n".join(
            f"{name}_temp_path {self.directory}/{name};"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;" if os.getuid() == 0 else ""
        conf = self.directory / "nginx.conf"
        conf.write_text(
            f"daemon off; {user} pid {self.directory}/nginx.pid; error_log {self.directory}/nginx.log;\n"
            f"events {{}}\nhttp {{ include /etc/nginx/mime.types; {temporary}\n{site}\n}}\n"
        )
        nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        assert nginx is not None
        subprocess.run([nginx, "-t", "-q", "-c", str(conf)], check=True)
        self.parts["nginx"] = subprocess.Popen([nginx, "-c", str(conf)], start_new_session=True)


def _free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports
