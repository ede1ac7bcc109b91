"""The one place that wires the house: nobody imports it but the command line."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable

from voipnode import __version__
from voipnode.account_editor import AccountEditor, shown_settings
from voipnode.call_history import CallHistory
from voipnode.calls.account_settings import AccountSettings
from voipnode.calls.contacts.book import ContactBook
from voipnode.calls.contacts.desk import ContactDesk
from voipnode.calls.contacts.settings import ContactSettings
from voipnode.calls.door_measurement import DoorMeasurement
from voipnode.calls.door_microphone import DoorMicrophone
from voipnode.calls.errors import CallError
from voipnode.calls.events import (
    Event,
    LineSettingsChanged,
    NetworkChanged,
    NodeStarted,
    NodeStopping,
    Problem,
    RegistrationChanged,
    RegistrationState,
    SettingsChanged,
)
from voipnode.calls.hooks import Bus, Commands, House, ModuleDescriptor
from voipnode.calls.ringing.directory import Directory
from voipnode.calls.schedules.schedules import Schedules
from voipnode.calls.schedules.watch import ScheduleWatch
from voipnode.calls.siren import Siren
from voipnode.calls.vms.desk import VmsDesk
from voipnode.clip_editor import ClipEditor
from voipnode.clip_stock import ClipStock
from voipnode.contact_editor import ContactEditor
from voipnode.door import Door
from voipnode.image_editor import ImageEditor
from voipnode.line_keeper import LineKeeper
from voipnode.list_editor import ListEditor
from voipnode.modules.audio.door_recorder import DESCRIPTOR as RECORDINGS
from voipnode.modules.audio.module import make_device, recorded
from voipnode.modules.button.module import DESCRIPTOR as BUTTON
from voipnode.modules.control_button.module import DESCRIPTOR as CONTROL_BUTTON
from voipnode.modules.controller.module import DESCRIPTOR as CONTROLLER
from voipnode.modules.detectors.module import DESCRIPTOR as DETECTORS
from voipnode.modules.display.module import DESCRIPTOR as DISPLAY
from voipnode.modules.display.module import FOLDER as IMAGES_FOLDER
from voipnode.modules.dtmf.module import DESCRIPTOR as DTMF
from voipnode.modules.entry.holder import HolderFields
from voipnode.modules.entry.module import DESCRIPTOR as ENTRY
from voipnode.modules.light.module import DESCRIPTOR as LIGHT
from voipnode.modules.mqtt.module import DESCRIPTOR as MQTT
from voipnode.modules.reader.module import DESCRIPTOR as READER
from voipnode.modules.recipients.module import DESCRIPTOR as RECIPIENTS
from voipnode.modules.relay.history import previous_run
from voipnode.modules.relay.module import DESCRIPTOR as RELAY
from voipnode.modules.rules.module import DESCRIPTOR as RULES
from voipnode.modules.sound_level.module import DESCRIPTOR as SOUND_LEVEL
from voipnode.modules.speaker_test.module import DESCRIPTOR as SPEAKER_TEST
from voipnode.multicast import Multicast
from voipnode.net.clock import MediaClock
from voipnode.net.kernel_timer import ClockWatch, KernelTimer
from voipnode.net.network_watch import NetworkWatch
from voipnode.plugins.host import PluginHost
from voipnode.rule_editor import RuleEditor
from voipnode.section_editor import SectionEditor
from voipnode.settings import NodeSettings
from voipnode.settings_editor import SettingsEditor
from voipnode.sound_keeper import SoundKeeper
from voipnode.store.number_records import BINDINGS, DO_NOT_DISTURB, Kept, NumberRecords
from voipnode.store.problems import SettingsError
from voipnode.store.settings_file import load_settings
from voipnode.store.state import EventLog
from voipnode.store.state_dir import claim
from voipnode.web.server import WebServer

log = logging.getLogger(__name__)

# Before all else: the outputs are held, and in their normal state, before anything can ask for them; and rules and
# MQTT hear from the beginning how everything stands; the light shows that the node starts.
FIRST_MODULES = (RELAY, RULES, MQTT, LIGHT)
MODULES = (
    RECIPIENTS,
    CONTROLLER,
    ENTRY,
    DTMF,
    READER,  # before the inputs tell how they stand
    BUTTON,
    SOUND_LEVEL,
    RECORDINGS,
    SPEAKER_TEST,
    CONTROL_BUTTON,
    DISPLAY,
    DETECTORS,
)

# Of the settings, that commands change: what an entry is called.
LISTS = {
    "groups": "group",
    "schedules": "schedule",
    "signals": "profile",
    "pages": "page",
    "recipients": "recipient",
    "readers": "reader",
    "detectors": "detector",
    "ports": "output",
    "inputs": "input",
}
SECTIONS = ("controller",)  # of the settings, that commands change
CLIPS_FOLDER = "clips"  # in the state folder
SETTINGS_FILE = "voipnode.toml"  # in the state folder, where no other one is named
WHILE_IT_RUNS = {
    "sip",
    "accounts",
    "clips",
    "vms",
    "contacts",
    "groups",
    "buttons",
    "schedules",
    "multicast",
    "rules",
    "controller",
    "readers",
    "signals",
    "display",
    "pages",
    "images",
    "recipients",
    "detectors",
    "plugins",
    "ports",
    "inputs",
}  # parts of the settings that may change then


def utc_now() -> datetime:
    """The time of day."""
    return datetime.now(UTC)


class StartError(Exception):
    """The node cannot start; the message names the setting and says what would help."""


class _Part(Protocol):
    async def stop(self) -> None: ...


@runtime_checkable
class _Follower(Protocol):
    """A module that takes settings while it runs."""

    def use(self, settings: Any) -> None: ...


class Node:
    """The whole node. Make it in a running loop; `start` raises StartError, with nothing left running."""

    def __init__(self, settings: NodeSettings, state_dir: Path, settings_path: Path | None = None) -> None:
        self._settings_path = settings_path or state_dir / SETTINGS_FILE
        self._settings = settings
        self._seen = settings  # as the file had them last
        self._state_dir = state_dir
        self._lock: IO[bytes] | None = None
        self._started: list[_Part] = []
        self.bus = Bus(asyncio.get_running_loop().time)
        commands = Commands()
        device = make_device(settings.audio, settings.audio.rate_hz, self.bus, commands)
        microphone = DoorMicrophone(device, MediaClock(alarm=KernelTimer))
        self._device = recorded(microphone, settings.audio, self.bus)
        # On a clock of its own, which runs only where no call has the device: it measures with SIP off, too.
        disabled = "" if settings.audio.input_enabled else "audio.input_enabled = false"
        self._measurement = DoorMeasurement(self._device, MediaClock(alarm=KernelTimer), self.bus, disabled=disabled)
        heard = microphone if settings.audio.input_enabled else None
        vms = VmsDesk(self.bus.clock)
        self._log = EventLog(settings.state, state_dir, on_problem=self._store_problem)
        self._house = House(self.bus, commands, state_dir, self._measurement, heard, vms, self._log.flush)
        self._about: dict[str, Any] = {}
        self._clips = ClipStock(state_dir / CLIPS_FOLDER, self._device.rate_hz, self.bus)
        self._door = Door(
            self._device,
            self.bus,
            measurement=self._measurement,
            sound=settings.audio.front_end,
            clips=self._clips.library,
            vms=vms,
        )
        self._siren = Siren(self._door.bridge, self.bus)
        self._multicast = Multicast(self._door, self.bus, commands)
        schedules = Schedules(settings.schedules)
        self._watch = ScheduleWatch(schedules, self.bus, utc_now)
        self._clock_watch = ClockWatch(self._watch.look_again)
        self._network = NetworkWatch(self._network_changed)
        self._book = ContactBook(settings.contacts, schedules)
        self._history = CallHistory(
            settings, self._house, self._log.run_id, on_problem=self._store_problem, utc_now=utc_now
        )
        self._plugins = PluginHost(settings.plugins, self._house)
        self._followers: list[tuple[_Follower, type[Any]]] = []  # modules that other settings are for, while they run
        self._directory = Directory(self._book, settings.groups, settings.sip)
        self._bindings = self._remembered(BINDINGS)
        self._quiet = self._remembered(DO_NOT_DISTURB)
        self._keeper = LineKeeper(
            self._door,
            self._house,
            changed=self._line_changed,
            memory=self._bindings,
            quiet=self._quiet,
            directory=self._directory,
        )
        self._edits = asyncio.Lock()  # of the settings file
        self._sound = SoundKeeper(self._settings_path, self.bus, self._edits)

    async def start(self) -> None:
        """Start everything, doors first; raises StartError."""
        try:
            await self._start()
        except (StartError, CallError, OSError) as error:
            await self.stop()
            raise error if isinstance(error, StartError) else StartError(str(error)) from error

    async def _start(self) -> None:
        self._claim_state_dir()
        doors_before = previous_run(self._state_dir)  # asked before the relay module begins a new journal
        self.bus.subscribe(Event, self._write_down, who="log")
        # The web's picture of the house is drawn from events alone, so it listens before anything speaks.
        about: dict[str, Any] = {}
        web = WebServer(self._settings.web, self._house, about) if self._settings.web.enabled else None
        await self._log.start()
        self._started += [self._log, self._history]
        before = self._log.previous_run()
        await self._history.start(before.last_event_utc if before is not None else "")
        self._sound.start(self._settings.audio.front_end)
        self._started += [self._bindings, self._quiet, self._sound, self._clips, self._door, self._keeper]
        self._clips.start(self._door.bridge, self._house.commands)
        self._clips.use(self._settings)
        self._siren.register(self._house.commands)
        self._started.append(self._siren)
        await self._start_modules(FIRST_MODULES)
        self._door.open(self._house.commands)  # which tells how the sound is treated
        await self._keeper.open(self._settings)
        self._started.append(self._multicast)
        await self._multicast.use(self._settings.multicast)
        self._about = about
        about.update(self.about())
        editor = SettingsEditor(self._settings_path, self._use, lambda: self._keeper.settings, self._edits)
        AccountEditor(editor, self.bus).register(self._house.commands)
        ContactEditor(editor, self.bus).register(self._house.commands)
        RuleEditor(editor, self.bus).register(self._house.commands)
        ListEditor(editor, LISTS).register(self._house.commands)
        SectionEditor(editor, SECTIONS).register(self._house.commands)
        ClipEditor(editor, self._clips.library, self.bus).register(self._house.commands)
        ImageEditor(editor, self._state_dir / IMAGES_FOLDER).register(self._house.commands)
        ContactDesk(self._book, self.bus, self._house.commands, utc_now).register()
        await self._start_modules(MODULES)
        self._started += [self._watch, self._clock_watch, self._network]
        self._watch.start()
        self._clock_watch.start()
        self._network.start()
        if web is not None:
            self._started.append(web)
            await web.start()
        self._started.append(self._plugins)
        await self._plugins.start()
        self.bus.publish(NodeStarted(version=__version__, previous=self._before(doors_before)))

    async def _start_modules(self, descriptors: Sequence[ModuleDescriptor]) -> None:
        for descriptor in descriptors:
            module = descriptor.build(self._house, self._settings.of(descriptor.settings_type))
            self._started.append(module)
            await module.start()
            if isinstance(module, _Follower):
                self._followers.append((module, descriptor.settings_type))

    async def reload(self) -> None:
        """Read certificates, keys and the settings file again; what is wrong with them is told, and the old ones serve.

        Changed accounts and SIP settings are used at once, or after the call that is on; the door's gains and switches,
        whom the buttons ring, and the multicast sources, at once; others with the next start.
        """
        self._keeper.reload_certificates()
        if not self._settings_path.exists():
            return
        try:
            settings = await asyncio.to_thread(load_settings, self._settings_path, NodeSettings)
            used = await self._use(settings)
        except (SettingsError, CallError) as error:
            self.bus.publish(Problem(where="settings", detail=f"the changed settings are not used: {error}"))
            return
        sound = self._settings.audio.with_sound_of(settings.audio).front_end
        self._sound.start(sound)
        self._door.sound = sound
        await self._multicast.use(settings.multicast)
        fixed = settings.model_copy(update={"audio": settings.audio.with_sound_of(self._settings.audio)})
        waiting = [
            name for name, value in fixed if name not in WHILE_IT_RUNS and value != getattr(self._settings, name)
        ]
        if waiting:
            detail = f"changed in {self._settings_path.name}, used from the next start on: {', '.join(sorted(waiting))}"
            self.bus.publish(Problem(where="settings", detail=detail))
        detail = "accounts and SIP are as in the file" if used else "accounts and SIP change after the call that is on"
        self.bus.publish(LineSettingsChanged(detail=detail))

    async def _use(self, settings: NodeSettings) -> bool:
        """Be as the settings say, where that may change at run time; False: accounts and SIP once the call is over."""
        used = await self._keeper.change(settings)
        schedules = Schedules(settings.schedules)
        self._watch.replace(schedules)
        self._book.replace(settings.contacts, schedules)
        self._directory.replace(settings.groups, settings.sip)
        for module, kind in self._followers:
            module.use(settings.of(kind))
        self._clips.use(settings)
        self._plugins.use(settings.plugins)
        if changed := [name for name, value in settings if value != getattr(self._seen, name)]:
            self._seen = settings
            self._about.update(self.about())
            self.bus.publish(SettingsChanged(section=", ".join(sorted(changed))))
        return used

    def _line_changed(self) -> None:
        self._about.update(self.about())

    def _before(self, doors: str) -> str:
        """How the run before ended, in words: the node by state.db, the doors by the guardian's journal."""
        run = self._log.previous_run()
        if run is None and doors:
            return f"the event log knows of no run before: it is new or cannot be read; {doors}"
        return "; ".join(str(words) for words in (run, doors) if words)

    @property
    def commands(self) -> Commands:
        """What may be asked of the house."""
        return self._house.commands

    def about(self) -> dict[str, Any]:
        """What does not change while the node runs, for pages and greetings."""
        line = self._keeper.line
        accounts = self._keeper.accounts
        return {
            "name": self._settings.name,
            "version": __version__,
            "audio": self._device.description,
            "sip_addresses": line.addresses() if line is not None else [],
            "inputs": [item.name for item in self._seen.inputs],
            "input_settings": {
                item.name: {
                    "usage": item.usage,
                    "normal_state": item.normal_state,
                    "supervised": item.supervised is not None,
                }
                for item in self._seen.inputs
            },
            "port_settings": {
                port.name: {"usage": port.usage, "normal_state": port.normal_state} for port in self._seen.ports
            },
            "accounts": [
                {
                    "id": account.id,
                    "name": account.name,
                    "type": account.type,
                    "user_id": account.user_id,
                    "default": account.default,
                    "active": account.active,
                }
                for account in accounts
            ],
            "account_settings": {account.id: shown_settings(account) for account in accounts},
            "account_schema": AccountSettings.model_json_schema(),
            "contact_schema": ContactSettings.model_json_schema(),
            "holder_schema": HolderFields.model_json_schema(),
        }

    async def stop(self) -> None:
        """Stop everything, last started first; doors return to normal, what happened is on the disk."""
        if self._started:
            self.bus.publish(NodeStopping())
        while self._started:
            part = self._started.pop()
            try:
                await part.stop()
            except Exception:  # the edge: one part's failure must not keep the others, or a door, as they are
                log.exception("%s did not stop in order", type(part).__name__)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _claim_state_dir(self) -> None:
        try:
            self._lock = claim(self._state_dir)
        except BlockingIOError:
            raise StartError(f"--state-dir {self._state_dir}: another node is running there") from None
        except OSError as error:
            raise StartError(f"--state-dir {self._state_dir}: {error.strerror}; a writable folder is needed") from error

    def _write_down(self, event: Event) -> None:
        data = event.to_dict()
        self._log.append(event.name, data)
        is_bad = isinstance(event, Problem) or (
            isinstance(event, RegistrationChanged) and event.state is RegistrationState.PROBLEM
        )
        level = logging.WARNING if is_bad else logging.INFO
        words = " ".join(
            f"{key}={value}" for key, value in data.items() if key not in ("event", "at") and value not in ("", 0, 0.0)
        )
        log.log(level, "%s %s", event.name, words)

    def _remembered(self, kept: Kept) -> NumberRecords:
        return NumberRecords(self._settings.state, self._state_dir, kept, on_problem=self._store_problem)

    def _network_changed(self, addresses: tuple[str, ...], detail: str) -> None:
        self.bus.publish(NetworkChanged(addresses=addresses, detail=detail))

    def _store_problem(self, detail: str) -> None:
        self.bus.publish(Problem(where="state", detail=detail))
