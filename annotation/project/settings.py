"""Settings of every process, read from the environment (README, section "Settings").

Three situations, told apart by what is set:

    embedded     nothing set: PostgreSQL and Valkey from wheels, plain http on loopback
    own servers  DATABASE_URL (and BROKER_URL): the same with servers of yours; WHETSTONE_SECRET_KEY is required
    production   WHETSTONE_HTTPS=1 besides: secure cookies, HSTS; WHETSTONE_ALLOWED_HOSTS is required
"""

from os import pathsep
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from annotation.project import secrets
from annotation.project.embedded.places import Places
from annotation.project.env import (
    envbool,
    envdb,
    envhosts,
    envint,
    envlist,
    envpath,
    envsecret,
    envsecrets,
    envstorage,
    envstr,
)
from annotation.project.logs import logging_config

BASE_DIR = Path(__file__).resolve().parents[2]

# Where things are kept. Everything that the application writes lies below DATA_DIR.
DATA_DIR = envpath("WHETSTONE_DATA_DIR", BASE_DIR / ".data")
PUBLIC_URL = envstr("WHETSTONE_PUBLIC_URL", "").rstrip(
    "/"
)  # of this site, for citations; empty: they have none
# Where snapshots may be pushed to: the hub, and where the hub stores large files.
HF_ENDPOINT = envstr("WHETSTONE_HF_ENDPOINT", "https://huggingface.co").rstrip("/")
HF_HOSTS = envlist(
    "WHETSTONE_HF_HOSTS",
    [f"hf-hub-lfs-{region}.s3-accelerate.amazonaws.com" for region in ("us-east-1", "eu-west-1")],
)
SNAPSHOT_DIR = DATA_DIR / "snapshots"
ERASURE_LIST = DATA_DIR / "erasures.jsonl"  # outlives a restored database: manage.py replay_erasures
RUN_DIR = DATA_DIR / "runs"
CHECKPOINT_DIR = DATA_DIR / "checkpoints"
BENCHMARK_DIR = DATA_DIR / "benchmarks"  # files in RewardBench's format that the operator puts there
POLICY_SOCKET = Places(DATA_DIR).policy_socket  # of `manage.py serve_policy`
LIVE_TOKENS_PER_S = envint(
    "WHETSTONE_LIVE_TOKENS_PER_S", 30, low=1, high=1000
)  # of a stream that somebody reads
DEFAULT_POLICY = envstr("WHETSTONE_POLICY", "embedded")  # or a hub id, or a local path

# Jobs. A worker shows a sign of life every RUN_HEARTBEAT_S; after RUN_STALE_S of silence another takes the job up.
RUN_HEARTBEAT_S = envint("WHETSTONE_RUN_HEARTBEAT_S", 15, low=1, high=600)
RUN_STALE_S = envint("WHETSTONE_RUN_STALE_S", 120, low=2, high=3600)
RUN_RESEND_S = envint("WHETSTONE_RUN_RESEND_S", 60, low=1, high=3600)  # a queued one wakes a worker again
RUN_STOP_GRACE_S = envint("WHETSTONE_RUN_STOP_GRACE_S", 45, low=1, high=600)  # to save after SIGTERM
RUN_HANG_S = envint(
    "WHETSTONE_RUN_HANG_S", 21_600, low=0, high=604_800
)  # a program that tells nothing; 0: for ever
RUN_SWEEP_S = envint("WHETSTONE_RUN_SWEEP_S", 15, low=1, high=600)
RUN_METHODS = [
    "training_bridge.methods",
    *envlist("WHETSTONE_RUN_METHODS", []),
]  # packages whose modules each declare a method, or modules that hold METHODS
# What a training worker may use, to say before a run starts that it cannot work; 0: what the last run saw.
WORKER_MEMORY_MB = envint("WHETSTONE_WORKER_MEMORY_MB", 0, low=0, high=100_000_000)
TRAIN_QUEUE = envstr("WHETSTONE_TRAIN_QUEUE", "train")  # where runs wait for a worker, such as one with a GPU

