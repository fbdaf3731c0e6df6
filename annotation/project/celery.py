"""The Celery app: two queues, `default` for short idempotent tasks and `train` for the accelerator.

    celery -A annotation.project.celery worker -Q default -c 1 -B
    celery -A annotation.project.celery worker -Q train -c 1

An app adds periodic tasks by a dictionary in its `tasks.py`, as Celery's `beat_schedule` has it:

    BEAT_SCHEDULE = {"release-expired": {"task": "annotation.tasks.release_expired", "schedule": 30.0}}
"""

import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from celery import Celery
from celery.signals import beat_init, worker_init
from django.apps import apps

from annotation.project import embedded

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation.project.settings")

app = Celery("whetstone")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

leases: list[embedded.Lease] = []


@worker_init.connect
@beat_init.connect
def find_servers(**kwargs: Any) -> None:
    """Starts the embedded servers if nobody did, and holds them for the life of the worker."""
    leases.extend(embedded.ensure_running("postgres", "valkey"))


@app.on_after_finalize.connect
def collect_beat_schedule(sender: Celery, **kwargs: Any) -> None:
    """Joins every app's BEAT_SCHEDULE; the same name in two apps is an error."""
    schedule: dict[str, Any] = {}
    for config in apps.get_app_configs():
        if find_spec(f"{config.name}.tasks") is None:
            continue
        for name, entry in getattr(import_module(f"{config.name}.tasks"), "BEAT_SCHEDULE", {}).items():
            if name in schedule:
                raise ValueError(f"two apps schedule {name!r}; the second is {config.name}.tasks")
            schedule[name] = entry
    sender.conf.beat_schedule = schedule
