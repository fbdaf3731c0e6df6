"""The web process: `gunicorn annotation.project.wsgi:application`; streamed responses need asgi.py instead."""

import os

from django.core.wsgi import get_wsgi_application

from annotation.project import embedded

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation.project.settings")
os.environ.setdefault("WHETSTONE_STATEMENT_TIMEOUT_S", "30")

leases = embedded.ensure_running("postgres", "valkey")  # held for the life of the process
application = get_wsgi_application()
