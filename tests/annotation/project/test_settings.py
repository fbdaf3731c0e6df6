"""The settings as a process reads them: each in a process of its own, with its own environment."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SECRET = "qWertyuiopAsdfghjklZxcvbnm0123456789-qwertyuiopasdf"
PRODUCTION = {
    "WHETSTONE_HTTPS": "1",
    "WHETSTONE_ALLOWED_HOSTS": "whetstone.example.org",
    "WHETSTONE_SECRET_KEY": SECRET,
    "DATABASE_URL": "postgresql://ada:pass@db.example/whetstone",
    "BROKER_URL": "redis://broker.example/0",
}


def run(code: str, environment: dict[str, str], tmp_path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "WHETSTONE_DATA_DIR": str(tmp_path / "data"), **environment},
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def read(names: list[str], environment: dict[str, str], tmp_path: Path) -> dict:
    code = (
        "import json; from annotation.project import settings as s; "
        f"print(json.dumps({{name: getattr(s, name) for name in {names!r}}}, default=str))"
    )
    done = run(code, environment, tmp_path)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_with_nothing_set_everything_is_embedded_and_below_the_data_directory(tmp_path):
    names = [
        "DEBUG",
        "ALLOWED_HOSTS",
        "DATABASES",
        "BROKER_URL",
        "SNAPSHOT_DIR",
        "RUN_DIR",
        "CHECKPOINT_DIR",
        "DEFAULT_POLICY",
    ]
    names += ["SESSION_COOKIE_NAME", "SESSION_COOKIE_SECURE", "SECURE_SSL_REDIRECT"]

    found = read(names, {}, tmp_path)

    assert found["DEBUG"] is False
    assert found["ALLOWED_HOSTS"] == ["localhost", "127.0.0.1", "[::1]"]
    database = found["DATABASES"]["default"]
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert database["HOST"].startswith(f"/tmp/whetstone-{os.getuid()}-")
    assert found["BROKER_URL"] == f"redis+socket://{database['HOST']}/valkey.sock"
    assert found["SNAPSHOT_DIR"] == f"{tmp_path}/data/snapshots"
    assert found["RUN_DIR"] == f"{tmp_path}/data/runs"
    assert found["CHECKPOINT_DIR"] == f"{tmp_path}/data/checkpoints"
    assert found["DEFAULT_POLICY"] == "embedded"
    assert (found["SESSION_COOKIE_NAME"], found["SESSION_COOKIE_SECURE"]) == ("sessionid", False)
    assert found["SECURE_SSL_REDIRECT"] is False


def test_production_has_host_cookies_https_and_the_servers_it_was_given(tmp_path):
    names = [
        "SESSION_COOKIE_NAME",
        "CSRF_COOKIE_NAME",
        "LANGUAGE_COOKIE_NAME",
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_HTTPONLY",
    ]
    names += ["SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS", "DATABASES", "BROKER_URL"]

    found = read(names, PRODUCTION, tmp_path)

    assert found["SESSION_COOKIE_NAME"] == "__Host-sessionid"
    assert found["CSRF_COOKIE_NAME"] == "__Host-csrftoken"
    assert found["LANGUAGE_COOKIE_NAME"] == "__Host-language"
    assert (
        found["SESSION_COOKIE_SECURE"]
        is found["CSRF_COOKIE_HTTPONLY"]
        is found["SECURE_SSL_REDIRECT"]
        is True
    )
    assert found["SECURE_HSTS_SECONDS"] == 31_536_000
    assert found["DATABASES"]["default"]["HOST"] == "db.example"
    assert found["BROKER_URL"] == "redis://broker.example/0"
    assert not (tmp_path / "data").exists()  # nothing of its own was made


def test_the_embedded_key_is_made_once_and_only_its_owner_reads_it(tmp_path):
    first = read(["SECRET_KEY"], {}, tmp_path)["SECRET_KEY"]
    second = read(["SECRET_KEY"], {}, tmp_path)["SECRET_KEY"]

    assert first == second
    assert len(first) >= 50
    file = tmp_path / "data" / "secret.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_several_processes_that_start_at_once_agree_on_the_key(tmp_path):
    code = "from annotation.project import settings; print(settings.SECRET_KEY)"
    environment = {"PATH": os.environ["PATH"], "WHETSTONE_DATA_DIR": str(tmp_path / "data")}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    keys = {process.communicate()[0] for process in started}

    assert len(keys) == 1
    assert len(keys.pop().strip()) >= 50


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"WHETSTONE_SECRET_KEY": ""}, "WHETSTONE_SECRET_KEY"),
        ({"WHETSTONE_SECRET_KEY": "", "WHETSTONE_HTTPS": ""}, "WHETSTONE_SECRET_KEY"),
        ({"WHETSTONE_SECRET_KEY": "change-me"}, "WHETSTONE_SECRET_KEY"),
        ({"WHETSTONE_ALLOWED_HOSTS": ""}, "WHETSTONE_ALLOWED_HOSTS"),
        ({"WHETSTONE_ALLOWED_HOSTS": "*"}, "WHETSTONE_ALLOWED_HOSTS"),
        ({"WHETSTONE_DEBUG": "1"}, "WHETSTONE_DEBUG"),
        ({"WHETSTONE_DEBUG": "si"}, "WHETSTONE_DEBUG"),
        ({"WHETSTONE_HTTPS": "2"}, "WHETSTONE_HTTPS"),
        ({"WHETSTONE_PORT": "eighty"}, "WHETSTONE_PORT"),
        ({"WHETSTONE_PORT": "0"}, "WHETSTONE_PORT"),
        ({"WHETSTONE_DATA_DIR": "relative/path"}, "WHETSTONE_DATA_DIR"),
        ({"WHETSTONE_POOL": "0"}, "WHETSTONE_POOL"),
        ({"DATABASE_URL": "sqlite:///db.sqlite3"}, "DATABASE_URL"),
    ],
)
def test_a_wrong_environment_stops_the_process_with_the_name_of_the_variable(tmp_path, change, named):
    done = run("import annotation.project.settings", {**PRODUCTION, **change}, tmp_path)

    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert "ImproperlyConfigured" in last
    assert named in last


def test_the_deployment_check_finds_nothing_in_production(tmp_path):
    code = (
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'annotation.project.settings'; "
        "import django; django.setup(); "
        "from django.core.management import call_command; call_command('check', deploy=True, fail_level='WARNING')"
    )
    done = run(code, PRODUCTION, tmp_path)

    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_a_web_process_bounds_its_waits_and_a_command_does_not(tmp_path):
    code = (
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'annotation.project.settings'; {0}; "
        "from django.conf import settings; print(settings.DATABASES['default']['OPTIONS'].get('options'))"
    )
    web = run(code.format("import annotation.project.asgi"), PRODUCTION, tmp_path)
    command = run(code.format("import django; django.setup()"), PRODUCTION, tmp_path)

    assert web.stdout.strip() == "-c statement_timeout=30s -c lock_timeout=5s", web.stderr
    assert command.stdout.strip() == "None", command.stderr
