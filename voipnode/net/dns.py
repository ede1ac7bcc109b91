"""DNS records with a memory: fresh for as long as they say, and for want of better a day longer (RFC 8767)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from voipnode.net.dns_servers import Found, NoDnsAnswerError, Record

log = logging.getLogger(__name__)

MIN_TTL_S, MAX_TTL_S = 5.0, 3600.0  # a TTL of 0 would cost a lookup per packet, one of years would never be corrected
# RFC 9520 §3.2: a failure is remembered too, for 1 s at least. Some routers swallow every question for NAPTR.
FAILURE_S = {"NAPTR": 60.0}
OTHER_FAILURE_S = 5.0
MAX_STALE_S = 86_400.0  # RFC 8767 §4 suggests one to three days
STALE_WAIT_S = 1.0  # "client response timer" (RFC 8767 §5); a visitor waits for three of these in a row at worst
RECHECK_S = 30.0  # "failure recheck timer" (RFC 8767 §5)
MAX_NAME = 255

Key: TypeAlias = tuple[str, str]
Ask: TypeAlias = Callable[[str, str], Awaitable[Found]]


@dataclass(slots=True)
class _Entry:
    records: tuple[Record, ...] | None  # None: nobody could say
    fresh_until: float
    stale_until: float


class Dns:
    """Looks records up through `ask(name, kind)`, at most `max_pending` at a time, and remembers `max_names` answers.

    A lookup that several wait for is made once. What was used longest ago is forgotten first.
    """

    def __init__(self, ask: Ask, *, max_names: int = 1024, max_pending: int = 64) -> None:
        self._ask = ask
        self._max_names = max_names
        self._max_pending = max_pending
        self._entries: dict[Key, _Entry] = {}
        self._pending: dict[Key, asyncio.Task[_Entry | None]] = {}
        self._silent = False

    def remembered(self, name: str, kind: str) -> tuple[Record, ...] | None:
        """The records where a fresh answer is known; () for a fresh failure, None where `look_up` has to ask."""
        entry = self._entries.get(_key(name, kind))
        if entry is None or entry.fresh_until <= asyncio.get_running_loop().time():
            return None
        return entry.records or ()

    async def look_up(self, name: str, kind: str) -> tuple[Record, ...]:
        """The records of `kind` ("A", "AAAA", "SRV", "NAPTR"), () where there are none.

        Raises NoDnsAnswerError where nobody can say and nothing was known within the last day.
        """
        key = _key(name, kind)
        if not 0 < len(key[0]) <= MAX_NAME:
            return ()
        now = asyncio.get_running_loop().time()
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._entries[key] = entry  # last: in use
            if entry.fresh_until > now:
                return _known(entry, key)
        stale = entry if entry is not None and entry.records is not None and entry.stale_until > now else None
        task = self._refreshing(key)
        answered = await _outcome(task, 0.0 if self._silent else STALE_WAIT_S) if stale else await _outcome(task, None)
        if answered is not None:
            return _known(answered, key)
        if stale is None:
            raise NoDnsAnswerError(f"{kind} {name}")
        self._tell_silence(key, now - (stale.stale_until - MAX_STALE_S))
        return _known(stale, key)

    async def close(self) -> None:
        """Wait for no lookup any more."""
        tasks = list(self._pending.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _refreshing(self, key: Key) -> asyncio.Task[_Entry | None] | None:
        task = self._pending.get(key)
        if task is None:
            if len(self._pending) >= self._max_pending:
                log.debug("%s %s is not looked up: %d lookups are waiting", key[1], key[0], len(self._pending))
                return None
            task = asyncio.get_running_loop().create_task(self._refresh(key))
            self._pending[key] = task
        return task

    async def _refresh(self, key: Key) -> _Entry | None:
        """Ask; the new entry, or None where nobody answered."""
        loop = asyncio.get_running_loop()
        try:
            found = await self._ask(*key)
        except NoDnsAnswerError:
            self._failed(key, loop.time())
            return None
        finally:
            self._pending.pop(key, None)
        if self._silent:
            self._silent = False
            log.info("DNS answers again")
        fresh_until = loop.time() + min(max(found.ttl_s, MIN_TTL_S), MAX_TTL_S)
        entry = _Entry(found.records, fresh_until, fresh_until + MAX_STALE_S)
        self._keep(key, entry)
        return entry

    def _failed(self, key: Key, now: float) -> None:
        entry = self._entries.get(key)
        if entry is not None and entry.records is not None and entry.stale_until > now:
            entry.fresh_until = now + RECHECK_S  # used without asking until then
        else:
            self._keep(key, _Entry(None, now + FAILURE_S.get(key[1], OTHER_FAILURE_S), 0.0))

    def _keep(self, key: Key, entry: _Entry) -> None:
        self._entries.pop(key, None)
        if len(self._entries) >= self._max_names:
            self._entries.pop(next(iter(self._entries)))
        self._entries[key] = entry

    def _tell_silence(self, key: Key, age_s: float) -> None:
        if not self._silent:
            self._silent = True
            log.warning(
                "no DNS server answers: what was known of %s is used, %.0f s after it ran out, and so for other names",
                key[0],
                age_s,
            )


def _key(name: str, kind: str) -> Key:
    return name.lower().rstrip("."), kind


def _known(entry: _Entry, key: Key) -> tuple[Record, ...]:
    if entry.records is None:
        raise NoDnsAnswerError(f"{key[1]} {key[0]}")
    return entry.records


async def _outcome(task: asyncio.Task[_Entry | None] | None, patience_s: float | None) -> _Entry | None:
    """What a lookup came to; None where it failed, or takes longer than `patience_s` and goes on by itself."""
    if task is None:
        return None
    done, _ = await asyncio.wait((task,), timeout=patience_s)
    return task.result() if done and not task.cancelled() else None
