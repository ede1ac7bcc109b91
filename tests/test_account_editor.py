"""Accounts added, changed and removed while a node runs: in its file, and in use."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.aio import PATIENCE_S, run_test, within
from tests.support.free_ports import free_port, rtp_range
from voipnode.app import Node
from voipnode.calls.commands import AddAccount, ChangeAccount, PlaceCall, PulsePort, RemoveAccount, RingRecipients
from voipnode.calls.errors import CallError, FieldsError, NotNowError, UnknownNameError
from voipnode.calls.events import CallChanged, CallState, Event, LineSettingsChanged, PortChanged, Problem
from voipnode.line import Line
from voipnode.settings import NodeSettings
from voipnode.store.settings_file import load_settings

PBX = {"name": "PBX", "type": "registered", "registrar": "127.0.0.1:9", "user_id": "100", "password": "secret"}
DESK = {"name": "PBX", "user_id": "100"}
AUTOMATIC = "Peer to peer (default)"


class Running:
    """A node on a settings file of its own."""

    def __init__(self, path: Path, node: Node) -> None:
        self.path = path
        self.node = node
        self.events: list[Event] = []
        self._more = asyncio.Event()
        node.bus.subscribe(Event, self._heard, who="test")

    def _heard(self, event: Event) -> None:
        self.events.append(event)
        self._more.set()

    async def event(self, wanted: Callable[[Event], bool]) -> Event:
        async with within(PATIENCE_S, "an event", lambda: str(self.events)):
            while True:
                for event in self.events:
                    if wanted(event):
                        return event
                self._more.clear()
                await self._more.wait()

    async def add(self, **settings: Any) -> str:
        return await self.node.commands.execute(AddAccount(settings=settings))

    async def change(self, account: str, **changes: Any) -> str:
        return await self.node.commands.execute(ChangeAccount(account=account, changes=changes))

    async def remove(self, account: str) -> str:
        return await self.node.commands.execute(RemoveAccount(account=account))

    def door(self) -> list[tuple[bool, str]]:
        """How the door moved since the start."""
        moves = [event for event in self.events if isinstance(event, PortChanged) and event.why != "start"]
        return [(event.active, event.why) for event in moves]

    @property
    def port(self) -> int:
        return load_settings(self.path, NodeSettings).sip.port

    @property
    def accounts(self) -> list[tuple[str, bool]]:
        """Those in use: (id, default)."""
        return [(each["id"], each["default"]) for each in self.node.about()["accounts"]]

    @property
    def stored(self) -> list[tuple[str, bool]]:
        """Those of the file."""
        return [(each.id, each.default) for each in load_settings(self.path, NodeSettings).all_accounts]

    def said(self) -> list[str]:
        return [event.detail for event in self.events if isinstance(event, LineSettingsChanged)]


def with_node(test: Callable[[Running], Awaitable[None]], folder: Path, more: str = "") -> None:
    @contextlib.asynccontextmanager
    async def running() -> AsyncIterator[Running]:
        path = folder / "voipnode.toml"
        path.write_text(
            f'# ours\n[audio]\ndevice = "simulated"\n[web]\nenabled = false\n{more}\n'
            f'[sip]\nhosts = ["127.0.0.1"]\nport = {free_port()}\nrtp_start_port = {rtp_range()}\n'
            "tls = { enabled = false }\n"
        )
        node = Node(load_settings(path, NodeSettings), folder / "state", path)
        await node.start()
        try:
            yield Running(path, node)
        finally:
            await node.stop()

    async def play() -> None:
        async with running() as node:
            await test(node)

    run_test(play())


def test_nobody_of_a_line_that_was_replaced_still_listens(tmp_path: Path) -> None:
    async def test(node: Running) -> None:
        listeners = len(node.node.bus._listeners)
        await node.add(**DESK)
        assert len(node.node.bus._listeners) == listeners

    with_node(test, tmp_path)


def test_an_account_is_added_beside_the_automatic_one_which_stays_the_default(tmp_path: Path) -> None:
    async def test(node: Running) -> None:
        assert await node.add(**PBX) == "PBX"
        assert node.accounts == node.stored == [(AUTOMATIC, True), ("PBX", False)]
        assert node.said() == ['"PBX" was added']
        assert node.path.read_text().startswith("# ours\n")
        assert 'password = "secret"' in node.path.read_text()
        assert "secret" not in str(node.node.about())

    with_node(test, tmp_path)


def test_names_need_not_differ_and_the_second_one_is_told_apart(tmp_path: Path) -> None:
    async def test(node: Running) -> None:
        assert await node.add(**DESK) == "PBX"
        assert await node.add(**DESK) == "PBX#2"
        assert await node.change("PBX#2", user_id="200") == "PBX#2"
        assert [each.user_id for each in load_settings(node.path, NodeSettings).accounts] == ["door", "100", "200"]

    with_node(test, tmp_path)


def test_exactly_one_is_the_default_and_it_cannot_go_while_there_are_others(tmp_path: Path) -> None:
    async def test(node: Running) -> None:
        await node.add(**DESK, default=True)
        assert node.accounts == node.stored == [(AUTOMATIC, False), ("PBX", True)]
        with pytest.raises(NotNowError, match='"PBX" is the default account; make another one the default first'):
            await node.remove("PBX")
        await node.change(AUTOMATIC, default=True)
        assert node.accounts == node.stored == [(AUTOMATIC, True), ("PBX", False)]
        await node.remove("PBX")
        await node.remove(AUTOMATIC)  # the last one of the file: it comes back by itself
        assert node.accounts == node.stored == [(AUTOMATIC, True)]
        with pytest.raises(NotNowError, match="there is no other"):
            await node.remove(AUTOMATIC)

    with_node(test, tmp_path)


def test_the_automatic_account_can_be_changed_too(tmp_path: Path) -> None:
    async def test(node: Running) -> None:
        assert await node.change(AUTOMATIC, user_id="gate", name="Direct") == "Direct"
        assert node.accounts == node.stored == [("Direct", True)]
        assert node.node.about()["sip_addresses"][0].startswith("sip:gate@")

    with_node(test, tmp_path)


def test_what_is_wrong_is_said_by_field_and_nothing_changes(tmp_path: Path) -> None:
    async def test(node: Running) -> None:
        before = node.path.read_bytes()
        with pytest.raises(FieldsError) as caught:
            await node.add(**PBX | {"transport": "udpp", "registrar": "a b"})
        assert [(key, value) for key, value, _ in caught.value.fields] == [("registrar", "a b"), ("transport", "udpp")]
        for wrong, key in (
            ({"portt": 1}, "portt"),
            ({"a.b": 1}, "a.b"),
            ({"certificate": "/no/such.pem"}, "certificate"),
        ):
            with pytest.raises(FieldsError) as caught:
                await node.change(AUTOMATIC, **wrong)
            assert caught.value.fields[0][0] == key
        with pytest.raises(
            UnknownNameError,
            match=f'account "X": no such account; there is "{AUTOMATIC}"'.replace("(", r"\(").replace(")", r"\)"),
        ):
            await node.change("X", active=False)
        with pytest.raises(CallError, match="not active"):
            await node.change(AUTOMATIC, active=False, default=True)
        assert node.path.read_bytes() == before
        assert node.accounts == [(AUTOMATIC, True)]

    with_node(test, tmp_path)


def test_an_account_that_a_button_calls_from_is_not_removed(tmp_path: Path) -> None:
    accounts = '[[accounts]]\nname = "A"\ndefault = true\n[[accounts]]\nname = "B"\n'
    more = f'{accounts}[[buttons]]\nname = "b"\naccount = "B"\ninput = "button"\n'

    async def test(node: Running) -> None:
        with pytest.raises(FieldsError, match=r'buttons\[0\].account: there is no such account; there is "A"'):
            await node.remove("B")
        assert node.accounts == node.stored == [("A", True), ("B", False)]

    with_node(test, tmp_path, more)


def test_a_password_of_a_proxy_that_is_not_sent_again_stays(tmp_path: Path) -> None:
    async def test(node: Running) -> None:
        proxy = {"address": "127.0.0.1:9", "user": "u", "password": "deep secret"}
        await node.add(**PBX, proxies=[proxy])
        await node.change("PBX", proxies=[{"address": "127.0.0.1:9", "user": "v"}, {"address": "127.0.0.1:10"}])
        known = load_settings(node.path, NodeSettings).accounts[1].proxies
        assert [(each.user, each.password.get_secret_value()) for each in known] == [("v", "deep secret"), ("", "")]

    with_node(test, tmp_path)


def test_a_change_waits_for_the_call_that_is_on(tmp_path: Path) -> None:
    async def test(node: Running) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
            phone.bind(("127.0.0.1", 0))
            phone.setblocking(False)
            port = phone.getsockname()[1]
            await node.node.commands.execute(PlaceCall(to=f"sip:desk@127.0.0.1:{port}"))
            invite = await asyncio.get_running_loop().sock_recv(phone, 65536)
            await node.add(**DESK)
            assert node.said() == ['"PBX" was added; in use once the call that is on is over']
            assert node.accounts == [(AUTOMATIC, True)]
            assert node.stored == [(AUTOMATIC, True), ("PBX", False)]
            phone.sendto(busy(invite), ("127.0.0.1", node.port))
            await node.event(lambda event: isinstance(event, LineSettingsChanged) and "now that" in event.detail)
            assert node.accounts == [(AUTOMATIC, True), ("PBX", False)]

    with_node(test, tmp_path)


def test_who_presses_while_the_line_is_opened_anew_is_heard_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goodbyes to servers that are dead take a second: the visitor's press must not fall into it."""
    closing, may_close, close = asyncio.Event(), asyncio.Event(), Line.close

    async def slowly(line: Line) -> None:
        closing.set()
        await may_close.wait()
        await close(line)

    async def test(node: Running) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
            phone.bind(("127.0.0.1", 0))
            phone.setblocking(False)
            monkeypatch.setattr(Line, "close", slowly)
            changing = asyncio.create_task(node.add(**DESK))
            await closing.wait()
            ring = RingRecipients(recipients=(f"sip:desk@127.0.0.1:{phone.getsockname()[1]}",))
            pressed = asyncio.create_task(node.node.commands.execute(ring))
            await asyncio.sleep(0)
            is_waiting = not pressed.done() and node.node.commands.taken_by(RingRecipients) == "line"
            may_close.set()
            assert is_waiting
            assert await changing == "PBX"
            assert await pressed
            invite = await asyncio.get_running_loop().sock_recv(phone, 65536)
            assert invite.startswith(b"INVITE ")
            phone.sendto(busy(invite), ("127.0.0.1", node.port))
            await node.event(lambda event: isinstance(event, CallChanged) and event.state is CallState.TERMINATED)

    with_node(test, tmp_path)


