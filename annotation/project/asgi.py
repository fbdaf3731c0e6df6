"""The web process: `uvicorn annotation.project.asgi:application`."""

import gc
import os

import django
from django.urls import get_resolver

from annotation.project import embedded
from annotation.project.handler import Handler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation.project.settings")
os.environ.setdefault("WHETSTONE_STATEMENT_TIMEOUT_S", "30")

leases = embedded.ensure_running("postgres", "valkey")  # held for the life of the process
django.setup(set_prefix=False)
application = Handler()
get_resolver().url_patterns  # noqa: B018  (every page is loaded now, not by whoever asks first)
gc.collect()
gc.freeze()  # What was loaded stays. Looking through it takes 0.1 to 0.2 s, every fifteenth page or so, in which all wait.