# What kind of installation this is.
DEBUG = envbool("WHETSTONE_DEBUG", False)
HTTPS = envbool("WHETSTONE_HTTPS", False)
PORT = envint("WHETSTONE_PORT", 8000, low=1, high=65535)
_database = envdb("DATABASE_URL")
EMBEDDED = _database is None
if DEBUG and HTTPS:
    raise ImproperlyConfigured(
        "WHETSTONE_DEBUG=1 shows source code to visitors; it cannot go with WHETSTONE_HTTPS=1."
    )

_secret = envsecret("WHETSTONE_SECRET_KEY")
if _secret is None and (HTTPS or not EMBEDDED):
    raise ImproperlyConfigured(
        "WHETSTONE_SECRET_KEY is not set. It is required with DATABASE_URL or WHETSTONE_HTTPS=1. Make one with: "
        'python3 -c "import secrets; print(secrets.token_urlsafe(50))"'
    )
SECRET_KEY = _secret or secrets.load_or_create(DATA_DIR / "secret.key")
# What seals the keys of endpoints: the first one seals, each of them opens (`manage.py reseal_keys`).
ENCRYPTION_KEYS = envsecrets("WHETSTONE_ENCRYPTION_KEYS") or [SECRET_KEY]

# Where the server may connect when somebody names an endpoint; nowhere by default.
ENDPOINT_HOSTS = envhosts("WHETSTONE_ENDPOINT_HOSTS")
ENDPOINT_CA_FILE = envpath("WHETSTONE_ENDPOINT_CA_FILE", None)  # certificates to trust besides the usual ones
if ENDPOINT_CA_FILE is not None and not ENDPOINT_CA_FILE.is_file():
    raise ImproperlyConfigured(f"WHETSTONE_ENDPOINT_CA_FILE={str(ENDPOINT_CA_FILE)!r} is no file.")

ALLOWED_HOSTS = envlist("WHETSTONE_ALLOWED_HOSTS", [] if HTTPS else ["localhost", "127.0.0.1", "[::1]"])
if HTTPS and (not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS):
    raise ImproperlyConfigured(
        "WHETSTONE_ALLOWED_HOSTS must list the host names of the site; * is not accepted."
    )

INSTALLED_APPS = [
    "feedback_types.apps.FeedbackTypesConfig",
    "annotation.apps.AnnotationConfig",
    "training_bridge.apps.TrainingBridgeConfig",
    "annotation.project.apps.ProjectConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "django_htmx",
    "csp",
    "axes",
]

MIDDLEWARE = [
    "annotation.project.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "annotation.project.urls"
ASGI_APPLICATION = "annotation.project.asgi.application"
WSGI_APPLICATION = "annotation.project.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEST_RUNNER = "django.test.runner.DiscoverRunner"

# Folders of feedback types: those of this repository, and an installation's own (see feedback_types/__init__.py).
TYPE_HOMES = [
    BASE_DIR / "feedback_types",
    *(Path(home) for home in envstr("WHETSTONE_TYPES_PATH", "").split(pathsep) if home),
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [
            BASE_DIR / "templates",
            *(p for home in TYPE_HOMES for p in sorted(home.glob("*/templates"))),
        ],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# PostgreSQL, always. The web process sets WHETSTONE_STATEMENT_TIMEOUT_S (asgi.py): a page waits for a lock or
# a slow statement for a bounded time and then answers 503; commands and workers may take as long as they need.
STATEMENT_TIMEOUT_S = envint("WHETSTONE_STATEMENT_TIMEOUT_S", 0, low=0, high=3600)
_timeouts = f"-c statement_timeout={STATEMENT_TIMEOUT_S}s -c lock_timeout={min(STATEMENT_TIMEOUT_S, 5)}s"
_options = dict((_database or {}).get("OPTIONS", {}))
if STATEMENT_TIMEOUT_S:
    _options["options"] = f"{_options.get('options', '')} {_timeouts}".strip()
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        **(
            {"ENGINE": "django.db.backends.postgresql", **Places(DATA_DIR).database()}
            if _database is None
            else _database
        ),
        "ATOMIC_REQUESTS": False,  # services open their own transactions
        "CONN_MAX_AGE": 0,  # the pool keeps connections; Django must not
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": 5,
            # PostgreSQL plans a statement once for each connection: half its CPU for a judgement (`bench assignment`).
            "server_side_binding": True,
            "prepare_threshold": 2,
            **_options,
            "pool": {"min_size": 1, "max_size": envint("WHETSTONE_POOL", 8, low=1, high=200), "timeout": 5},
        },
    }
}

