"""The web process: `uvicorn annotation.project.asgi:application`."""

import os

from django.core.asgi import get_asgi_application

from annotation.project import embedded

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation.project.settings")
os.environ.setdefault("WHETSTONE_STATEMENT_TIMEOUT_S", "30")

leases = embedded.ensure_running("postgres", "valkey")  # held for the life of the process
application = get_asgi_application()
