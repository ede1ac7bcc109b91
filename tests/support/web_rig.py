"""A house with a door that answers commands by events, and the real web server before it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from tests.support.switchboard import RATE_HZ, Clock, Device
from voipnode.calls.commands import (
    AddAccount,
    AnswerCall,
    ChangeAccount,
    ChangeSound,
    Command,
    HangUp,
    HoldCall,
    PlaceCall,
    PressInput,
    ReadSound,
    RegisterAccount,
    RemoveAccount,
    ResumeCall,
    SendDtmf,
    SimulateInput,
    TransferCall,
)
from voipnode.calls.contacts.book import ContactBook
from voipnode.calls.contacts.desk import ContactDesk
from voipnode.calls.contacts.settings import ContactSettings
from voipnode.calls.door_bridge import DoorBridge
from voipnode.calls.errors import CallError, FieldsError, NotNowError, UnknownNameError
from voipnode.calls.events import (
    CallChanged,
    CallReason,
    CallState,
    DoorOpened,
    DtmfReceived,
    GuardianChanged,
    InputChanged,
    LightChanged,
    NodeStarted,
    PortChanged,
    SoundChanged,
)
from voipnode.calls.history.desk import HistoryDesk
from voipnode.calls.history.recorder import HistoryRecorder
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.calls.schedules.schedules import Schedules
from voipnode.clip_editor import ClipEditor
from voipnode.clip_stock import ClipStock
from voipnode.contact_editor import ContactEditor
from voipnode.list_editor import ListEditor
from voipnode.modules.rules.module import RulesModule
from voipnode.rule_editor import RuleEditor
from voipnode.settings import NodeSettings
from voipnode.settings_editor import SettingsEditor
from voipnode.store.history import HistoryStore
from voipnode.store.settings import StateSettings
from voipnode.store.settings_file import load_settings
from voipnode.web.server import WebServer
from voipnode.web.settings import WebSettings

DESK = "sip:desk@192.0.2.10"
ABOUT: dict[str, Any] = {
    "name": "Front door",
    "version": "0.1.0",
    "sip_addresses": ["sip:192.0.2.20:5060"],
    "audio": "simulated microphone and loudspeaker",
    "accounts": [
        {
            "id": "peer to peer",
            "name": "peer to peer",
            "type": "peer_to_peer",
            "user_id": "door",
            "default": True,
            "active": True,
        }
    ],
    "account_settings": {"peer to peer": {"name": "peer to peer", "active": True}},
    "account_schema": {
        "properties": {
            "name": {"type": "string", "default": "", "description": "For people."},
            "type": {"type": "string", "enum": ["peer_to_peer", "registered"], "default": "peer_to_peer"},
            "active": {"type": "boolean", "default": True},
            "user_id": {"type": "string", "default": "door"},
            "caller_id": {"type": "string", "default": ""},
            "domain": {"type": "string", "default": ""},
            "registrar": {"type": "string", "default": ""},
            "password": {"type": "string", "format": "password", "default": ""},
            "transport": {"type": "string", "enum": ["udp", "x"], "default": "udp"},
            "failback_s": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
            "codecs": {"type": "array", "items": {"type": "string"}, "default": ["a", "b"]},
            "proxies": {"type": "array", "items": {"$ref": "#/$defs/Proxy"}, "default": []},
        },
        "$defs": {
            "Proxy": {"type": "object", "properties": {"address": {"type": "string"}, "user": {"type": "string"}}}
        },
    },
    "contact_schema": ContactSettings.model_json_schema(),
    "inputs": ["button"],
    "input_settings": {"button": {}, "loop": {"normal_state": "closed", "supervised": True}},
    "port_settings": {"door": {"usage": "Door", "normal_state": "open"}},
}


SOUND: dict[str, Any] = {
    "input_enabled": True,
    "input_muted": False,
    "input_gain_db": 0.0,
    "output_muted": False,
    "output_gain_db": 0.0,
    "echo_cancellation": True,
    "noise_cancellation": True,
    "noise_reduction_db": 18.0,
    "automatic_gain_control": True,
    "target_dbfs": -20.0,
}
SOUND_NOW: dict[str, Any] = {
    "echo_cancellation": True,
    "noise_cancellation": True,
    "automatic_gain_control": True,
    "input_dbfs": -31.5,
    "input_peak_dbfs": -18.0,
    "far_dbfs": -24.0,
    "output_dbfs": -21.0,
    "noise_dbfs": -58.0,
    "speech_probability": 0.9,
    "erle_db": 32.0,
    "delay_ms": None,
    "drift_ppm": 12.0,
    "gain_db": 4.5,
    "limited_db": 0.0,
    "latency_ms": 10.0,
}
WithinCall = SendDtmf | HoldCall | ResumeCall | TransferCall


class FakeDoor:
    """Carries out the commands of the web by publishing what a node would; `now` is its clock."""

    def __init__(self, bus: Bus, commands: Commands) -> None:
        self.bus = bus
        self.seen: list[Command] = []
        self.calls: dict[str, CallChanged] = {}
        self._ids = (f"c{number}" for number in count(1))
        self.sound = SoundChanged(at=bus.clock(), **SOUND)
        commands.register(PressInput, self._press, who="door")
        commands.register(SimulateInput, self._simulate, who="door")
        commands.register(PlaceCall, self._place, who="door")
        commands.register(HangUp, self._hang_up, who="door")
        commands.register(AnswerCall, self._answer, who="door")
        commands.register(SendDtmf, self._within, who="door")
        commands.register(HoldCall, self._within, who="door")
        commands.register(ResumeCall, self._within, who="door")
        commands.register(TransferCall, self._within, who="door")
        commands.register(RegisterAccount, self._register, who="door")
        commands.register(AddAccount, self._add_account, who="door")
        commands.register(ChangeAccount, self._change_account, who="door")
        commands.register(RemoveAccount, self._change_account, who="door")
        commands.register(ChangeSound, self._change_sound, who="door")
        commands.register(ReadSound, lambda command: json.dumps(SOUND_NOW), who="door")

    def _add_account(self, command: AddAccount) -> str:
        self.seen.append(command)
        if command.settings.get("transport") == "x":
            raise FieldsError([("transport", "x", "udp is right")])
        return str(command.settings["name"])

    def _change_account(self, command: ChangeAccount | RemoveAccount) -> str:
        self.seen.append(command)
        if command.account == "nobody":
            raise UnknownNameError("there is no such account")
        return command.account

    def start(self) -> None:
        self.bus.publish(GuardianChanged(at=self.now, up=True, detail="1 line, simulated"))
        self.bus.publish(PortChanged(at=self.now, port="door", active=False, why="restart"))
        self.bus.publish(LightChanged(at=self.now, colour="off"))
        self.bus.publish(NodeStarted(at=self.now, version="0.1.0", previous="stopped cleanly"))

    @property
    def now(self) -> float:
        return self.bus.clock()

    def tell_sound(self) -> None:
        """A node with a telephone line does so when it starts."""
        self.bus.publish(self.sound)

    def _change_sound(self, command: ChangeSound) -> str:
        self.seen.append(command)
        given = {field.name: getattr(command, field.name) for field in fields(command)}
        if not -40 <= (command.input_gain_db or 0.0) <= 30:
            raise CallError(f"input_gain_db = {command.input_gain_db}: -40 to 30 is right")
        self.sound = replace(self.sound, at=self.now, **{k: v for k, v in given.items() if v is not None})
        self.tell_sound()
        return ""

    def ring_out(self, remote: str = DESK) -> str:
        call = next(self._ids)
        self.change(call, CallState.CALLING, CallReason.INITIATED, "outgoing", remote, light="amber")
        return call

    def ring_in(self, remote: str = DESK) -> str:
        call = next(self._ids)
        self.change(call, CallState.RINGING, CallReason.INITIATED, "incoming", remote, light="amber-flash")
        return call

    def picked_up(self, call: str, encryption: str = "", cipher: str = "") -> None:
        known = self.calls[call]
        self.change(
            call,
            CallState.ACTIVE,
            CallReason.ACCEPTED_BY_REMOTE,
            known.direction,
            known.remote,
            light="blue",
            encryption=encryption,
            cipher=cipher,
        )

    def open(self, call: str, duration_s: float = 7.0) -> None:
        """The far side presses 1: the door opens."""
        far = self.calls[call]
        self.bus.publish(
            DtmfReceived(at=self.now, call=call, digit="1", road="rtp", account="", remote=far.remote, authorised=True)
        )
        how = 'dtmf "1"'
        self.bus.publish(DoorOpened(at=self.now, port="door", who=far.remote, how=how, duration_s=duration_s))
        self.bus.publish(
            PortChanged(at=self.now, port="door", active=True, why="pulse", who=far.remote, how=how, until_s=duration_s)
        )
        self.bus.publish(LightChanged(at=self.now, colour="green"))

    def close(self) -> None:
        self.bus.publish(PortChanged(at=self.now, port="door", active=False, why="expired"))
        self.bus.publish(LightChanged(at=self.now, colour="blue"))

    def change(
        self,
        call: str,
        state: CallState,
        reason: CallReason,
        direction: str,
        remote: str,
        *,
        light: str,
        encryption: str = "",
        cipher: str = "",
    ) -> None:
        event = CallChanged(
            at=self.now,
            call=call,
            state=state,
            reason=reason,
            direction=direction,
            remote=remote,
            account="",
            encryption=encryption,
            cipher=cipher,
        )
        self.calls[call] = event
        self.bus.publish(event)
        self.bus.publish(LightChanged(at=self.now, colour=light))

    def _register(self, command: RegisterAccount) -> str:
        self.seen.append(command)
        if command.account != "PBX":
            raise UnknownNameError(f'account "{command.account}": no such active account; there is "PBX"')
        return ""

    def _simulate(self, command: SimulateInput) -> str:
        self.seen.append(command)
        return "cut"

    def _press(self, command: PressInput) -> str:
        self.seen.append(command)
        if command.input != "button":
            raise UnknownNameError(f"there is no input {command.input!r}; inputs are: button")
        if any(call.state is not CallState.TERMINATED for call in self.calls.values()):
            raise NotNowError("a call goes on already; hang it up first")
        for active in (True, False):
            self.bus.publish(InputChanged(at=self.now, input="button", active=active, source=command.source))
        return self.ring_out(command.recipients[0] if command.recipients else DESK)

    async def _place(self, command: PlaceCall) -> str:
        self.seen.append(command)
        if "@" not in command.to:
            raise CallError(f"to = {command.to!r}: not an address; use one such as {DESK}")
        return self.ring_out(command.to)

    def _known(self, command: HangUp | AnswerCall | WithinCall) -> CallChanged:
        self.seen.append(command)
        if command.call not in self.calls:
            raise UnknownNameError(f"there is no call {command.call!r}")
        return self.calls[command.call]

    async def _hang_up(self, command: HangUp) -> str:
        call = self._known(command)
        self.change(call.call, CallState.TERMINATED, CallReason.TERMINATED, call.direction, call.remote, light="off")
        return ""

    def _answer(self, command: AnswerCall) -> str:
        call = self._known(command)
        if call.direction != "incoming" or call.state is not CallState.RINGING:
            raise NotNowError(f"call {command.call!r} does not ring in")
        self.change(
            call.call, CallState.ACTIVE, CallReason.ACCEPTED_BY_DEVICE, call.direction, call.remote, light="blue"
        )
        return ""

    def _within(self, command: WithinCall) -> str:
        if self._known(command).state is not CallState.ACTIVE:
            raise NotNowError(f"call {command.call!r} is not active")
        return ""


class WebRig:
    """The server at `url` (on a free port) and the door behind it."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        loop = asyncio.get_running_loop()
        self.bus = Bus(loop.time)
        self.commands = Commands()
        self.about = dict(ABOUT)
        settings = WebSettings.model_construct(host=host, port=port)  # past its checks: port 0 is any free one
        self.server = WebServer(settings, House(self.bus, self.commands, Path("/nonexistent")), self.about)
        self.door = FakeDoor(self.bus, self.commands)

    def contacts(self, path: Path, text: str = "") -> ContactBook:
        """Contacts and groups of a settings file at `path`, with all that acts on them."""
        path.write_text(text)
        settings = load_settings(path, NodeSettings)
        book = ContactBook(settings.contacts, Schedules(settings.schedules))

        async def use(changed: NodeSettings) -> bool:
            book.replace(changed.contacts, Schedules(changed.schedules))
            return True

        editor = SettingsEditor(path, use, lambda: settings)
        ContactEditor(editor, self.bus).register(self.commands)
        ListEditor(editor, {"groups": "group"}).register(self.commands)
        ContactDesk(book, self.bus, self.commands, lambda: datetime.now(UTC)).register()
        return book

    async def rules(self, path: Path, text: str = "") -> RulesModule:
        """Rules of a settings file at `path`, with all that acts on them; for whoever asked to `stop`."""
        path.write_text(text)
        settings = load_settings(path, NodeSettings)
        module = RulesModule(House(self.bus, self.commands, path.parent), settings)

        async def use(changed: NodeSettings) -> bool:
            module.use(changed)
            return True

        RuleEditor(SettingsEditor(path, use, lambda: settings), self.bus).register(self.commands)
        await module.start()
        self.bus.publish(NodeStarted(at=self.bus.clock(), version="0.1.0"))
        return module

    def clips(self, path: Path, text: str = "") -> ClipStock:
        """Clips of a settings file at `path`, in the folder clips beside it, with all that acts on them."""
        path.write_text(text)
        stock = ClipStock(path.parent / "clips", RATE_HZ, self.bus)

        async def use(changed: NodeSettings) -> bool:
            stock.use(changed)
            return True

        settings = load_settings(path, NodeSettings)
        stock.start(DoorBridge(Device(), Clock()), self.commands)
        stock.use(settings)
        ClipEditor(SettingsEditor(path, use, lambda: settings), stock.library, self.bus).register(self.commands)
        return stock

    async def history(self, folder: Path) -> HistoryStore:
        """A call history in `folder`, written from what the door tells; for whoever asked to `stop`."""

        def utc_now() -> datetime:
            return datetime.now(UTC)

        store = HistoryStore(StateSettings(), folder, keep_days=90, max_calls=1000, on_problem=print, utc_now=utc_now)
        await store.start("")
        HistoryDesk(store, self.commands, 1000)
        HistoryRecorder(self.bus, store, "run", utc_now).start()
        return store

    def house(self, folder: Path) -> House:
        """For a module beside the door, with files in `folder`."""
        return House(self.bus, self.commands, folder)

    @property
    def url(self) -> str:
        return self.server.url.rstrip("/")


@asynccontextmanager
async def web_rig(host: str = "127.0.0.1") -> AsyncIterator[WebRig]:
    """A started rig; stopped at the end."""
    rig = WebRig(host)
    rig.door.start()
    await rig.server.start()
    try:
        yield rig
    finally:
        await rig.server.stop()
