"""Inputs and call buttons, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pydantic import ValidationError

from tests.support.virtual_loop import run_virtual, settle
from voipnode.calls.commands import PressInput, RingRecipients, SimulateInput
from voipnode.calls.errors import CallError, NotNowError, UnknownNameError
from voipnode.calls.events import CallChanged, CallReason, CallState, Event, InputChanged, InputTampered, Problem
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.modules.button.inputs import Contact, SimulatedInput
from voipnode.modules.button.module import DESCRIPTOR, ButtonModule
from voipnode.modules.button.settings import ButtonsSettings

E = TypeVar("E", bound=Event)
SETTINGS: dict[str, Any] = {
    "inputs": [
        *({"name": "bell"}, {"name": "contact", "normal_state": "closed"}, {"name": "spare"}),
        *({"name": "group"}, {"name": "hours"}, {"name": "off"}, {"name": "late"}),
        {"name": "loop", "supervised": {}},
    ],
    "buttons": [
        {"name": "front", "input": "bell", "recipients": ["sip:anna@192.0.2.1", "sip:192.0.2.2"], "account": "pbx"},
        {"name": "back", "input": "spare"},
        {"name": "group", "input": "group", "ring": "family", "fallback": "neighbour"},
        {"name": "hours", "input": "hours", "rings": [{"ring": "office", "schedule": "day"}, {"ring": "family"}]},
        {"name": "off", "input": "off", "recipients": ["sip:anna@192.0.2.1"], "enabled": False},
        {"name": "late", "input": "late", "fallback": "neighbour"},
        {"name": "loop", "input": "loop", "ring": "family"},
    ],
}

GPIO = {"driver": "gpiod", "chip": "/dev/gpiochip0", "line": 4}


class Scene:
    """A started button module; rings are kept and answered with call ids."""

    def __init__(self) -> None:
        self.house = House(Bus(asyncio.get_running_loop().time), Commands(), Path("/nonexistent"))
        self.events: list[Event] = []
        self.house.bus.subscribe(Event, self.events.append, who="test")
        self.rung: list[RingRecipients] = []
        self.house.commands.register(RingRecipients, self.ring, who="test")
        self.module = ButtonModule(self.house, ButtonsSettings.model_validate(SETTINGS))
        self.refuse = False
        self.fail_at_once = False

    def ring(self, command: RingRecipients) -> str:
        if self.refuse:
            raise NotNowError("no account is registered")
        self.rung.append(command)
        call = f"call-{len(self.rung)}"
        if self.fail_at_once:
            self.call(call, CallState.TERMINATED)
        return call

    def call(self, call: str, state: CallState) -> None:
        event = CallChanged(
            call=call, state=state, reason=CallReason.INITIATED, direction="outgoing", remote="sip:a", account=""
        )
        self.house.bus.publish(event)

    async def press(self, name: str, *recipients: str, source: str = "api") -> str:
        return await self.house.commands.execute(PressInput(input=name, recipients=recipients, source=source))

    def contact(self, name: str) -> SimulatedInput:
        driver = self.module.driver(name)
        assert isinstance(driver, SimulatedInput)
        return driver

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def inputs(self) -> list[tuple[float, str, bool, str]]:
        return [(e.at, e.input, e.active, e.source) for e in self.of(InputChanged)]


def play(scenario: Callable[[Scene], Awaitable[None]]) -> None:
    async def main() -> None:
        scene = Scene()
        await scene.module.start()
        await scenario(scene)
        await scene.module.stop()
        await scene.module.stop()

    run_virtual(main())


def test_a_press_rings_the_recipients_at_the_same_time() -> None:
    async def scenario(scene: Scene) -> None:
        assert await scene.press("bell", source="panel") == "call-1"
        assert scene.inputs() == [(0.0, "bell", True, "panel"), (0.0, "bell", False, "panel")]
        assert scene.rung == [
            RingRecipients(recipients=("sip:anna@192.0.2.1", "sip:192.0.2.2"), account="pbx", button="front")
        ]

    play(scenario)


@pytest.mark.parametrize(
    ("name", "wish"),
    [
        ("group", RingRecipients(button="group", plan="family", fallback="neighbour")),
        ("hours", RingRecipients(button="hours", rings=(("office", "day"), ("family", "")))),
        ("late", RingRecipients(button="late", fallback="neighbour")),
    ],
)
def test_a_button_rings_a_contact_or_group_by_name_or_by_schedule(name: str, wish: RingRecipients) -> None:
    async def scenario(scene: Scene) -> None:
        assert await scene.press(name) == "call-1"
        assert scene.rung == [wish]
        assert scene.of(Problem) == []
        scene.call("call-1", CallState.TERMINATED)
        await scene.press(name, "sip:bert@192.0.2.9")
        assert scene.rung[1] == RingRecipients(recipients=("sip:bert@192.0.2.9",), button=name)

    play(scenario)


def test_buttons_may_change_while_a_call_is_on() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.press("bell")
        changed = {**SETTINGS, "buttons": [{"name": "front", "input": "bell", "ring": "family"}]}
        scene.module.use(ButtonsSettings.model_validate(changed))
        assert await scene.press("bell") == "call-1", "the call is still the button's"
        assert await scene.press("spare") == "", "and the other input is no button any more"
        scene.call("call-1", CallState.TERMINATED)
        assert await scene.press("bell") == "call-2"
        assert scene.rung[1] == RingRecipients(button="front", plan="family")

    play(scenario)


def test_inputs_may_change_while_the_node_runs() -> None:
    async def scenario(scene: Scene) -> None:
        bell = scene.contact("bell")
        bell.set(closed=True)
        scene.contact("loop").put(Contact.CUT)
        await asyncio.sleep(1)
        told = len(scene.inputs())
        kept = [item for item in SETTINGS["inputs"] if item["name"] not in ("bell", "loop")]
        closed = {"name": "bell", "normal_state": "closed"}
        gone = {"name": "gone", **GPIO, "chip": "/dev/no-such-chip"}
        more = {"inputs": [*kept, closed, gone], "buttons": [{"name": "front", "input": "bell", "ring": "family"}]}
        contact = scene.contact("contact")
        scene.module.use(ButtonsSettings.model_validate(more))
        assert scene.contact("contact") is contact, "what has not changed is not touched"
        assert scene.inputs()[told:] == [(1.0, "bell", False, "settings")]
        assert [e.tampered for e in scene.of(InputTampered)] == [True, False]
        [problem] = scene.of(Problem)
        assert (problem.where, "it is not read until" in problem.detail) == ("button.gone", True)
        bell.set(closed=False)  # nobody listens to that one any more
        scene.contact("bell").set(closed=False)
        await asyncio.sleep(1)
        assert scene.inputs()[told + 1 :] == [(1.03, "bell", True, "hardware")]
        with pytest.raises(UnknownNameError):
            await scene.press("loop")

    play(scenario)


def test_a_button_that_is_off_rings_nobody_and_is_told_all_the_same() -> None:
    async def scenario(scene: Scene) -> None:
        assert await scene.press("off") == ""
        scene.contact("off").set(closed=True)
        await asyncio.sleep(1)
        assert (len(scene.inputs()), scene.rung, scene.of(Problem)) == (3, [], [])

    play(scenario)


def test_recipients_given_with_the_press_replace_the_buttons_own() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.press("bell", "sip:bert@192.0.2.9")
        await scene.press("spare", "sip:carl@192.0.2.9")
        await scene.press("contact", "sip:dora@192.0.2.9")  # an input without a button rings who is given
        assert [ring.recipients for ring in scene.rung] == [
            ("sip:bert@192.0.2.9",),
            ("sip:carl@192.0.2.9",),
            ("sip:dora@192.0.2.9",),
        ]

    play(scenario)


def test_a_button_without_recipients_says_what_to_set() -> None:
    async def scenario(scene: Scene) -> None:
        with pytest.raises(CallError, match='button "back" rings nobody: set recipients'):
            await scene.press("spare")
        scene.contact("spare").set(closed=True)
        await asyncio.sleep(1)
        assert [(e.where, "set recipients" in e.detail) for e in scene.of(Problem)] == [("button.spare", True)] * 2
        assert scene.rung == []

    play(scenario)


def test_an_input_that_is_no_button_only_tells() -> None:
    async def scenario(scene: Scene) -> None:
        assert await scene.press("contact") == ""
        assert (len(scene.inputs()), scene.rung, scene.of(Problem)) == (2, [], [])

    play(scenario)


def test_an_unknown_input_and_too_many_recipients_are_refused() -> None:
    async def scenario(scene: Scene) -> None:
        with pytest.raises(UnknownNameError, match="there are: bell, contact, group, hours, late, loop, off, spare"):
            await scene.press("cellar")
        with pytest.raises(CallError, match="at most 6"):
            await scene.press("bell", *(f"sip:{number}@192.0.2.1" for number in range(7)))
        assert scene.events == []

    play(scenario)


def test_a_call_that_is_ending_does_not_keep_the_button() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.press("bell")
        scene.call("call-1", CallState.TERMINATING)  # and the phone is dead, which takes 32 s to be sure of
        assert await scene.press("bell") == "call-2"
        scene.call("call-1", CallState.TERMINATED)
        assert await scene.press("bell") == "call-2"

    play(scenario)


@pytest.mark.parametrize("state", [CallState.CALLING, CallState.RINGING, CallState.ACTIVE])
def test_a_second_press_while_the_call_is_up_belongs_to_that_call(state: CallState) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.press("bell")
        scene.call("call-1", state)
        scene.call("call-7", CallState.TERMINATED)  # somebody else's
        assert await scene.press("bell") == "call-1"
        assert len(scene.rung) == 1
        assert len(scene.inputs()) == 4  # the input did change
        assert await scene.press("spare", "sip:other@192.0.2.3") == "call-2"  # another button is free
        scene.call("call-1", CallState.TERMINATED)
        assert await scene.press("bell") == "call-3"

    play(scenario)


def test_a_press_while_the_call_is_being_placed_is_ignored() -> None:
    async def scenario(scene: Scene) -> None:
        answers = await asyncio.gather(scene.press("bell"), scene.press("bell"), scene.press("bell"))
        assert set(answers) <= {"call-1", ""}
        assert len(scene.rung) == 1

    play(scenario)


def test_a_call_that_fails_while_it_is_placed_leaves_the_button_free() -> None:
    async def scenario(scene: Scene) -> None:
        scene.fail_at_once = True
        assert await scene.press("bell") == "call-1"
        assert await scene.press("bell") == "call-2"

    play(scenario)


def test_a_call_that_cannot_be_placed_leaves_the_button_free_and_is_told() -> None:
    async def scenario(scene: Scene) -> None:
        scene.refuse = True
        with pytest.raises(NotNowError):
            await scene.press("bell")
        scene.contact("bell").set(closed=True)
        await asyncio.sleep(1)
        assert [e.detail for e in scene.of(Problem)] == ["no account is registered"]
        scene.refuse = False
        assert await scene.press("bell") == "call-1"

    play(scenario)


def test_a_hand_on_the_button_is_debounced_and_rings_once() -> None:
    async def scenario(scene: Scene) -> None:
        contact = scene.contact("bell")
        for closed in (True, False, True, False, True):  # bounces for 20 ms
            contact.set(closed=closed)
            await asyncio.sleep(0.005)
        await asyncio.sleep(1)
        contact.set(closed=False)
        await asyncio.sleep(1)
        assert [(round(at, 6), *rest) for at, *rest in scene.inputs()] == [
            (0.05, "bell", True, "hardware"),  # 30 ms after the last bounce
            (1.055, "bell", False, "hardware"),
        ]
        assert len(scene.rung) == 1

    play(scenario)


def test_a_spike_shorter_than_the_debounce_time_never_happened() -> None:
    async def scenario(scene: Scene) -> None:
        scene.contact("bell").set(closed=True)
        await asyncio.sleep(0.029)
        scene.contact("bell").set(closed=False)
        await asyncio.sleep(1)
        assert (scene.inputs(), scene.rung) == ([], [])

    play(scenario)


def test_a_normally_closed_input_is_active_when_its_wire_is_cut() -> None:
    async def scenario(scene: Scene) -> None:
        scene.contact("contact").apply(None)
        await asyncio.sleep(1)
        assert scene.inputs() == [(0.03, "contact", True, "hardware")]

    play(scenario)


def test_a_supervised_input_tells_of_its_wires_and_is_not_active_meanwhile() -> None:
    async def scenario(scene: Scene) -> None:
        async def have(contact: str) -> None:
            assert await scene.house.commands.execute(SimulateInput(input="loop", contact=contact)) == contact
            await asyncio.sleep(1)

        for contact in ("closed", "cut", "short", "closed", "open", "closed"):
            await have(contact)
        told = [(e.at, e.tampered, e.why) for e in scene.of(InputTampered)]
        assert told == [(1.03, True, "cut"), (2.03, True, "short"), (3.03, False, "")]
        assert [(at, active) for at, _, active, _ in scene.inputs()] == [
            *((0.03, True), (1.03, False)),
            *((3.03, True), (4.03, False), (5.03, True)),
        ]
        scene.call("call-1", CallState.TERMINATED)
        assert len(scene.rung) == 1

    play(scenario)


def test_who_repairs_a_wire_has_pressed_no_button() -> None:
    async def scenario(scene: Scene) -> None:
        for contact in ("short", "closed"):
            await scene.house.commands.execute(SimulateInput(input="loop", contact=contact))
            await asyncio.sleep(1)
        assert [active for _, _, active, _ in scene.inputs()] == [True]
        assert scene.rung == []

    play(scenario)


def test_a_simulated_input_is_moved_by_its_voltage() -> None:
    async def scenario(scene: Scene) -> None:
        async def put(name: str, voltage_v: float | None) -> str:
            return await scene.house.commands.execute(SimulateInput(input=name, voltage_v=voltage_v))

        assert [await put("bell", volts) for volts in (0.4, None)] == ["closed", "open"]
        assert [await put("loop", volts) for volts in (0.4, 1.6, 2.3, None)] == ["short", "closed", "open", "cut"]
        with pytest.raises(CallError, match="is not supervised"):
            await scene.house.commands.execute(SimulateInput(input="bell", contact="cut"))
        with pytest.raises(CallError, match="write one of open, closed, cut, short"):
            await scene.house.commands.execute(SimulateInput(input="bell", contact="ajar"))

    play(scenario)


def test_a_button_that_is_stuck_at_start_is_told_but_rings_nobody() -> None:
    async def main() -> None:
        scene = Scene()
        scene.contact("bell").set(closed=True)
        await scene.module.start()
        await asyncio.sleep(5)
        assert (scene.inputs(), scene.rung) == ([(0.0, "bell", True, "hardware")], [])
        await scene.module.stop()
        scene.contact("bell").set(closed=False)
        await settle()
        assert len(scene.inputs()) == 1

    run_virtual(main())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"buttons": [{"name": "a", "input": "cellar"}]}, r'there is no input "cellar" \(\[\[inputs\]\] has: bell'),
        ({"buttons": [{"name": "a", "input": "bell"}, {"name": "b", "input": "bell"}]}, "input of a button"),
        ({"inputs": [{"name": "bell"}, {"name": "bell"}]}, 'input name "bell" is used twice'),
        ({"inputs": [{"name": "bell", "debounce_ms": 1001}]}, "less than or equal to 1000"),
        ({"inputs": [{"name": "bell", "pull": "up"}]}, "Extra inputs"),
        ({"inputs": [{"name": "bell", "driver": "gpiod", "chip": "/dev/gpiochip0"}]}, "needs line, such as chip = "),
        ({"inputs": [{"name": "bell", "driver": "adc"}]}, 'needs device, such as device = "/sys/bus/iio'),
        ({"inputs": [{"name": "bell", "bias": "pull_up"}]}, 'bias is for driver = "gpiod"'),
        ({"inputs": [{"name": "bell", **GPIO, "supervised": {}}]}, 'a supervised input needs driver = "adc"'),
        ({"inputs": [{"name": "a", **GPIO}, {"name": "b", **GPIO}]}, "two inputs read line 4 of /dev/gpiochip0"),
        ({"inputs": [{"name": "a", "supervised": {"resistor_ohm": 200}}]}, "differ by too little voltage"),
        ({"inputs": [{"name": "a", "supervised": {"resistor_ohm": 90000}}]}, "resistors about as large as the pull-up"),
        ({"buttons": [{"name": "a", "input": "bell", "recipients": ["sip:a"] * 7}]}, "at most 6"),
        ({"buttons": [{"name": "a", "input": "bell", "recipients": ["sip: a"]}]}, "pattern"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_words(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ButtonsSettings.model_validate({**SETTINGS, "buttons": [], **change})


def test_the_descriptor_builds_with_no_settings() -> None:
    house = House(Bus(lambda: 0.0), Commands(), Path("/nonexistent"))
    module = DESCRIPTOR.build(house, DESCRIPTOR.settings_type())

    async def main() -> None:
        await module.start()
        await module.stop()

    run_virtual(main())
