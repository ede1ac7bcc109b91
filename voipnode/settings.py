"""The settings of the whole node: each room's and module's own type, put together.

Modules that own top-level lists (`[[ports]]`, `[[buttons]]`, `[[dtmf]]`) are bases of this type, so that their checks
run on the whole file; everything else is a section. Without a file, the defaults are a working node.
What one section says about another (a sequence opens a port, a button calls from an account) is checked here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from voipnode.calls.clips.settings import ClipsSettings, broken_clips
from voipnode.calls.contacts.checks import Named, broken_contacts, broken_names
from voipnode.calls.contacts.settings import MAX_CONTACTS, ContactSettings
from voipnode.calls.exchange.settings import SwitchSettings, broken_dial_plan
from voipnode.calls.history.settings import HistorySettings
from voipnode.calls.multicast.settings import MulticastSettings
from voipnode.calls.references import Broken, listed
from voipnode.calls.registrar.settings import MAX_EXTENSIONS, ExtensionSettings, clashing_extensions
from voipnode.calls.ringing.checks import broken_buttons, broken_groups, clashing_numbers
from voipnode.calls.ringing.settings import MAX_GROUPS, GroupSettings
from voipnode.calls.schedules.active import ALWAYS
from voipnode.calls.schedules.settings import MAX_SCHEDULES, ScheduleSettings, broken_schedules
from voipnode.calls.settings import AccountSettings, SipSettings, complete_accounts
from voipnode.calls.vms.ports import VMS_ACCOUNT
from voipnode.calls.vms.settings import VmsSettings
from voipnode.modules.audio.door_recorder import RecordingsSettings
from voipnode.modules.audio.settings import AudioSettings
from voipnode.modules.button.settings import ButtonSettings, ButtonsSettings, InputSettings
from voipnode.modules.control_button.settings import ControlButtonSettings
from voipnode.modules.controller.settings import ControllerSettings
from voipnode.modules.detectors.settings import DetectorsSettings
from voipnode.modules.display.settings import PagesSettings, broken_pages
from voipnode.modules.dtmf.settings import DtmfSettings, OpenAction, SequenceSettings
from voipnode.modules.entry.settings import EntrySettings
from voipnode.modules.light.settings import SignalsSettings
from voipnode.modules.mqtt.settings import MqttSettings
from voipnode.modules.reader.settings import ReadersSettings, broken_readers
from voipnode.modules.recipients.settings import CallRecipient, RecipientsSettings, broken_recipients
from voipnode.modules.relay.settings import PortSettings, RelaySettings
from voipnode.modules.rules.settings import RulesSettings, broken_rules
from voipnode.modules.sound_level.settings import SoundLevelSettings
from voipnode.modules.speaker_test.settings import SpeakerTestSettings
from voipnode.plugins.settings import PluginTables
from voipnode.store.settings import StateSettings
from voipnode.web.settings import WebSettings

DOOR_S = 7.0
Path = tuple[str | int, ...]


class LogSettings(BaseModel):
    """What the node writes to standard error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = Field(default="text", description="For people, or one JSON object a line.")


