"""The Celery app: JSON only, and one schedule made of what the apps ask for."""

import time
from types import SimpleNamespace

import pytest
from django.conf import settings
from kombu import Connection
from kombu.exceptions import OperationalError

from annotation.project.celery import app, collect_beat_schedule


@pytest.fixture
def sample_apps(tmp_path, monkeypatch):
    """Installs apps whose tasks modules schedule the given names."""

    def install(**schedules):
        for name, names in schedules.items():
            (tmp_path / name).mkdir()
            (tmp_path / name / "__init__.py").write_text("")
            if names is not None:
                entries = ", ".join(
                    f'"{entry}": {{"task": "{name}.{entry}", "schedule": 30.0}}' for entry in names
                )
                (tmp_path / name / "tasks.py").write_text(f"BEAT_SCHEDULE = {{{entries}}}\n")
        monkeypatch.syspath_prepend(tmp_path)
        configs = [SimpleNamespace(name=name) for name in schedules]
        monkeypatch.setattr("annotation.project.celery.apps.get_app_configs", lambda: configs)
        sender = SimpleNamespace(conf=SimpleNamespace(beat_schedule=None))
        return sender

    return install


def test_the_schedule_joins_what_every_app_asks_for(sample_apps):
    sender = sample_apps(sample_one=["sweep"], sample_none=None, sample_two=["expire", "count"])

    collect_beat_schedule(sender)

    assert {name: entry["task"] for name, entry in sender.conf.beat_schedule.items()} == {
        "sweep": "sample_one.sweep",
        "expire": "sample_two.expire",
        "count": "sample_two.count",
    }


def test_two_apps_that_schedule_the_same_name_are_an_error(sample_apps):
    sender = sample_apps(sample_three=["sweep"], sample_four=["sweep"])

    with pytest.raises(ValueError, match=r"'sweep'.*sample_four"):
        collect_beat_schedule(sender)


def test_messages_are_json_and_wait_for_a_worker_no_longer_than_needed():
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_serializer == app.conf.result_serializer == "json"
    assert app.conf.worker_prefetch_multiplier == 1
    assert app.conf.broker_transport_options["visibility_timeout"] == 3 * 3600
    assert app.conf.task_acks_late is True


def test_a_broker_that_is_away_is_noticed_at_once(tmp_path):
    from celery import Celery

    away = Celery("away", broker=f"redis+socket://{tmp_path}/none.sock", set_as_current=False)
    away.conf.update({name: app.conf[name] for name in ("broker_transport_options", "task_publish_retry")})
    began = time.monotonic()

    with pytest.raises(OperationalError, match=r"none\.sock"):
        away.send_task("annotation.tasks.anything")

    assert time.monotonic() - began < 2


def test_a_worker_survives_a_message_that_is_not_json(worker):
    with Connection(settings.BROKER_URL) as connection:
        connection.SimpleQueue("default").put({"id": 1}, serializer="yaml")
        connection.SimpleQueue("default").put(b"\x80\x04}\x94.", serializer="raw")

    deadline = time.monotonic() + 10
    while not (alive := app.control.ping(timeout=0.5)) and time.monotonic() < deadline:
        pass

    assert len(alive) == 1