def busy(invite: bytes) -> bytes:
    """486 to an INVITE."""
    copied = (b"via:", b"from:", b"to:", b"call-id:", b"cseq:")
    lines = [line for line in invite.split(b"\r\n") if line.lower().startswith(copied)]
    tagged = [line + b";tag=desk" if line.lower().startswith(b"to:") else line for line in lines]
    return b"\r\n".join([b"SIP/2.0 486 Busy Here", *tagged, b"Content-Length: 0", b"", b""])


def test_a_file_that_cannot_be_written_is_said_and_nothing_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(node: Running) -> None:
        def full(path: Path, text: str) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("voipnode.settings_editor.write_settings", full)
        with pytest.raises(CallError, match="cannot be written: No space left on device; nothing was changed"):
            await node.add(**DESK)
        assert node.accounts == node.stored == [(AUTOMATIC, True)]

    with_node(test, tmp_path)


def test_the_file_is_read_again_on_demand(tmp_path: Path) -> None:
    async def test(node: Running) -> None:
        good = node.path.read_text()
        open_it = PulsePort(port="door", duration_s=60.0, who="test", how="test", authorised=True)
        await node.node.commands.execute(open_it)
        await node.node.reload()
        assert node.door() == [(True, "pulse")]  # nothing was new
        node.path.write_text('name = "Gate"\n[[accounts]]\nname = "Mine"\n' + good)
        await node.node.reload()
        assert node.accounts == [("Mine", True)]
        assert node.said() == ["accounts and SIP are as in the file"] * 2
        await node.event(lambda event: len(node.door()) == 2)
        await node.node.commands.execute(open_it)
        await node.change("Mine", caller_id="Gate")  # by the editor
        await node.event(lambda event: len(node.door()) == 4)
        assert node.door() == [(True, "pulse"), (False, "settings")] * 2
        problems = [event.detail for event in node.events if isinstance(event, Problem)]
        assert problems == ["changed in voipnode.toml, used from the next start on: name"]
        node.path.write_text('[[accounts]]\ntransport = "x"\n' + good)
        await node.node.reload()
        last = [event.detail for event in node.events if isinstance(event, Problem)][-1]
        assert last.startswith("the changed settings are not used: ")
        assert "accounts[0].transport" in last
        assert node.accounts == [("Mine", True)]

    with_node(test, tmp_path)
