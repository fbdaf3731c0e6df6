"""The web process: `uvicorn annotation.project.asgi:application`."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation.project.settings")
os.environ.setdefault("WHETSTONE_STATEMENT_TIMEOUT_S", "30")

application = get_asgi_application()
