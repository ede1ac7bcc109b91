"""Logs on standard error: lines for people, or one JSON object a line for machines."""

from __future__ import annotations

import logging
import sys

import structlog

from voipnode.settings import LogSettings

QUIET = ("uvicorn", "aiosqlite", "sqlalchemy", "asyncio", "libav")


def set_up_logs(settings: LogSettings) -> None:
    """Send every logger's records to standard error in the wanted form."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=settings.format == "json"),
    ]
    renderer: structlog.typing.Processor
    if settings.format == "json":
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    else:
        # Plain tracebacks: the pretty ones print every local variable, peers' secrets and kilobytes of bytes included.
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
