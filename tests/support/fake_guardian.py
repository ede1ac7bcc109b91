"""A guardian in memory and in virtual time: grants leases, ends them, and can be lost, deaf or slow at a word."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from voipnode.calls.errors import CallError, NotNowError
from voipnode.modules.relay.lines import LineSpec
from voipnode.modules.relay.protocol import (
    MAX_LEASE_S,
    Late,
    Lease,
    LineState,
    Release,
    Report,
    Request,
    Reset,
    Trouble,
)
from voipnode.modules.relay.supervisor import Watcher


class FakeGuardian:
    """Stands where the supervisor stands; `sent` is everything that it was asked."""

    def __init__(self, lines: Sequence[LineSpec], state_dir: Path, watcher: Watcher) -> None:
        self.until = {line.name: 0.0 for line in lines}
        self.since = dict(self.until)
        self.sent: list[tuple[float, Request]] = []
        self.up = False
        self.deaf = False
        self.broken = ""  # why it cannot start
        self.far_trouble: Trouble | None = None  # the answer to leases, with their ref
        self._watcher = watcher

    async def start(self) -> None:
        if self.broken:
            raise CallError(self.broken)
        self.up = True

    async def stop(self) -> None:
        await asyncio.sleep(0)  # what it was told before comes first
        self._reset("stop")
        self.up = False

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def send(self, request: Request) -> None:
        if not self.up:
            raise NotNowError("the process that holds the outputs is down")
        self.sent.append((self.now(), request))
        if not self.deaf:
            asyncio.get_running_loop().call_soon(self._handle, request)

    def lose(self) -> None:
        """As kill -9 does it."""
        self.up = False
        self.until = dict.fromkeys(self.until, 0.0)
        self._watcher.guardian_lost("killed by the test")

    def say(self, report: Report) -> None:
        """Unasked."""
        self._watcher.guardian_said(report)

    def come_back(self) -> None:
        self.up = True
        self._watcher.guardian_up("started by the test")

    def _handle(self, request: Request) -> None:
        if isinstance(request, Lease):
            self._lease(request)
        elif isinstance(request, Release):
            self._release(request.line, request.why, request.ref)
        elif isinstance(request, Reset):
            self._reset(request.why)

    def _lease(self, lease: Lease) -> None:
        now = self.now()
        if self.far_trouble is not None:
            self._watcher.guardian_said(replace(self.far_trouble, ref=lease.ref))
            return
        assert lease.until <= now + MAX_LEASE_S, "the guardian would take this for nonsense"
        if lease.until <= now or (lease.renew and not self.until[lease.line]):
            self._watcher.guardian_said(Late(lease.line, lease.ref, now))
            return
        if not self.until[lease.line]:
            self.since[lease.line] = now
        self.until[lease.line] = max(self.until[lease.line], lease.until)
        asyncio.get_running_loop().call_at(lease.until, self._expire, lease.line)
        self._watcher.guardian_said(
            LineState(lease.line, True, "pulse", now, self.until[lease.line], held_s=0.0, ref=lease.ref)
        )

    def _expire(self, line: str) -> None:
        if self.until[line] and self.until[line] <= self.now():
            self._release(line, "expired", 0)

    def _release(self, line: str, why: str, ref: int) -> None:
        now = self.now()
        self.until[line] = 0.0
        self._watcher.guardian_said(LineState(line, False, why, now, 0.0, held_s=now - self.since[line], ref=ref))

    def _reset(self, why: str) -> None:
        for line, until in self.until.items():
            if until:
                self._release(line, why, 0)
