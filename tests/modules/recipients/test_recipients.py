"""Messages that wait for whoever is to have them: in order, over a restart, and not for ever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.aio import PATIENCE_S, run_test, within
from tests.support.free_ports import free_port
from voipnode.calls.commands import ListRecipients, SendTo, TestRecipient
from voipnode.calls.errors import NotNowError, UnknownNameError
from voipnode.calls.events import Event, MessageDelivered, Problem
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.modules.recipients.module import RecipientsModule
from voipnode.modules.recipients.settings import RecipientsSettings


class Place:
    """A house with one recipient, a program that reads lines at a port; it may be away."""

    def __init__(self, folder: Path, port: int, **settings: Any) -> None:
        self.port = port
        self.now_s = 1_000_000.0
        self.lines: list[str] = []
        self.bus, self.commands = Bus(asyncio.get_running_loop().time), Commands()
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        for kind in (MessageDelivered, Problem):
            self.bus.subscribe(kind, self.events.put_nowait, who="test")
        recipient = {"name": "Guard", "kind": "tcp", "host": "127.0.0.1", "port": port, **settings}
        self.module = RecipientsModule(
            House(self.bus, self.commands, folder),
            RecipientsSettings.model_validate({"recipients": [recipient]}),
            utc_s=lambda: self.now_s,
            pause_s=0.02,
        )
        self._server: asyncio.Server | None = None

    async def appear(self) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.lines.append((await reader.read()).decode().rstrip())
            writer.close()

        self._server = await asyncio.start_server(serve, "127.0.0.1", self.port)

    async def close(self) -> None:
        await self.module.stop()
        await self.module.stop()
        if self._server is not None:
            self._server.close()

    async def send(self, text: str) -> None:
        await self.commands.execute(SendTo(recipient="Guard", subject="{rule}", text=text, values={"rule": "Night"}))

    async def next(self, kind: type[Event]) -> Any:
        async with within(PATIENCE_S, kind.__name__):
            while not isinstance(event := await self.events.get(), kind):
                pass
            return event

    async def listed(self) -> dict[str, Any]:
        (found,) = json.loads(await self.commands.execute(ListRecipients()))
        return dict(found)


def tell(folder: Path, port: int, story: Callable[[Place], Awaitable[None]], **settings: Any) -> None:
    async def main() -> None:
        place = Place(folder, port, **settings)
        await place.module.start()
        try:
            await story(place)
        finally:
            await place.close()

    run_test(main())


def test_what_is_accepted_while_nobody_is_there_comes_in_order_once_somebody_is(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        for text in ("one of {rule}", "two", "three"):
            await place.send(text)
        trouble = await place.next(Problem)
        assert trouble.where == "recipients.Guard"
        assert "it is tried again" in trouble.detail
        assert (await place.listed())["waiting"] == 3
        place.now_s += 60
        await place.appear()
        delivered = [await place.next(MessageDelivered) for _ in range(3)]
        assert [event.late_s for event in delivered] == [60.0, 60.0, 60.0]
        assert place.lines == ["one of Night", "two", "three"]
        listed = await place.listed()
        assert (listed["waiting"], listed["trouble"]) == (0, "")

    tell(tmp_path, free_port(), story)


def test_what_waits_outlives_the_node(tmp_path: Path) -> None:
    port = free_port()

    async def before(place: Place) -> None:
        await place.send("kept")
        await place.next(Problem)

    async def after(place: Place) -> None:
        await place.appear()
        await place.next(MessageDelivered)
        assert place.lines == ["kept"]

    tell(tmp_path, port, before)
    tell(tmp_path, port, after)


def test_what_waits_too_long_is_given_up_and_told_and_the_next_has_its_turn(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.send("too late")
        await place.next(Problem)
        place.now_s += 100
        given_up = await place.next(Problem)
        assert 'message 1 ("Night") is given up' in given_up.detail
        await place.appear()
        await place.send("in time")
        await place.next(MessageDelivered)
        assert place.lines == ["in time"]

    tell(tmp_path, free_port(), story, give_up_after_s=100)


def test_a_test_says_at_once_how_it_went(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        with pytest.raises(NotNowError, match='recipient "Guard"'):
            await place.commands.execute(TestRecipient(recipient="Guard"))
        await place.appear()
        assert await place.commands.execute(TestRecipient(recipient="Guard")) == "sent"
        with pytest.raises(UnknownNameError, match='there is "Guard"'):
            await place.commands.execute(TestRecipient(recipient="Nobody"))
        assert (await place.listed())["waiting"] == 0

    tell(tmp_path, free_port(), story)


def test_a_disk_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").write_bytes(b"x" * 5000)

    async def story(place: Place) -> None:
        assert "nobody is told of anything" in (await place.next(Problem)).detail
        with pytest.raises(NotNowError, match="cannot be used"):
            await place.send("lost")

    tell(tmp_path, free_port(), story)
