"""Messages that wait for whoever is to have them: in order, over a restart, and not for ever."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.aio import PATIENCE_S, run_test, within
from tests.support.free_ports import free_port
from voipnode.calls.commands import ListRecipients, SendTo, TestRecipient
from voipnode.calls.errors import CallError, NotNowError, UnknownNameError
from voipnode.calls.events import Event, MessageDelivered, Problem
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.modules.recipients.attachments import read_attachment
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

    def use(self, *recipients: dict[str, Any]) -> None:
        self.module.use(RecipientsSettings.model_validate({"recipients": recipients}))

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


def test_recipients_change_while_messages_wait(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.send("kept")
        await place.next(Problem)
        there = {"kind": "tcp", "host": "127.0.0.1", "port": place.port}
        place.use({"name": "Porter", **there})  # a new name: what waits goes with it
        assert (await place.listed())["waiting"] == 1
        with pytest.raises(UnknownNameError, match='there is "Porter"'):
            await place.send("to nobody")
        place.use({"name": "Porter", **there, "port": free_port()}, {"name": "Guard", **there})
        await place.send("second")
        await place.appear()
        place.use({"name": "Porter", **there}, {"name": "Guard", **there})  # put right, it is tried at once
        told = [(await place.next(MessageDelivered)).recipient for _ in range(2)]
        assert sorted(told) == ["Guard", "Porter"]
        assert sorted(place.lines) == ["kept", "second"]

    tell(tmp_path, free_port(), story)


def test_what_waits_for_one_that_is_gone_is_told_and_given_up_at_the_next_start(tmp_path: Path) -> None:
    async def before(place: Place) -> None:
        await place.send("left behind")
        await place.next(Problem)
        place.use()
        assert '1 messages wait for "Guard", who is no recipient any more' in (await place.next(Problem)).detail
        assert json.loads(await place.commands.execute(ListRecipients())) == []

    async def after(place: Place) -> None:
        assert '1 messages are given up: "Guard"' in (await place.next(Problem)).detail

    tell(tmp_path, free_port(), before)
    tell(tmp_path, free_port(), after, name="Other")


def test_an_attachment_is_kept_as_it_was_when_the_message_was_accepted(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    there = {"kind": "folder", "path": str(archive), "file_name": "{number}", "must_be_mounted": False}
    picture = tmp_path / "picture.svg"
    picture.write_bytes(b"<svg/>")

    async def before(place: Place) -> None:
        place.use({"name": "Guard", **there})
        await place.commands.execute(SendTo(recipient="Guard", subject="s", text="t", attachment="picture.svg"))
        assert "no such folder" in (await place.next(Problem)).detail
        picture.unlink()

    async def after(place: Place) -> None:
        archive.mkdir()
        place.use({"name": "Guard", **there})
        await place.next(MessageDelivered)
        assert [(file.name, file.read_bytes()) for file in archive.iterdir()] == [("000001.svg", b"<svg/>")]
        await place.commands.execute(SendTo(recipient="Guard", subject="s", text="t"))
        await place.next(MessageDelivered)
        assert (archive / "000002.txt").exists()  # a number is not given twice, over a restart

    tell(tmp_path, free_port(), before, name="Guard")
    tell(tmp_path, free_port(), after, name="Guard")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nothing.svg", "no such file"),
        ("recordings/*.wav", "no such file"),
        ("/etc/*.txt", "no such file"),
        ("../outside.svg", "only files in"),
        ("link.svg", "only files in"),
        ("outbox.db", "of these kinds"),
        ("key.pem", "of these kinds"),
        ("large.wav", "larger than 10 MB"),
    ],
)
def test_only_files_for_people_are_attached(tmp_path: Path, path: str, words: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "outside.svg").write_bytes(b"x")
    (home / "link.svg").symlink_to(tmp_path / "outside.svg")
    (home / "key.pem").write_bytes(b"secret")
    with (home / "large.wav").open("wb") as file:
        file.truncate(10_000_001)
    with pytest.raises(CallError, match=words):
        read_attachment(home, path)


def test_of_a_pattern_the_newest_is_attached(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name, age_s in (("a.wav", 10), ("b.wav", 0), ("c.wav", 20)):
        (folder / name).write_bytes(name.encode())
        os.utime(folder / name, (1_000_000 - age_s, 1_000_000 - age_s))
    assert read_attachment(tmp_path, "recordings/*.wav").content == b"b.wav"
