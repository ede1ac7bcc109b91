"""The call history as CSV: what spreadsheets read, and what they must not carry out."""

from __future__ import annotations

import csv
import io

import pytest

from voipnode.calls.history.export import as_csv
from voipnode.calls.history.record import CallRecord, Heard, Opening


def rows(*records: CallRecord) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv([record.to_dict() for record in records]))))


def record(caller: str) -> CallRecord:
    began = "2026-11-22T12:00:00Z"
    return CallRecord(id="1", kind="door", direction="incoming", caller=caller, callee="", account="", began_utc=began)


def test_a_line_for_each_call_with_openings_and_quality() -> None:
    call = record("sip:anna@192.0.2.1")
    call.openings = [
        Opening(port="door", who="Anna", how="card", at_utc=""),
        Opening(port="gate", who="B", how="x", at_utc=""),
    ]
    call.heard = [Heard(mos=1.0), Heard(loss_percent=1.5, jitter_ms=2.0, mos=4.1)]
    (row,) = rows(call)
    assert row["opened"] == "door by Anna, card; gate by B, x"
    assert (row["loss_percent"], row["mos"], row["remote_mos"], row["round_trip_ms"]) == ("1.5", "4.1", "", "")
    assert as_csv([call.to_dict()]).count("\r\n") == 2


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+43", "-1+2", "@SUM(A1)", "\tx", "\rx", "\n=x"])
def test_what_a_spreadsheet_would_carry_out_is_text(name: str) -> None:
    assert rows(record(name))[0]["caller"] == f"'{name}"


def test_what_is_no_formula_stays_as_it_is() -> None:
    assert rows(record('sip:"a, b"=+-@example.com'))[0]["caller"] == 'sip:"a, b"=+-@example.com'