class NodeSettings(
    RelaySettings,
    ButtonsSettings,
    DtmfSettings,
    RulesSettings,
    RecipientsSettings,
    ReadersSettings,
    ClipsSettings,
    SignalsSettings,
    PagesSettings,
    DetectorsSettings,
):
    """voipnode.toml as a whole."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="Front door", min_length=1, max_length=64, description="The name plate.")
    sip: SipSettings = SipSettings()
    accounts: tuple[AccountSettings, ...] = Field(default=(), max_length=100)
    extensions: tuple[ExtensionSettings, ...] = Field(default=(), max_length=MAX_EXTENSIONS)
    switch: SwitchSettings = SwitchSettings()
    contacts: tuple[ContactSettings, ...] = Field(default=(), max_length=MAX_CONTACTS)
    groups: tuple[GroupSettings, ...] = Field(default=(), max_length=MAX_GROUPS)
    schedules: tuple[ScheduleSettings, ...] = Field(default=(), max_length=MAX_SCHEDULES)
    vms: VmsSettings = VmsSettings()
    audio: AudioSettings = AudioSettings()
    multicast: MulticastSettings = MulticastSettings()
    ports: tuple[PortSettings, ...] = Field(default=(PortSettings(name="door"),), max_length=32)
    inputs: tuple[InputSettings, ...] = Field(default=(InputSettings(name="button"),), max_length=32)
    buttons: tuple[ButtonSettings, ...] = Field(default=(ButtonSettings(name="button", input="button"),), max_length=32)
    dtmf: tuple[SequenceSettings, ...] = Field(
        default=(
            SequenceSettings(sequence="1", name="Open the door", open=OpenAction(port="door", duration_s=DOOR_S)),
        ),
        max_length=64,
    )
    entry: EntrySettings = EntrySettings()
    controller: ControllerSettings = ControllerSettings()
    control_button: ControlButtonSettings = ControlButtonSettings()
    sound_level: SoundLevelSettings = SoundLevelSettings()
    recordings: RecordingsSettings = RecordingsSettings()
    speaker_test: SpeakerTestSettings = SpeakerTestSettings()
    mqtt: MqttSettings = MqttSettings()
    plugins: PluginTables = Field(default_factory=dict, description="Modules of third parties, by name.")
    web: WebSettings = WebSettings()
    history: HistorySettings = HistorySettings()
    state: StateSettings = StateSettings()
    log: LogSettings = LogSettings()

    @property
    def all_accounts(self) -> tuple[AccountSettings, ...]:
        """The accounts with exactly one default; the automatic peer-to-peer one when none is set."""
        return complete_accounts(self.accounts)

    @property
    def peer_to_peer_accounts(self) -> tuple[str, ...]:
        """The names of the accounts that register nowhere."""
        return tuple(account.name for account in self.all_accounts if account.type == "peer_to_peer")

    @property
    def call_inputs(self) -> tuple[str, ...]:
        """The inputs that call buttons are wired to."""
        return tuple(button.input for button in self.buttons if button.enabled)

    @property
    def clip_users(self) -> tuple[tuple[Path, BaseModel], ...]:
        """The tables that name clips which calls play, and where they stand."""
        groups = ((("groups", index), group) for index, group in enumerate(self.groups))
        called = (
            (("recipients", index), each)
            for index, each in enumerate(self.recipients)
            if isinstance(each, CallRecipient)
        )
        return (("sip", "sounds"), self.sip.sounds), (("sip", "incoming"), self.sip.incoming), *groups, *called

    @property
    def names_for_rules(self) -> dict[str, tuple[str, ...]]:
        """What rules may name, by what it is; of other things they may name whatever they like."""
        accounts = self.all_accounts
        return {
            "account": (*dict.fromkeys(name for each in accounts for name in (each.name, each.id)), VMS_ACCOUNT.name),
            "button": tuple(button.name for button in self.buttons),
            "clip": tuple(clip.name for clip in self.clips),
            "contact or group": (*(each.name for each in self.contacts), *(each.name for each in self.groups)),
            "detector": tuple(each.name for each in self.detectors),
            "display page": tuple(page.name for page in self.all_pages),
            "extension": tuple(extension.number for extension in self.extensions),
            "input": tuple(item.name for item in self.inputs),
            "light profile": tuple(profile.name for profile in self.signals),
            "plug-in": tuple(self.plugins),
            "port": tuple(port.name for port in self.ports),
            "reader": tuple(reader.name for reader in self.readers),
            "recipient": tuple(recipient.name for recipient in self.recipients),
            "schedule": tuple(schedule.name for schedule in self.schedules if not schedule.pulse_every_s),
            "schedule with pulse_every_s": tuple(each.name for each in self.schedules if each.pulse_every_s),
            "subscription with on": tuple(each.name for each in self.mqtt.subscriptions if each.on),
            "subscription without on": tuple(each.name for each in self.mqtt.subscriptions if not each.on),
            "[[dtmf]] sequence": tuple(sequence.name for sequence in self.dtmf),
        }

    def of(self, kind: type[Any]) -> Any:
        """What a module with settings of `kind` is given: the whole, where its lists are top-level, or its section."""
        if isinstance(self, kind):
            return self
        return next(value for _, value in self if isinstance(value, kind))

    @model_validator(mode="before")
    @classmethod
    def _defaults_that_fit(cls, data: Any) -> Any:
        """The default button and sequence belong to the default input and port, and go when those are replaced."""
        if not isinstance(data, dict):
            return data
        fitting = dict(data)
        for part, whole, name in (("buttons", "inputs", "button"), ("dtmf", "ports", "door")):
            if part not in data and whole in data and not _has(data[whole], name):
                fitting[part] = ()
        if "entry" not in data and "ports" in data and not _has(data["ports"], "door"):
            fitting["entry"] = {"port": ""}
        _ring_clients(fitting)
        return fitting

    @model_validator(mode="after")
    def _references(self) -> Self:
        """Every name that one section uses of another must exist; all that do not are told at once, in their places."""
        problems = [
            InitErrorDetails(type=PydanticCustomError("reference", "{words}", {"words": words}), loc=path, input=value)
            for path, value, words in self._broken_references()
        ]
        if problems:
            raise ValidationError.from_exception_data("settings", problems)
        return self

    def _broken_references(self) -> Iterator[Broken]:
        try:
            names = {account.name for account in self.all_accounts}
        except ValueError as error:
            yield ("accounts",), None, str(error)
            return
        yield from self._unknown_accounts(names)
        yield from clashing_extensions(self.extensions, self.all_accounts, self.sip.access)
        yield from broken_dial_plan(
            self.switch,
            extensions=[extension.number for extension in self.extensions],
            groups=[group.name for group in self.groups],
            trunks=[account.name for account in self.all_accounts if account.registered],
            incoming=[account.incoming for account in self.accounts],
        )
        yield from broken_clips(self.clips, self.clip_users)
        yield from broken_schedules(self.schedules)
        schedules = [schedule.name for schedule in self.schedules if not schedule.pulse_every_s]
        quiet = self.sip.incoming.do_not_disturb
        if quiet not in ("", ALWAYS, *schedules):
            words = f'there is no such schedule; there is "{ALWAYS}", and [[schedules]] has {listed(schedules)}'
            yield ("sip", "incoming", "do_not_disturb"), quiet, words
        yield from broken_contacts(self.contacts, accounts=names, schedules=schedules)
        yield from self._broken_ringing(schedules)
        for index, sequence in enumerate(self.dtmf):
            if sequence.open is not None:
                yield from self._broken_pulse(("dtmf", index, "open"), sequence.open.port, sequence.open.duration_s)
        yield from broken_rules(self, self.names_for_rules, {port.name: port.max_pulse_s for port in self.ports})
        if not self.mqtt.clean_session and (opening := [rule.name for rule in self.rules if rule.opens_by_mqtt]):
            words = f'rule "{opening[0]}" would get what the broker kept while we are away, and a door would open late'
            yield ("mqtt", "clean_session"), False, words
        yield from broken_readers(self.readers, [item.name for item in self.inputs])
        parties = {contact.name for contact in self.contacts} | {group.name for group in self.groups}
        yield from broken_pages(self, parties=parties, inputs=[item.name for item in self.inputs])
        yield from broken_recipients(self.recipients, names)
        if self.entry.use_controller and self.controller.protocol == "none":
            yield ("entry", "use_controller"), True, "there is no door controller; controller.protocol names one"
        if self.entry.port:
            yield from self._broken_pulse(("entry",), self.entry.port, self.entry.duration_s)

    def _broken_pulse(self, where: Path, name: str, duration_s: float) -> Iterator[Broken]:
        """A pulse of a port that is not there, or does not take it."""
        port = next((port for port in self.ports if port.name == name), None)
        if port is None:
            words = f"there is no such port; [[ports]] has {listed([port.name for port in self.ports])}"
            yield (*where, "port"), name, words
        elif duration_s > port.max_pulse_s:
            words = f'port "{name}" is activated for at most {port.max_pulse_s:g} s (its max_pulse_s)'
            yield (*where, "duration_s"), duration_s, words

    def _broken_ringing(self, schedules: list[str]) -> Iterator[Broken]:
        """What groups and buttons say of whom they ring."""
        lists: dict[str, Sequence[Named]] = {"contacts": self.contacts, "groups": self.groups}
        yield from broken_names(lists)
        contacts = {contact.name for contact in self.contacts}
        extensions = [extension.number for extension in self.extensions]
        yield from clashing_numbers(lists, extensions)
        yield from broken_groups(self.groups, contacts=contacts, extensions=extensions)
        names = contacts | {group.name for group in self.groups}
        yield from broken_buttons(self.buttons, names=names, schedules=schedules)

    def _unknown_accounts(self, names: set[str]) -> Iterator[Broken]:
        used: list[tuple[Path, str]] = [
            (("buttons", i, "account"), button.account) for i, button in enumerate(self.buttons) if button.account
        ]
        used += [
            (("dtmf", i, "accounts", k), account)
            for i, item in enumerate(self.dtmf)
            for k, account in enumerate(item.accounts)
        ]
        for path, account in used:
            if account not in names:
                yield path, account, f"there is no such account; there is {listed(names)}"


def _ring_clients(data: dict[str, Any]) -> None:
    """Where clients answer by HTTP, a button that says nothing else rings them."""
    vms = data.get("vms")
    if not isinstance(vms, dict) or vms.get("enabled") is not True:
        return
    buttons = data.get("buttons", ({"name": "button", "input": "button"},))
    if isinstance(buttons, list | tuple):
        data["buttons"] = [
            {**button, "recipients": ["vms"]}
            if isinstance(button, dict) and not {"recipients", "ring", "rings"} & button.keys()
            else button
            for button in buttons
        ]


def _has(items: Any, name: str) -> bool:
    """Whether a list of tables, not yet checked, has one of that name."""
    return isinstance(items, list | tuple) and any(
        isinstance(item, dict) and item.get("name") == name for item in items
    )
