"""Commands as a plug-in sees them: it takes those of its own kinds, and gives those that open nothing by themselves."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from voipnode.calls import commands
from voipnode.calls.commands import Command, PlaceCall, PressInput, PulsePort
from voipnode.calls.errors import CallError, FieldsError, NotNowError, UnknownNameError
from voipnode.calls.hooks import C, Commands, Handler, Subscription
from voipnode.plugins.faults import ANYTHING, Faults
from voipnode.plugins.patience import patiently

COMMAND_S = 10.0
MAX_COMMANDS = 32
MAX_ANSWER_CHARS = 64_000

# What a plug-in that may not open may ask for: to look, to report, to show, to play, to call, and for the door as a
# stranger does. No settings, no holders, nobody else's right to open.
FREE = frozenset(
    {
        commands.AnswerCall,
        commands.HangUp,
        commands.HidePage,
        commands.HoldCall,
        commands.ListClips,
        commands.ListReaders,
        commands.ListRecipients,
        commands.ListRules,
        commands.Locate,
        commands.PlaceCall,
        commands.PlayClip,
        commands.PressControlButton,
        commands.PressInput,
        commands.PublishMqtt,
        commands.PullTrigger,
        commands.PulsePort,
        commands.ReadCard,
        commands.ReadDetectors,
        commands.ReadDisplay,
        commands.ReadKeys,
        commands.ReadSignals,
        commands.ReadSound,
        commands.ReadSoundLevel,
        commands.ReleasePort,
        commands.ReportDetector,
        commands.ResumeCall,
        commands.SendDtmf,
        commands.SendTo,
        commands.ShowPage,
        commands.StartSignal,
        commands.StopClip,
        commands.StopSignal,
        commands.SwitchIndicator,
        commands.TestSpeaker,
    }
)


class FencedCommands(Commands):
    """`may_open`: it may ask for everything, as a module of ours does."""

    def __init__(self, house: Commands, name: str, faults: Faults, *, may_open: bool = False) -> None:
        super().__init__()
        self._house = house
        self._name = name
        self._faults = faults
        self._may_open = may_open
        self._own: dict[str, type[Command]] = {}
        self._places: list[Subscription] = []
        self._closed = False

    def close(self) -> None:
        """Have it carry out nothing more, and ask for nothing more."""
        self._closed = True
        for place in self._places:
            place.cancel()
        self._places, self._own = [], {}

    # -- to carry out

    def register(self, kind: type[C], handler: Handler[C], *, who: str = "") -> Subscription:
        """As `Commands.register`, for kinds of the plug-in's own; those of the node are refused (`CallError`)."""
        if self._closed:
            raise CallError(f"plug-in {self._name} is stopped")
        if not (isinstance(kind, type) and issubclass(kind, Command)):
            raise CallError(f"{kind!r} is no kind of Command")
        if kind is Command or kind.__module__.partition(".")[0] == "voipnode":
            raise CallError(f"{kind.__name__} is the node's own: a plug-in takes commands of its own kinds")
        if kind.__name__ in self._own or len(self._own) >= MAX_COMMANDS:
            raise CallError(f"{kind.__name__}: taken already, or more than {MAX_COMMANDS} commands")

        async def carry_out(command: Any) -> str:
            return await self._carried_out(kind.__name__, handler, command)

        place = self._house.register(kind, carry_out, who=self._faults.where)
        self._places.append(place)
        self._own[kind.__name__] = kind

        def cancel() -> None:
            place.cancel()
            self._own.pop(kind.__name__, None)

        return Subscription(cancel)

    async def _carried_out(self, name: str, handler: Handler[Any], command: Command) -> str:
        try:
            answer: Any = handler(command)
            if isinstance(answer, Awaitable):
                answer = await patiently(answer, COMMAND_S)
        except CallError:
            raise
        except TimeoutError:
            self._faults.tell(f"{name} was not carried out in {COMMAND_S:g} s")
            raise NotNowError(f"plug-in {self._name} gave no answer in {COMMAND_S:g} s") from None
        except ANYTHING as error:
            self._faults.raised(name, error)
            raise CallError(f"plug-in {self._name} failed") from error
        if answer is not None and not (isinstance(answer, str) and len(answer) <= MAX_ANSWER_CHARS):
            self._faults.tell(f"{name} answered with a {type(answer).__name__}, or too much; a text is right")
            return ""
        return answer or ""

    # -- to ask for

    async def execute(self, command: Command) -> str:
        """As `Commands.execute`; CallError for what a plug-in may not ask for."""
        if self._closed:
            raise CallError(f"plug-in {self._name} is stopped")
        if self._may_open or type(command).__module__.partition(".")[0] != "voipnode":
            return await self._house.execute(command)
        if type(command) not in FREE or (isinstance(command, PressInput) and command.recipients):
            raise CallError(f"{type(command).__name__}: only with {self._faults.where}.may_open = true")
        if isinstance(command, PulsePort | PlaceCall):
            command = replace(command, authorised=False)
        return await self._house.execute(command)

    def taken_by(self, kind: type[Command]) -> str:
        return self._house.taken_by(kind)

    @property
    def own(self) -> tuple[str, ...]:
        """The commands that it carries out, by name."""
        return tuple(sorted(self._own))

    async def ask(self, name: str, values: Mapping[str, Any]) -> str:
        """Have it carry out its command of that name with these values, from outside. Returns JSON or text as it
        answers. Raises UnknownNameError, FieldsError, CallError."""
        kind = self._own.get(name)
        if kind is None:
            there = ", ".join(self.own) or "none"
            raise UnknownNameError(f"plug-in {self._name} has no command {name[:64]!r}; it has {there}")
        try:
            command = TypeAdapter(kind).validate_python(json.loads(json.dumps(dict(values))))
        except ValidationError as error:
            wrong = [(str(each["loc"][0]) if each["loc"] else "", None, each["msg"]) for each in error.errors()]
            raise FieldsError(wrong) from None
        except Exception as error:
            self._faults.raised(f"making {name}", error)
            raise CallError(f"plug-in {self._name} failed") from error
        return await self._house.execute(command)
