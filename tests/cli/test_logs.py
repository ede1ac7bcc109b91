"""Log lines: for people, and for machines."""

from __future__ import annotations

import json
import logging
import re

from voipnode.cli.logs import JsonFormatter, LineFormatter


def record(level: int = logging.INFO, *, failed: bool = False) -> logging.LogRecord:
    error = None
    if failed:
        try:
            raise ValueError("no such port")
        except ValueError as caught:
            error = (ValueError, caught, caught.__traceback__)
    return logging.LogRecord("voipnode.app", level, "app.py", 1, "%s %s", ("call.changed", "call=c1"), error)


def test_a_line_has_time_level_words_and_logger() -> None:
    line = LineFormatter(colours=False).format(record())

    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6} \[info     \] call.changed call=c1 +\[voipnode.app\]", line
    )


def test_colours_are_for_terminals_and_a_traceback_shows_no_values() -> None:
    assert "\033[33m[warning  ]\033[0m" in LineFormatter(colours=True).format(record(logging.WARNING))
    lines = LineFormatter(colours=False).format(record(logging.ERROR, failed=True)).splitlines()
    assert lines[1] == "Traceback (most recent call last):"
    assert lines[-1] == "ValueError: no such port"


def test_a_machine_gets_one_object_a_line() -> None:
    text = JsonFormatter().format(record(logging.ERROR, failed=True))

    assert "\n" not in text
    data = json.loads(text)
    assert (data["event"], data["level"], data["logger"]) == ("call.changed call=c1", "error", "voipnode.app")
    assert data["timestamp"].endswith("Z")
    assert data["exception"].endswith("ValueError: no such port")
