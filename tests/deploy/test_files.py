"""What deploy/ names exists: services, commands, queues, settings, volumes; and all of its files start the same programs."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands

from tests.deploy.stack import DEPLOY, procfile

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
# Of the Compose specification, those that are used here.
KEYS = {
    "image", "build", "command", "environment", "env_file", "volumes", "ports", "depends_on", "restart", "healthcheck",
    "profiles", "deploy", "stop_grace_period", "shm_size",
}  # fmt: skip
FOREIGN = {"postgres", "valkey-server", "sh"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def words(command: str | list[str]) -> list[str]:
    return command if isinstance(command, list) else shlex.split(command)


def check_command(command: list[str]) -> str:
    """What it starts, in a word; fails if there is no such program, application, command or queue."""
    name = Path(command[0]).name
    if name == "uvicorn":
        module, _colon, attribute = command[1].partition(":")
        assert importlib.util.find_spec(module) and attribute == "application"
        assert "--timeout-graceful-shutdown" in command and "--forwarded-allow-ips" in command
        return "web"
    if name == "celery":
        assert command[1:3] == ["-A", "annotation.project.celery"]
        if command[3] == "beat":
            return "beat"
        queue = re.sub(r"\$\{(?:\w+:-)?(\w+)\}", r"\1", command[command.index("-Q") + 1])
        return {"default": "worker", "train": "train", "WHETSTONE_TRAIN_QUEUE": "train"}[queue]
    assert name == "python" and command[1] == "manage.py" and command[2] in get_commands()
    return command[2]


def test_compose_is_whole(compose: dict[str, Any]) -> None:
    services = compose["services"]
    started = {}
    for name, service in services.items():
        assert set(service) <= KEYS, name
        assert "image" in service
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] in {"service_healthy", "service_completed_successfully"}
            assert how["condition"] != "service_healthy" or "healthcheck" in services[other], (name, other)
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if not source.startswith("./"):
                assert source in compose["volumes"], volume
            elif source != "./certs":  # the operator's
                assert (DEPLOY / source).is_file(), volume
        command = words(service.get("command", "sh"))
        if command[0] not in FOREIGN:
            started[name] = check_command(command)
    assert started == {
        "web1": "web", "web2": "web", "worker": "worker", "beat": "beat", "train": "train", "policy": "serve_policy",
    }  # fmt: skip
    for step in words(services["setup"]["command"])[2].split(" && "):
        check_command(shlex.split(step))
    upstream = (DEPLOY / "upstream.compose.conf").read_text()
    assert re.findall(r"server (\w+):8000", upstream) == ["web1", "web2"]
    assert (DEPLOY / "whetstone.env.example").is_file() and services["web1"]["env_file"] == "whetstone.env"


def test_the_procfile_and_the_units_start_the_same_programs() -> None:
    ours = {
        name: check_command(shlex.split(command)) for name, command in procfile().items() if name != "release"
    }
    assert ours == {n: n for n in ("web", "worker", "beat", "train", "mirror")} | {"policy": "serve_policy"}
    for step in procfile()["release"].split(" && "):
        check_command(shlex.split(step))
    units = {}
    for unit in UNITS:
        (command,) = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.M)
        name = unit.stem.removeprefix("whetstone-").removesuffix("@")
        units[name] = check_command(shlex.split(command.replace("%%", "%")))
        plain = shlex.split(procfile()[name])
        options = {w for w in plain if w.startswith("--")}
        assert options == {w for w in shlex.split(command) if w.startswith("--")}, unit.name
    assert units == ours


def test_every_setting_that_is_named_is_read_and_explained() -> None:
    read = "".join(
        (Path(settings.BASE_DIR) / "annotation" / "project" / name).read_text()
        for name in ("settings.py", "asgi.py")
    )
    explained = (Path(settings.BASE_DIR) / "docs" / "operating.md").read_text()
    named = set()
    for file in [*DEPLOY.iterdir(), *UNITS]:
        if file.is_file():
            named |= set(re.findall(r"\b(WHETSTONE_[A-Z_]+|DATABASE_URL|BROKER_URL)\b", file.read_text()))
    assert len(named) > 8
    assert {name for name in named if f'"{name}"' not in read} == set()
    assert {name for name in named if f"`{name}`" not in explained} == set()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd on this machine")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for unit in (DEPLOY / "systemd").iterdir():
        text = unit.read_text().replace("/srv/whetstone/.venv/bin", str(Path(sys.executable).parent))
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / unit.name) for unit in UNITS)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "whetstone" not in done.stderr, done.stderr
