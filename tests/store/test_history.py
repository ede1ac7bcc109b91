"""The call history on the disk: found by filters and pages, forgotten when old, closed after a run that was killed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from voipnode.store.history import HistoryStore
from voipnode.store.settings import StateSettings

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def store(folder: Path, *, keep_days: int = 0, max_calls: int = 1000, node: str = "") -> HistoryStore:
    return HistoryStore(
        StateSettings(node=node),
        folder,
        keep_days=keep_days,
        max_calls=max_calls,
        on_problem=lambda words: None,
        utc_now=lambda: NOON,
        batch_delay_s=0.0,
        retry_s=0.0,
    )


def record(began: str, **more: Any) -> dict[str, Any]:
    began_utc = f"2026-11-{began}:00.000Z"
    return {
        "id": f"{began_utc}-run-c1",
        "kind": "door",
        "direction": "outgoing",
        "caller": "",
        "callee": "sip:anna@192.0.2.1",
        "account": "PBX",
        "began_utc": began_utc,
        "answered_utc": "",
        "ended_utc": began_utc,
        "answered_by": "",
        "ring_s": 0.0,
        "talk_s": 0.0,
        "outcome": "busy",
        "detail": "",
        **more,
    }


def with_store(test: Callable[[HistoryStore], Awaitable[None]], folder: Path, **settings: Any) -> None:
    async def run() -> None:
        kept = store(folder, **settings)
        await kept.start("")
        await test(kept)
        await kept.stop()

    asyncio.run(run())


async def days(kept: HistoryStore, limit: int = 100, before: str = "", **wanted: str) -> list[str]:
    """The days and times of what is found, newest first."""
    found = await kept.find(wanted, limit=limit, before=before)
    assert found is not None
    return [each["began_utc"][8:16] for each in found]


def test_a_record_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    async def test(kept: HistoryStore) -> None:
        kept.keep(record("20T10:00", outcome="", ended_utc=""))
        assert await days(kept, outcome="busy") == []
        kept.keep(record("20T10:00"))
        (found,) = await kept.find({}, limit=10) or ()
        assert found == record("20T10:00")

    with_store(test, tmp_path)


def test_filters_and_pages(tmp_path: Path) -> None:
    async def test(kept: HistoryStore) -> None:
        kept.keep(record("20T10:00"))
        kept.keep(record("20T11:00", direction="incoming", callee="", caller="sip:+43%1@example.com"))
        kept.keep(record("21T10:00", outcome="answered", answered_by="sip:Ben@192.0.2.2"))
        assert await days(kept) == ["21T10:00", "20T11:00", "20T10:00"]
        assert await days(kept, direction="incoming") == ["20T11:00"]
        assert await days(kept, outcome="answered", account="PBX") == ["21T10:00"]
        assert await days(kept, account="Office") == []
        assert await days(kept, text="BEN") == ["21T10:00"]
        assert await days(kept, text="+43%") == ["20T11:00"]
        assert await days(kept, text="a%2") == []  # no pattern, but what it says
        assert await days(kept, from_utc="2026-11-20T11:00:00.000Z", to_utc="2026-11-21T10:00:00.000Z") == ["20T11:00"]
        first = await kept.find({}, limit=2) or ()
        assert await days(kept, before=first[-1]["id"]) == ["20T10:00"]

    with_store(test, tmp_path)


def test_what_is_too_old_is_neither_found_nor_kept(tmp_path: Path) -> None:
    async def test(kept: HistoryStore) -> None:
        for day in ("18T10:00", "20T11:59", "20T12:00"):
            kept.keep(record(day))
        assert await days(kept) == ["20T12:00"]

    with_store(test, tmp_path, keep_days=2)

    async def later(kept: HistoryStore) -> None:
        assert await days(kept) == ["20T12:00"]

    with_store(later, tmp_path)


def test_the_newest_calls_are_kept(tmp_path: Path) -> None:
    async def test(kept: HistoryStore) -> None:
        for hour in range(10, 20):
            kept.keep(record(f"20T{hour}:00"))
        assert await days(kept) == ["20T19:00", "20T18:00", "20T17:00"]

    with_store(test, tmp_path, max_calls=3)

    async def later(kept: HistoryStore) -> None:
        assert len(await days(kept)) == 3

    with_store(later, tmp_path)


def test_what_a_run_left_open_is_closed_when_it_was_last_heard_of(tmp_path: Path) -> None:
    talking = "2026-11-20T10:00:05.000Z"

    async def before(kept: HistoryStore) -> None:
        kept.keep(record("20T10:00", outcome="", ended_utc="", answered_utc=talking))
        kept.keep(record("20T10:10", outcome="", ended_utc=""))
        kept.keep(record("20T09:00"))

    with_store(before, tmp_path)

    async def after() -> None:
        kept = store(tmp_path)
        await kept.start("2026-11-20T10:01:05.000Z")
        late, talked, busy = await kept.find({}, limit=10) or ()
        assert (talked["outcome"], talked["talk_s"]) == ("node stopped", 60.0)
        assert talked["ended_utc"] == "2026-11-20T10:01:05.000Z"
        assert (late["outcome"], late["ring_s"], late["ended_utc"]) == ("node stopped", 0.0, late["began_utc"])
        assert busy == record("20T09:00")
        assert await days(kept, outcome="node stopped") == ["20T10:10", "20T10:00"]
        await kept.stop()

    asyncio.run(after())


def test_nodes_that_share_a_database_have_histories_of_their_own(tmp_path: Path) -> None:
    async def test(kept: HistoryStore) -> None:
        kept.keep(record("20T10:00"))
        assert len(await days(kept)) == 1

    with_store(test, tmp_path, node="front")
    with_store(test, tmp_path, node="back")
