"""The DTMF module: digits open doors, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pydantic import ValidationError

from tests.support.virtual_loop import run_virtual, settle
from voipnode.calls.commands import PulsePort
from voipnode.calls.errors import CallError, NotNowError, UnknownNameError
from voipnode.calls.events import (
    CallChanged,
    CallReason,
    CallState,
    DtmfMatched,
    DtmfReceived,
    Event,
    ExchangeCallChanged,
    Problem,
)
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.modules.dtmf.module import DESCRIPTOR, MAX_CALLS, DtmfModule
from voipnode.modules.dtmf.settings import DtmfSettings

E = TypeVar("E", bound=Event)
DOOR: dict[str, Any] = {"sequence": "1", "name": "Unlock", "open": {"port": "door"}}


class Scene:
    """A started module; pulses are kept with their time, and refused with `error` if there is one."""

    def __init__(self, settings: DtmfSettings) -> None:
        self.clock = asyncio.get_running_loop().time
        self.house = House(Bus(self.clock), Commands(), Path("/nonexistent"))
        self.events: list[Event] = []
        self.house.bus.subscribe(Event, self.events.append, who="test")
        self.pulses: list[tuple[float, PulsePort]] = []
        self.error: CallError | None = None
        self.house.commands.register(PulsePort, self.pulse, who="test")
        self.module = DtmfModule(self.house, settings)

    def pulse(self, command: PulsePort) -> str:
        self.pulses.append((self.clock(), command))
        if self.error is not None:
            raise self.error
        return ""

    async def dial(self, digits: str, call: str = "c1", account: str = "", *, authorised: bool = True) -> None:
        for digit in digits:
            self.house.bus.publish(
                DtmfReceived(
                    call=call, digit=digit, road="rtp", account=account, remote="sip:anna@x", authorised=authorised
                )
            )
        await settle()

    def end(self, call: str, state: CallState = CallState.TERMINATED) -> None:
        self.house.bus.publish(
            CallChanged(
                call=call, state=state, reason=CallReason.TERMINATED, direction="outgoing", remote="sip:a", account=""
            )
        )

    def opened(self) -> list[tuple[float, str]]:
        return [(at, pulse.how) for at, pulse in self.pulses]

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]


class TwoLans(DtmfSettings):
    """A node with two peer-to-peer accounts."""

    @property
    def peer_to_peer_accounts(self) -> tuple[str, ...]:
        return ("lan 1", "lan 2")


def play(
    sequences: list[dict[str, Any]],
    scenario: Callable[[Scene], Awaitable[None]],
    kind: type[DtmfSettings] = DtmfSettings,
) -> None:
    async def main() -> None:
        scene = Scene(kind.model_validate({"dtmf": sequences}))
        await scene.module.start()
        await scenario(scene)
        await scene.module.stop()

    run_virtual(main())


def test_one_digit_opens_the_door_at_once_for_seven_seconds() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.dial("1")
        assert scene.pulses == [
            (0.0, PulsePort(port="door", duration_s=7.0, who="sip:anna@x", how='dtmf "1"', authorised=True))
        ]
        (matched,) = scene.of(DtmfMatched)
        assert (matched.call, matched.sequence, matched.label, matched.authorised) == ("c1", "1", "Unlock", True)

    play([DOOR], scenario)


def test_who_may_not_open_is_passed_on_as_such() -> None:
    async def scenario(scene: Scene) -> None:
        scene.error = NotNowError("not authorised")
        await scene.dial("1", authorised=False)
        assert [pulse.authorised for _, pulse in scene.pulses] == [False]
        assert scene.of(Problem) == []  # the relay tells of it as a refusal

    play([DOOR], scenario)


def test_digits_before_a_call_was_authorised_do_not_count_after() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.dial("12", authorised=False)
        await scene.dial("34", authorised=True)
        assert scene.pulses == []
        await scene.dial("1234", authorised=True)
        assert [pulse.authorised for _, pulse in scene.pulses] == [True]

    play([{**DOOR, "sequence": "1234"}], scenario)


def test_a_prefix_of_a_longer_sequence_waits_for_the_inter_digit_timeout() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.dial("1")
        assert scene.pulses == []
        await asyncio.sleep(10)
        await scene.dial("12")
        assert scene.opened() == [(3.0, 'dtmf "1"'), (10.0, 'dtmf "12"')]

    play([DOOR, {**DOOR, "sequence": "12"}], scenario)


def test_the_longer_sequences_own_timeout_counts() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.dial("1")
        await asyncio.sleep(10)
        assert scene.opened() == [(5.0, 'dtmf "1"')]

    play([{**DOOR, "digit_timeout_s": 30}, {**DOOR, "sequence": "12", "digit_timeout_s": 5}], scenario)


def test_every_digit_starts_the_timeout_anew() -> None:
    async def scenario(scene: Scene) -> None:
        for digit in "1234":
            await scene.dial(digit)
            await asyncio.sleep(2.9)
        ((opened_at, how),) = scene.opened()
        assert (round(opened_at, 6), how) == (8.7, 'dtmf "1234"')
        await scene.dial("12")
        await asyncio.sleep(3.1)
        await scene.dial("34")
        assert len(scene.pulses) == 1

    play([{**DOOR, "sequence": "1234"}], scenario)


@pytest.mark.parametrize("state", [CallState.TERMINATING, CallState.TERMINATED])
def test_the_digits_of_a_call_are_forgotten_when_it_ends(state: CallState) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.dial("1")
        scene.end("c1", state)
        await asyncio.sleep(10)  # the shorter sequence would have acted after 3 s
        await scene.dial("2")
        assert scene.pulses == []

    play([DOOR, {**DOOR, "sequence": "12"}], scenario)


def test_so_are_those_of_a_call_through_the_node() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.dial("1", call="x1")
        over = CallState.TERMINATED
        scene.house.bus.publish(
            ExchangeCallChanged(call="x1", state=over, reason=CallReason.TERMINATED, caller="101", callee="house")
        )
        await asyncio.sleep(10)
        assert scene.pulses == []

    play([DOOR, {**DOOR, "sequence": "12"}], scenario)


def test_calls_do_not_mix() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.dial("1", "c1")
        await scene.dial("2", "c2")
        assert scene.pulses == []
        await scene.dial("2", "c1")
        assert scene.opened() == [(0.0, 'dtmf "12"')]

    play([{**DOOR, "sequence": "12"}], scenario)


def test_of_too_many_calls_the_most_silent_one_is_forgotten() -> None:
    async def scenario(scene: Scene) -> None:
        for number in range(MAX_CALLS):
            await scene.dial("1", f"c{number}")
        await scene.dial("3", "c0")  # not the most silent any more
        await scene.dial("1", "one too many")
        await scene.dial("2", "c1")
        await scene.dial("12", "c0")
        assert len(scene.pulses) == 1

    play([{**DOOR, "sequence": "12"}], scenario)


def test_accounts_limit_who_may_use_a_sequence() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.dial("1", "c1", account="other")
        assert scene.pulses == []
        await scene.dial("1", "c2", account="pbx")
        assert len(scene.pulses) == 1

    play([{**DOOR, "accounts": ["pbx"]}], scenario)


def test_peer_to_peer_accounts_share_their_sequences() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.dial("1", "c1", account="lan 2")
        await scene.dial("1", "c2", account="pbx")
        assert len(scene.pulses) == 1

    play([{**DOOR, "accounts": ["lan 1"]}], scenario, TwoLans)


def test_a_sequence_without_action_is_an_event() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.dial("9")
        assert [e.label for e in scene.of(DtmfMatched)] == ["Show map"]
        assert scene.pulses == []

    play([{"sequence": "9", "name": "Show map"}], scenario)


def test_a_port_that_does_not_exist_is_a_problem_of_the_settings() -> None:
    async def scenario(scene: Scene) -> None:
        scene.error = UnknownNameError("there is no port 'door'; there are: gate")
        await scene.dial("1")
        (problem,) = scene.of(Problem)
        assert (problem.where, problem.detail) == (
            'dtmf "1"',
            "it opens nothing: there is no port 'door'; there are: gate",
        )

    play([DOOR], scenario)


def test_after_stop_digits_do_nothing() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.dial("1")
        await scene.module.stop()
        await scene.dial("2")
        await asyncio.sleep(10)
        assert scene.pulses == []

    play([DOOR, {**DOOR, "sequence": "12"}], scenario)


def test_letters_are_taken_in_either_case() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.dial("A#")
        await scene.dial("a#")
        assert scene.opened() == [(0.0, 'dtmf "A#"')] * 2

    play([{**DOOR, "sequence": "a#"}], scenario)


@pytest.mark.parametrize(
    ("sequences", "words"),
    [
        ([DOOR, {**DOOR, "name": "Gate"}], "\"1\" is used twice, by 'Unlock' and 'Gate'"),
        ([{**DOOR, "sequence": "a"}, {**DOOR, "sequence": "A"}], '"A" is used twice'),
        ([{**DOOR, "sequence": ""}], "pattern"),
        ([{**DOOR, "sequence": "1" * 17}], "pattern"),
        ([{**DOOR, "sequence": "12E"}], "pattern"),
        ([{**DOOR, "open": {"port": "door", "duration_s": 0}}], "greater than 0"),
        ([{**DOOR, "open": {}}], "Field required"),
        ([{**DOOR, "digit_timeout_s": 0.1}], "greater than or equal to 0.5"),
        ([{**DOOR, "close": True}], "Extra inputs"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_words(sequences: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        DtmfSettings.model_validate({"dtmf": sequences})


def test_the_descriptor_builds_with_no_settings() -> None:
    async def main() -> None:
        module = DESCRIPTOR.build(House(Bus(lambda: 0.0), Commands(), Path("/nonexistent")), DESCRIPTOR.settings_type())
        await module.start()
        await module.stop()

    run_virtual(main())
