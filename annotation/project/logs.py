"""Logs: one line an event, to standard error; JSON in production, plain text on a developer's terminal.

    {"event": "...", "request_id": "6f1c0a…", "logger": "annotation.x", "level": "info", "timestamp": "2026-11-20T18:00:00Z"}

Whatever is bound to structlog's context variables (the request id, a run id) is on every line, also on Django's own.
JSON escapes line breaks, so nobody forges a line by what they type.
"""

from typing import Any

import structlog

SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]

# The values of local variables stay out of the log: a password may be among them.
STACK_WITHOUT_VALUES = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


def logging_config(*, pretty: bool) -> dict[str, Any]:
    """Django's LOGGING; configures structlog to hand its events to the same handler."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *[processor for processor in SHARED if not isinstance(processor, structlog.stdlib.ExtraAdder)],
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    last: list[Any] = (
        [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]
        if pretty
        else [
            structlog.processors.ExceptionRenderer(STACK_WITHOUT_VALUES),
            structlog.processors.JSONRenderer(),
        ]
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": SHARED,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            "django": {"level": "INFO"},
            "django.server": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
            "django.request": {"level": "ERROR"},  # a 404 is not our trouble
            "axes": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
            # In detail they write down whole requests, signatures and all.
            **{name: {"level": "WARNING"} for name in ("boto3", "botocore", "s3transfer", "urllib3")},
        },
    }
