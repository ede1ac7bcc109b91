"""Logs on standard error: lines for people, or one JSON object a line for machines."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from voipnode.settings import LogSettings

# What libraries tell of each step of theirs; httpx would write whole URLs, in which there may be keys.
QUIET = ("uvicorn", "aiosqlite", "sqlalchemy", "asyncio", "libav", "asyncssh", "aioftp", "httpx")
COLOURS = {"debug": 36, "info": 32, "warning": 33, "error": 31, "critical": 31}  # ECMA-48 SGR
WORDS_WIDE = 30  # so that the names of the loggers stand in a column behind short lines


class LineFormatter(logging.Formatter):
    """`2026-11-21T14:28:36.123456 [info     ] words          [logger]`, in local time; a traceback below.

    Tracebacks are plain: the pretty ones print every local variable, peers' secrets and kilobytes of bytes included.
    """

    def __init__(self, *, colours: bool) -> None:
        super().__init__()
        self._levels = {
            name: f"\033[{code}m[{name:<9}]\033[0m" if colours else f"[{name:<9}]" for name, code in COLOURS.items()
        }

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line, or as several with a traceback."""
        time = datetime.fromtimestamp(record.created).isoformat(timespec="microseconds")  # noqa: DTZ006 -- for people
        level = self._levels.get(record.levelname.lower(), f"[{record.levelname}]")
        line = f"{time} {level} {record.getMessage():<{WORDS_WIDE}} [{record.name}]"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: event, level, logger, timestamp (UTC), and exception where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        data = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
        }
        if record.exc_info:
            data["exception"] = self.formatException(record.exc_info)
        return json.dumps(data)


def set_up_logs(settings: LogSettings) -> None:
    """Send every logger's records to standard error in the wanted form."""
    # Nobody reads from which line, thread and process a record came: not finding out halves its cost
    # (Python's logging HOWTO, "Optimization").
    logging._srcfile = None  # the documented switch
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.format == "json" else LineFormatter(colours=sys.stderr.isatty()))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
