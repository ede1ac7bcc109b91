"""The button module: tells what the inputs do, and rings the recipients when a call button is pressed.

A visitor who presses again while the first call still rings or talks changes nothing: the press belongs to that call.
The button counts as free again when its call terminates: a phone that vanished may take half a minute to be given up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from voipnode.calls.commands import PressInput, RingRecipients, SimulateInput
from voipnode.calls.errors import CallError, UnknownNameError
from voipnode.calls.events import ButtonPressed, CallChanged, CallState, InputChanged, InputTampered, Problem
from voipnode.calls.hooks import House, ModuleDescriptor, Subscription, Tasks
from voipnode.modules.button.drivers import make_driver
from voipnode.modules.button.input import Input
from voipnode.modules.button.inputs import Contact, InputDriver, SimulatedInput
from voipnode.modules.button.settings import MAX_RECIPIENTS, ButtonSettings, ButtonsSettings, InputSettings

NAME = "button"


@dataclass(slots=True)
class Button:
    """A button and its call: `ringing_up` while the call is being placed, then `call` until it terminates."""

    settings: ButtonSettings
    ringing_up: bool = False
    call: str = ""


MakeDriver = Callable[[InputSettings], InputDriver]


class ButtonModule:
    """The inputs and buttons of `settings`; `make_driver` lets a test hold the contacts."""

    def __init__(
        self,
        house: House,
        settings: ButtonsSettings,
        make_driver: MakeDriver = make_driver,
    ) -> None:
        self._bus = house.bus
        self._commands = house.commands
        self._make_driver = make_driver
        self._inputs = {item.name: Input(item, make_driver(item), self) for item in settings.inputs}
        self._buttons = {button.input: Button(button) for button in settings.buttons}
        self._ended: set[str] = set()  # calls that ended while a button was still waiting to learn its call's id
        self._tasks = Tasks(NAME)
        self._places: list[Subscription] = []

    async def start(self) -> None:
        self._places = [
            self._bus.subscribe(CallChanged, self._call_changed, who=NAME),
            self._commands.register(PressInput, self.press, who=NAME),
            self._commands.register(SimulateInput, self.simulate, who=NAME),
        ]
        for item in self._inputs.values():
            item.start()

    async def stop(self) -> None:
        for place in self._places:
            place.cancel()
        self._places = []
        for item in self._inputs.values():
            item.stop()
        await self._tasks.close()

    def use(self, settings: ButtonsSettings) -> None:
        """Have these inputs and buttons from now on. A call stays with the button of its input."""
        before, self._buttons = self._buttons, {}
        for button in settings.buttons:
            found = self._buttons[button.input] = before.get(button.input) or Button(button)
            found.settings = button
        gone, self._inputs = self._inputs, {}
        for item in settings.inputs:
            known = gone.get(item.name)
            if known is not None and known.settings == item:
                self._inputs[item.name] = gone.pop(item.name)
        for known in gone.values():
            known.stop()
            if known.active:
                self._publish_input(known.name, False, "settings")
            if known.contact.tampered:
                self.input_tampered(known.name, "")
        for item in settings.inputs:
            if item.name not in self._inputs:
                self._begin(Input(item, self._make_driver(item), self))

    def _begin(self, item: Input) -> None:
        """Listen to a new input; one that cannot be read is told, and is as one that nobody touches."""
        self._inputs[item.name] = item
        try:
            item.start()
        except CallError as error:
            self._problem(item.name, f"{error}; it is not read until its settings are changed or the node starts again")

    def driver(self, name: str) -> InputDriver:
        """The driver of an input, for instance to move a simulated contact; raises `UnknownNameError`."""
        return self._input(name).driver

    async def press(self, command: PressInput) -> str:
        """Press and release an input by software; returns the id of the call, "" where no button is.

        Raises `UnknownNameError`, and `CallError` when there is nobody to ring or the call cannot be placed.
        """
        self._input(command.input)
        if len(command.recipients) > MAX_RECIPIENTS:
            raise CallError(f"{len(command.recipients)} recipients: at most {MAX_RECIPIENTS} ring at the same time")
        for active in (True, False):
            self._publish_input(command.input, active, command.source)
        self._tell_pressed(command.input, command.source)
        return await self._ring(command.input, command.recipients)

    def _input(self, name: str) -> Input:
        if name not in self._inputs:
            known = ", ".join(sorted(self._inputs)) or "none: add one under [[inputs]]"
            raise UnknownNameError(f"there is no input {name!r}; there are: {known}")
        return self._inputs[name]

    def simulate(self, command: SimulateInput) -> str:
        """Move a simulated input; returns what its contact is now. Raises `UnknownNameError` and `CallError`."""
        driver = self._input(command.input).driver
        if not isinstance(driver, SimulatedInput):
            raise CallError(f"input {command.input!r} is no simulated one: its contact has to be moved by hand")
        if not command.contact:
            driver.apply(command.voltage_v)
            return driver.contact.value
        if command.contact not in tuple(Contact):
            raise CallError(f"contact {command.contact!r}: write one of {', '.join(Contact)}")
        if Contact(command.contact).tampered and not driver.supervised:
            raise CallError(f"input {command.input!r} is not supervised: its contact is open or closed")
        driver.put(Contact(command.contact))
        return driver.contact.value

    # What inputs say (Listener)

    def input_changed(self, name: str, *, active: bool, pressed: bool) -> None:
        self._publish_input(name, active, "hardware")
        if pressed:
            self._tell_pressed(name, "hardware")
            self._tasks.start(self._ring_by_hand(name))

    def input_tampered(self, name: str, why: str) -> None:
        self._bus.publish(InputTampered(at=self._bus.clock(), input=name, tampered=bool(why), why=why))

    def input_troubled(self, name: str, detail: str) -> None:
        self._problem(name, detail)

    # Ringing

    async def _ring_by_hand(self, name: str) -> None:
        """A press on the wall: nobody is there to be told of an error but the maintainer."""
        nobody = self._nobody_to_ring(name)
        try:
            await self._ring(name, ())
        except CallError as error:
            if not nobody:  # that one has been told already
                self._problem(name, str(error))

    async def _ring(self, name: str, recipients: tuple[str, ...]) -> str:
        button = self._buttons.get(name)
        if button is None and not recipients:
            return ""  # an input that is no button: a door contact, a switch
        button = button or Button(ButtonSettings(name=name, input=name))
        if button.ringing_up or button.call:
            return button.call
        if not button.settings.enabled:
            return ""
        if not recipients and not button.settings.rings_somebody:
            problem = f'button "{button.settings.name}" rings nobody: set recipients or ring in its [[buttons]]'
            self._problem(name, problem)
            raise CallError(problem)
        button.ringing_up = True
        try:
            call = await self._commands.execute(_wish(button.settings, recipients))
            button.call = "" if call in self._ended else call
        finally:
            button.ringing_up = False
            if not any(other.ringing_up for other in self._buttons.values()):
                self._ended.clear()
        return call

    def _nobody_to_ring(self, name: str) -> bool:
        button = self._buttons.get(name)
        return button is not None and not button.settings.rings_somebody

    def _call_changed(self, event: CallChanged) -> None:
        if event.state not in (CallState.TERMINATING, CallState.TERMINATED):
            return
        for button in self._buttons.values():
            if button.call == event.call:
                button.call = ""
        if any(button.ringing_up for button in self._buttons.values()):
            self._ended.add(event.call)  # it may be the one that is being placed: it failed at once

    def _publish_input(self, name: str, active: bool, source: str) -> None:
        self._bus.publish(InputChanged(at=self._bus.clock(), input=name, active=active, source=source))

    def _tell_pressed(self, name: str, source: str) -> None:
        button = self._buttons.get(name)
        if button is not None:
            pressed = ButtonPressed(at=self._bus.clock(), button=button.settings.name, source=source)
            self._bus.publish(pressed)

    def _problem(self, name: str, detail: str) -> None:
        self._bus.publish(Problem(at=self._bus.clock(), where=f"{NAME}.{name}", detail=detail))


def _wish(button: ButtonSettings, recipients: tuple[str, ...]) -> RingRecipients:
    """Who is to ring: the button's own, or those named for this press."""
    if recipients:
        return RingRecipients(recipients=recipients, account=button.account, button=button.name)
    return RingRecipients(
        recipients=button.recipients,
        account=button.account,
        button=button.name,
        plan=button.ring,
        rings=tuple((choice.ring, choice.schedule) for choice in button.rings),
        fallback=button.fallback,
    )


def build(house: House, settings: ButtonsSettings) -> ButtonModule:
    return ButtonModule(house, settings)


DESCRIPTOR = ModuleDescriptor(NAME, ButtonsSettings, build)
