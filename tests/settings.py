"""The settings of the tests: those of the site, with a data directory, a database and a broker of their own.

WHETSTONE_DATA_DIR may name a directory to keep between runs; otherwise a temporary one is made and removed.
Processes that tests start (web, worker) use these settings too and find the test database by WHETSTONE_TEST_DATABASE.
"""

import os
import re
import sys
import tempfile
from pathlib import Path

# Before anything reads them. The torch of a test needs no more than a core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("WHETSTONE_SECRET_KEY", "for-the-tests-only-0123456789-abcdefghijklmnopqrstuvwxyz")
os.environ.setdefault("WHETSTONE_ENDPOINT_HOSTS", "http://127.0.0.1:9,api.example.org")  # 9: nobody is there
# The suite starts a few hundred Pythons, and a third of a start is compiling. Where no bytecode may be written (containers
# say so), it is kept with pytest's own cache instead of beside the sources.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    _bytecode = str(Path(__file__).resolve().parents[1] / ".pytest_cache" / "bytecode")
    sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = _bytecode
    sys.dont_write_bytecode = False
if "WHETSTONE_DATA_DIR" not in os.environ:
    _made = tempfile.mkdtemp(prefix="whetstone-tests-")
    os.environ["WHETSTONE_DATA_DIR"] = os.environ["WHETSTONE_TEST_DIR"] = _made

from annotation.project.settings import *  # noqa: F403
from annotation.project.settings import BROKER_URL, DATABASES, POLICY_SOCKET, STATIC_ROOT, STORAGES

if "WHETSTONE_TEST_DATABASE" in os.environ:  # a process that a test started
    DATABASES["default"]["NAME"] = os.environ["WHETSTONE_TEST_DATABASE"]
else:  # a pool's spare connections would keep the test database from being dropped
    DATABASES["default"]["OPTIONS"].pop("pool")

# Each parallel test process has queues and a live policy of its own: number 0 for one process, 1, 2, ... for gw0, gw1, ...
_worker = re.fullmatch(r"gw(\d+)", os.environ.get("PYTEST_XDIST_WORKER", ""))
QUEUES = int(_worker.group(1)) % 15 + 1 if _worker else 0
if BROKER_URL.startswith("redis+socket://"):
    BROKER_URL = CELERY_BROKER_URL = f"{BROKER_URL}?virtual_host={QUEUES}"
POLICY_SOCKET = POLICY_SOCKET.with_name(f"{QUEUES}-{POLICY_SOCKET.name}")

DURABLE = False  # PostgreSQL without fsync: a test database is made anew each time
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
AXES_ENABLED = False  # the test client signs in without a request; the lock-out has tests of its own
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
WHITENOISE_USE_FINDERS = True
# A web process lists the files at its start. The test client begins anew with each instance, and looks when it is asked.
WHITENOISE_AUTOREFRESH = "WHETSTONE_TEST_DATABASE" not in os.environ