WEB_THREADS = envint(
    "WHETSTONE_THREADS", 32, low=1, high=500
)  # requests that one web process works on at once

# A process of its own would only be needed if pages had to share more than the database does already.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
SESSION_ENGINE = "django.contrib.sessions.backends.db"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# People: a name or e-mail address and a password; an account comes from an invitation; no mail server is needed.
AUTH_USER_MODEL = "annotation.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first: refuses a locked-out name before a password is looked at
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "annotation.project.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Whetstone] "
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = True
OPEN_SIGNUP = envbool("WHETSTONE_OPEN_SIGNUP", False)
MFA_ADAPTER = "annotation.project.accounts.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Whetstone"
MFA_ALLOW_UNVERIFIED_EMAIL = True  # without a mail server no address is ever verified
EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
AXES_FAILURE_LIMIT = 10  # per name and address together, so that nobody can lock out somebody else
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_COOLOFF_TIME = 0.25  # hours
AXES_RESET_ON_SUCCESS = True
AXES_USERNAME_CALLABLE = "annotation.project.accounts.login_name"
AXES_LOCKOUT_CALLABLE = "annotation.project.accounts.locked_out"
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

# What browsers are told.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
    }
}
X_FRAME_OPTIONS = "DENY"
_prefix = "__Host-" if HTTPS else ""
SESSION_COOKIE_NAME = f"{_prefix}sessionid"
CSRF_COOKIE_NAME = f"{_prefix}csrftoken"
LANGUAGE_COOKIE_NAME = f"{_prefix}language"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]  # asked by a load balancer over plain http
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if HTTPS else "http"
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024  # a form; imports are files and stream
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000

# Languages, time, static files.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [
    BASE_DIR / "annotation" / "locale",
    *(p for home in TYPE_HOMES for p in sorted(home.glob("*/locale"))),  # a type brings its own words
]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
# A proxy that serves them must be able to read them, and nothing else of the data directory.
STATIC_ROOT = envpath("WHETSTONE_STATIC_DIR", DATA_DIR / "static")
STATICFILES_DIRS = [p for home in TYPE_HOMES for p in sorted(home.glob("*/static"))]
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "annotation.project.static.StaticFiles"
    },
}
# Where complete snapshots and kept checkpoints are copied to, besides this disk; nowhere by default.
_artifacts = envstorage("WHETSTONE_ARTIFACT_STORAGE")
ARTIFACT_PLACE = _artifacts.place if _artifacts else ""
if _artifacts:
    STORAGES["artifacts"] = _artifacts.entry
MEDIA_ROOT = DATA_DIR / "uploads"
IMPORT_DIR = MEDIA_ROOT / "imports"  # files on their way in; web and workers share it

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Whetstone",
    "DESCRIPTION": "Campaigns, items, assignments, submissions, snapshots and runs.",
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "RoleEnum": ["labeler", "reviewer", "admin", "researcher"],
        "SnapshotStatusEnum": "training_bridge.models.Snapshot.Status",
        "RunStatusEnum": "training_bridge.models.Run.Status",
    },
}

# Celery only wakes workers; what must not be lost is a row. Messages are ids, as JSON.
BROKER_URL = envstr("BROKER_URL", Places(DATA_DIR).broker_url)
CELERY_BROKER_URL = BROKER_URL
# A page that cannot wake a worker must not wait for the broker: one quick try, and the sweep sends the row again.
# A message that no worker acknowledged comes back after the visibility timeout; tasks are shorter than that.
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    {
        "visibility_timeout": 3 * 3600,
        "socket_connect_timeout": 2,
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0,
        "interval_max": 0,
    }
    if BROKER_URL.startswith("redis")
    else {}
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_QUEUES = None  # `default` and `train`: a task names its queue
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 3  # seconds between SIGQUIT and the end of a running task
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat-schedule")
CELERY_TIMEZONE = "UTC"

LOGGING = logging_config(pretty=DEBUG or not HTTPS)
