"""Structured logs: every record, ours or a library's, is rendered by structlog with the request id bound to it."""

from __future__ import annotations

import logging.config
import sys
from collections.abc import Mapping
from typing import Any

import structlog

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
QUIET = ("axes", "asyncio", "celery.app.trace", "celery.beat", "celery.worker.strategy")
# What every record gets, ours and a library's.
CONTEXT: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def plan(options: Mapping[str, Any]) -> dict[str, Any]:
    """The `dictConfig` for `{"format": "json"|"text", "level": …}`; the unknown falls back to text and INFO."""
    level = str(options.get("level", "INFO")).upper()
    level = level if level in LEVELS else "INFO"
    json = options.get("format") == "json"
    if json:
        render: list[Any] = [
            structlog.processors.format_exc_info,
            structlog.processors.UnicodeDecoder(),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    else:
        colors = sys.stderr is not None and sys.stderr.isatty()
        plain = structlog.dev.plain_traceback
        render = [
            structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain, pad_event_to=0, pad_level=False)
        ]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [*CONTEXT, structlog.stdlib.ExtraAdder()],
                # Django hands whole requests over in `extra`; they are not for logs.
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, _drop_objects, *render],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Emptying the handlers that Django and gunicorn bring along sends their records to the root, once.
            **{name: {"handlers": [], "propagate": True} for name in ("django", "django.server", "gunicorn.error")},
            # A 404 or a refusal is an answer, not a warning; a 500 still shows.
            "django.request": {"handlers": [], "propagate": True, "level": "ERROR"},
            # One line a request is for machines to read; on a terminal it would drown the rest.
            "gunicorn.access": {"handlers": [], "propagate": True, "level": "INFO" if json else "WARNING"},
            # A sweep every two seconds is no news; what it did is logged by the sweep itself.
            **{name: {"level": max(level, "WARNING", key=LEVELS.index)} for name in QUIET},
        },
    }


def configure(options: Mapping[str, Any]) -> None:
    """Django's LOGGING_CONFIG: called once, when Django is set up."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *CONTEXT,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    logging.config.dictConfig(plan(options))


def _drop_objects(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Keeps plain values: a request, a socket or a model in `extra` would print personal data."""
    plain = (str, int, float, bool, type(None), list, tuple, dict)
    kept = {"event", "exc_info", "stack_info", "exception", "stack"}
    return {key: value for key, value in event.items() if key in kept or isinstance(value, plain)}
