"""When a rule fires, and when it does not: states that last, moments, triggers, and what is turned round."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from voipnode.calls.events import (
    AccessGranted,
    ButtonPressed,
    CallChanged,
    CallHeld,
    CallReason,
    CallState,
    ClipChanged,
    ControlButtonPressed,
    ControllerChanged,
    DetectorChanged,
    DisplayChanged,
    DoNotDisturbChanged,
    DoorOpened,
    DoorRefused,
    DtmfMatched,
    Event,
    ExtensionChanged,
    InputChanged,
    InputTampered,
    LocateChanged,
    ManualTriggered,
    MessageWaitingChanged,
    MulticastChanged,
    NetworkChanged,
    NodeStarted,
    PortChanged,
    Problem,
    ReaderChanged,
    RecordingChanged,
    RegistrationChanged,
    RegistrationState,
    ScheduleChanged,
    SchedulePulse,
    SignalChanged,
    SoundLevelPassed,
    SpeakerState,
    SpeakerTestFinished,
    VirtualInputChanged,
)
from voipnode.modules.rules.conditions import Condition, Moment, Pulse, State
from voipnode.modules.rules.rule import Rule
from voipnode.modules.rules.settings import RuleSettings, RulesSettings
from voipnode.modules.rules.standing import LASTING

PULSE = {"do": "pulse", "port": "door"}


def rule(*conditions: dict[str, Any], **more: Any) -> Rule:
    return Rule(RuleSettings.model_validate({"name": "r", "conditions": conditions, "actions": [PULSE], **more}))


def call(state: CallState, *, call: str = "c1", direction: str = "incoming") -> CallChanged:
    return CallChanged(
        call=call, state=state, reason=CallReason.INITIATED, direction=direction, remote="sip:a@b", account="PBX"
    )


def schedule(active: bool, name: str = "day") -> ScheduleChanged:
    return ScheduleChanged(schedule=name, active=active)


def pressed(active: bool = True, name: str = "button") -> InputChanged:
    return InputChanged(input=name, active=active, source="test")


def digits(label: str = "Open", *, authorised: bool = True) -> DtmfMatched:
    return DtmfMatched(call="c1", sequence="1", label=label, account="PBX", remote="sip:a@b", authorised=authorised)


def fires(rule: Rule, *events: Event) -> list[bool]:
    return [rule.hear(event) is not None for event in events]


def test_a_state_fires_when_it_begins_and_not_while_it_lasts() -> None:
    told = fires(rule({"is": "input", "name": "button"}), pressed(), pressed(), pressed(False), pressed())
    assert told == [True, False, False, True]


def test_all_have_to_hold_and_the_last_one_starts_it() -> None:
    both = rule({"is": "input", "name": "button"}, {"is": "schedule", "name": "day"})
    assert fires(both, pressed(), schedule(True), pressed(False), pressed(), schedule(False), schedule(True)) == [
        False,
        True,
        False,
        True,
        False,
        True,
    ]


def test_as_a_trigger_only_the_first_starts_it() -> None:
    both = rule({"is": "input", "name": "button"}, {"is": "schedule", "name": "day"}, use_as_trigger=True)
    assert fires(both, pressed(), schedule(True), pressed(False), pressed()) == [False, False, False, True]


def test_turned_round_it_holds_until_it_is_so() -> None:
    night = rule({"is": "input", "name": "button"}, {"is": "schedule", "name": "day", "invert": True})
    assert fires(night, pressed(), pressed(False), schedule(True), pressed(), schedule(False)) == [
        True,
        False,
        False,
        False,
        True,
    ]


def test_what_is_turned_round_alone_fires_when_it_ceases_and_not_at_first() -> None:
    night = rule({"is": "schedule", "name": "day", "invert": True})
    assert fires(night, pressed(), schedule(False), schedule(True), schedule(False)) == [False, False, False, True]


def test_a_moment_fires_each_time_while_the_states_hold() -> None:
    at_night = rule({"is": "dtmf", "name": "Open"}, {"is": "schedule", "name": "day", "invert": True})
    assert fires(at_night, digits(), digits(), digits("Other"), schedule(True), digits()) == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert fires(at_night, schedule(False)) == [False]  # a moment is needed


def test_strangers_digits_are_no_digits() -> None:
    assert fires(rule({"is": "dtmf", "name": "Open"}), digits(authorised=False)) == [False]
    anybody = rule({"is": "dtmf", "name": "Open", "anybody": True}, actions=[{"do": "stop_clip"}])
    assert fires(anybody, digits(authorised=False)) == [True]


def test_one_of_several_calls_is_enough() -> None:
    ringing = rule({"is": "call", "states": ["Ringing"], "direction": "incoming"})
    assert fires(
        ringing,
        call(CallState.RINGING, direction="outgoing"),
        call(CallState.RINGING),
        call(CallState.RINGING, call="c2"),
        call(CallState.TERMINATED),
        call(CallState.RINGING, call="c3"),  # c2 rings yet
        call(CallState.ACTIVE, call="c2"),
        call(CallState.ACTIVE, call="c3"),
        call(CallState.RINGING, call="c4"),
    ) == [False, True, False, False, False, False, False, True]


def test_events_of_the_start_tell_and_do_not_fire() -> None:
    day = rule({"is": "schedule", "name": "day"})
    assert day.hear(schedule(True), may_fire=False) is None
    assert fires(day, schedule(True), schedule(False), schedule(True)) == [False, False, True]


@pytest.mark.parametrize(
    ("condition", "event"),
    [
        ({"is": "port", "name": "door"}, PortChanged(port="door", active=True, why="pulse")),
        ({"is": "clip"}, ClipChanged(clip="Welcome", playing=True, to="door")),
        ({"is": "clip", "name": "Welcome"}, ClipChanged(clip="Welcome", playing=True, to="door")),
        (
            {"is": "multicast", "source": "Fire"},
            MulticastChanged(
                source="Fire", state="playing", priority=1, sender="10.0.0.1", codec="PCMU", encrypted=False
            ),
        ),
        ({"is": "sound_level"}, SoundLevelPassed(above=True, level=60, threshold=50, level_dbfs=-20.0)),
        (
            {"is": "registered", "account": "PBX"},
            RegistrationChanged(account="PBX", id="PBX", state=RegistrationState.REGISTERED),
        ),
        (
            {"is": "call_ended", "reasons": ["NoAnswer"]},
            CallChanged(
                call="c1",
                state=CallState.TERMINATED,
                reason=CallReason.NO_ANSWER,
                direction="outgoing",
                remote="sip:a@b",
                account="PBX",
            ),
        ),
        (
            {"is": "access_granted", "condition": "Cleaner"},
            AccessGranted(reader="front", holder="Ann", by="pin", conditions=("Cleaner",)),
        ),
        (
            {"is": "access_granted", "duress": True},
            AccessGranted(reader="front", holder="Ann", by="pin", conditions=("x",), duress=True),
        ),
        (
            {"is": "speaker_test", "result": "Failed"},
            SpeakerTestFinished(state=SpeakerState.FAILED, verdict="weak", words="", trigger="schedule", runs=1),
        ),
        ({"is": "trigger", "name": "Locate"}, ManualTriggered(trigger="Locate", source="api")),
        ({"is": "pulse", "every_s": 60}, Pulse(every_s=60.0)),
        ({"is": "schedule_pulse", "name": "hourly"}, SchedulePulse(schedule="hourly")),
        ({"is": "tampered", "name": "contact"}, InputTampered(input="contact", tampered=True, why="cut")),
        ({"is": "tampered"}, ReaderChanged(reader="front", state="connected", tampered=True)),
        ({"is": "reader", "name": "front"}, ReaderChanged(reader="front", state="connected")),
        (
            {"is": "detector", "notices": "shock"},
            DetectorChanged(detector="wall", kind="shock", active=True, source="api"),
        ),
        ({"is": "started"}, NodeStarted(version="1")),
        ({"is": "controller"}, ControllerChanged(protocol="osdp", state="connected")),
        ({"is": "mailbox", "account": "PBX"}, MessageWaitingChanged(account="PBX", id="PBX", waiting=True, new=1)),
        ({"is": "door_refused"}, DoorRefused(port="door", who="sip:a@b", how='dtmf "1"', why="not authorised")),
        ({"is": "network"}, NetworkChanged(addresses=("192.0.2.7",))),
        ({"is": "address_changed"}, NetworkChanged(addresses=())),
        (
            {"is": "extension", "number": "101"},
            ExtensionChanged(number="101", display_name="", devices=({"contact": "sip:101@192.0.2.8"},)),
        ),
        ({"is": "button", "name": "bell"}, ButtonPressed(button="bell", source="hardware")),
        ({"is": "control_button", "held_s": 5}, ControlButtonPressed(held_s=6.0, source="api")),
        ({"is": "page", "name": "map"}, DisplayChanged(page="map", for_s=30.0)),
        ({"is": "signal"}, SignalChanged(profile="Fire", priority=9)),
        ({"is": "located"}, LocateChanged(on=True, for_s=60.0)),
        ({"is": "recording"}, RecordingChanged(on=True, file="a.wav")),
        ({"is": "virtual_input", "name": "holiday"}, VirtualInputChanged(input="holiday", active=True, source="api")),
        ({"is": "do_not_disturb"}, DoNotDisturbChanged(extension="", on=True)),
        ({"is": "on_hold"}, CallHeld(call="c1", held=True, by="here")),
        (
            {"is": "door_opened", "port": "door"},
            DoorOpened(port="door", who="sip:a@b", how='dtmf "1"', duration_s=7.0),
        ),
        ({"is": "problem", "where": "state"}, Problem(where="state", detail="the disk is full")),
        ({"is": "problem", "where": "relay"}, Problem(where="relay.door", detail="lost")),
        (
            {"is": "call", "account": "VMS"},
            CallChanged(
                call="c1",
                state=CallState.ACTIVE,
                reason=CallReason.ACCEPTED_BY_REMOTE,
                direction="outgoing",
                remote="a client",
                account="VMS",
            ),
        ),
    ],
)
def test_each_condition_hears_its_event_and_no_other(condition: dict[str, Any], event: Event) -> None:
    one = rule(condition, actions=[{"do": "release", "port": "door"}])
    others = (schedule(True, "none"), pressed(name="other"), digits("other"), Problem(where="mqtt", detail="x"))
    assert fires(one, *others) == [False] * 4
    assert fires(one, event) == [True]


def test_why_it_does_not_fire_is_said_in_words() -> None:
    both = rule({"is": "dtmf", "name": "Open"}, {"is": "schedule", "name": "day", "invert": True})
    assert both.missing() == ""
    both.hear(schedule(True))
    assert both.missing() == 'does not hold: not: schedule "day" is active'
    assert both.explain() == [
        {"condition": 'the digits of "Open" came', "holds": None},
        {"condition": 'not: schedule "day" is active', "holds": False},
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"conditions": [{"is": "trigger", "name": "a"}, {"is": "call_ended"}]}, "conditions 1 and 2 are moments"),
        (
            {"conditions": [{"is": "sound_level"}, {"is": "call_ended"}], "use_as_trigger": True},
            "condition 2 is a moment",
        ),
        ({"actions": [{"do": "answer"}]}, 'a condition "call" or "dtmf" is needed'),
        ({"actions": [PULSE, {"do": "wait", "for_s": 3}]}, "nothing comes after it"),
        ({"conditions": [{"is": "dtmf", "name": "Open", "anybody": True}]}, "must not move an output"),
        (
            {
                "conditions": [{"is": "dtmf", "name": "Open", "anybody": True}],
                "actions": [{"do": "set_input", "name": "way in"}],
            },
            "nor an input by which another rule may",
        ),
        (
            {
                "conditions": [{"is": "dtmf", "name": "Open", "anybody": True}],
                "actions": [{"do": "press", "input": "exit"}],
            },
            "nor an input by which another rule may",
        ),
        ({"conditions": [{"is": "weather"}]}, "'call', 'schedule'"),
        ({"actions": [{"do": "explode"}]}, "'wait', 'pulse'"),
        (
            {"actions": [{"do": "show_page", "page": "map", "while_active": True}]},
            'the action "show_page" is to last while the rule is active, which it is for no time',
        ),
        ({"conditions": [{"is": "started"}]}, "a start must move no output"),
        ({"actions": [{"do": "ring"}]}, "either a contact or group (to) or addresses"),
        ({"conditions": []}, "at least 1"),
        ({"again": "perhaps"}, "skip"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_in_words(changes: dict[str, Any], words: str) -> None:
    whole = {"name": "r", "conditions": [{"is": "trigger", "name": "a"}], "actions": [PULSE], **changes}
    with pytest.raises(ValidationError) as told:
        RuleSettings.model_validate(whole)
    assert words in str(told.value)


def test_two_of_one_name_are_refused() -> None:
    one = {"name": "r", "conditions": [{"is": "trigger", "name": "a"}], "actions": [PULSE]}
    with pytest.raises(ValidationError, match='the rule name "r" is used twice'):
        RulesSettings.model_validate({"rules": [one, one]})


def test_a_wait_is_written_as_on_a_clock() -> None:
    waits = [{"do": "wait", "for_s": wait} for wait in ("00:01:30", "2:05", 7)]
    actions = rule({"is": "trigger", "name": "a"}, actions=[*waits, PULSE]).settings.actions
    assert [getattr(action, "for_s", None) for action in actions] == [90, 125, 7, None]


def test_a_condition_hears_of_all_that_it_asks_about_and_a_state_is_remembered() -> None:
    kinds = [each for each in get_args(get_args(Condition)[0]) if issubclass(each, Moment | State)]
    assert len(kinds) >= 36
    for kind in kinds:
        assert kind.heard, kind
        if issubclass(kind, State):
            assert set(kind.heard) <= set(LASTING), f"{kind}: a rule made while the node runs does not know how it is"
