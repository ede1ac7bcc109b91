"""The call history as a part of the node: written from the bus, kept in state.db, read by commands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from voipnode.calls.history.desk import HistoryDesk
from voipnode.calls.history.recorder import HistoryRecorder
from voipnode.calls.hooks import House
from voipnode.settings import NodeSettings
from voipnode.store.history import HistoryStore


class CallHistory:
    """Makes the parts and joins them; `run_id` tells the calls of this run from others."""

    def __init__(
        self,
        settings: NodeSettings,
        house: House,
        run_id: str,
        *,
        on_problem: Callable[[str], None],
        utc_now: Callable[[], datetime],
    ) -> None:
        wanted = settings.history
        self._store = HistoryStore(
            settings.state,
            house.state_dir,
            keep_days=wanted.keep_days,
            max_calls=wanted.max_calls,
            on_problem=on_problem,
            utc_now=utc_now,
        )
        self._recorder = HistoryRecorder(house.bus, self._store, run_id, utc_now)
        self._commands = house.commands
        self._max_calls = wanted.max_calls

    async def start(self, last_heard_utc: str) -> None:
        """Close what the run before left open, when it was last heard of, and write from now on."""
        await self._store.start(last_heard_utc)
        HistoryDesk(self._store, self._commands, self._max_calls)
        self._recorder.start()

    async def stop(self) -> None:
        """Write what is left, and close."""
        await self._recorder.stop()
        await self._store.stop()
