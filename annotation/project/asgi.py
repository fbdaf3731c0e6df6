"""The web process: `uvicorn annotation.project.asgi:application`."""

import os

import django

from annotation.project import embedded
from annotation.project.handler import Handler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation.project.settings")
os.environ.setdefault("WHETSTONE_STATEMENT_TIMEOUT_S", "30")

leases = embedded.ensure_running("postgres", "valkey")  # held for the life of the process
django.setup(set_prefix=False)
application = Handler()
