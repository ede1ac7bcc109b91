"""The call history as a table for spreadsheets (CSV, RFC 4180)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

COLUMNS = (
    "id",
    "kind",
    "direction",
    "caller",
    "callee",
    "account",
    "began_utc",
    "answered_utc",
    "ended_utc",
    "answered_by",
    "ring_s",
    "talk_s",
    "outcome",
    "reason",
    "status",
    "detail",
    "codec",
    "encryption",
    "cipher",
)
QUALITY = ("loss_percent", "jitter_ms", "round_trip_ms", "mos", "remote_mos")
# A spreadsheet takes what begins so for a formula and carries it out: a caller names himself as he likes.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def as_csv(records: Iterable[Mapping[str, Any]]) -> str:
    """Records as CSV with a line of headings; openings of a call are joined, its quality is that of its last party.

    Text that a spreadsheet would take for a formula has an apostrophe in front, which it shows as text.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow((*COLUMNS, "opened", *QUALITY))
    for record in records:
        opened = "; ".join(f"{each['port']} by {each['who']}, {each['how']}" for each in record["openings"])
        heard = record["heard"][-1] if record["heard"] else {}
        row = (*(record[name] for name in COLUMNS), opened, *(heard.get(name) for name in QUALITY))
        writer.writerow([_cell(value) for value in row])
    return text.getvalue()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
