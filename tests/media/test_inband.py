"""Digits as sound between a leg and the bridge: told once each, and never when they are our own come back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.support.keypad import DIGITS, Press, Sound, dial, frames, heard
from voipnode.media.errors import LocalError
from voipnode.media.events import DigitEchoed, DigitEnded, DigitStarted, MediaEvent
from voipnode.media.inband import InbandDigits

RATE_HZ = 8000
SLOW = Press(on_ms=100.0, off_ms=100.0)
At = Callable[[int, InbandDigits, float], None]


def quiet(seconds: float, rate_hz: int = RATE_HZ) -> Sound:
    return np.zeros(int(seconds * rate_hz), np.float32)


def keys(digits: str, press: Press = SLOW) -> Sound:
    return dial(digits, press, np.random.default_rng(5))


def talk(
    far: Sound, door: Sound | None = None, *, leg: InbandDigits | None = None, at: At | None = None
) -> list[MediaEvent]:
    """Both sides speak, 10 ms after 10 ms; what the leg tells."""
    leg = leg or InbandDigits(RATE_HZ)
    door = quiet(len(far) / RATE_HZ) if door is None else door
    told: list[MediaEvent] = []
    for number, (heard_frame, said) in enumerate(zip(frames(far, RATE_HZ), frames(door, RATE_HZ), strict=False)):
        now = number / 100
        if at is not None:
            at(number, leg, now)
        leg.hear(heard_frame, now)
        leg.say(said)
        while (event := leg.next_event()) is not None:
            told.append(event)
    return told


def digits(told: list[MediaEvent]) -> str:
    return "".join(event.digit for event in told if isinstance(event, DigitStarted))


def later(sound: Sound, seconds: float, gain: float = 0.5) -> Sound:
    """As it comes back from the far side's microphone."""
    return np.concatenate((quiet(seconds), sound * gain)).astype(np.float32)


def test_every_key_is_told_with_its_beginning_and_its_length() -> None:
    told = talk(keys(DIGITS))
    assert digits(told) == DIGITS
    assert {event.road for event in told if isinstance(event, DigitStarted | DigitEnded)} == {"inband"}
    assert [event.duration_ms for event in told if isinstance(event, DigitEnded)] == pytest.approx([100.0] * 16, abs=20)


def test_equal_keys_pressed_twice_are_two() -> None:
    assert digits(talk(keys("1122"))) == "1122"


@pytest.mark.parametrize("delay_s", [0.05, 0.1, 0.3, 0.7, 1.2, 1.8])
@pytest.mark.parametrize("gain", [0.05, 0.5, 1.0])
def test_what_the_door_s_microphone_carried_comes_back_as_nothing(delay_s: float, gain: float) -> None:
    visitor = keys("1", Press(on_ms=300.0))
    echo = later(visitor, delay_s, gain)
    told = talk(np.concatenate((echo, quiet(2.0))), np.concatenate((visitor, quiet(4.0))))
    assert digits(told) == ""
    assert [type(event) for event in told] == [DigitEchoed]


@pytest.mark.parametrize("delay_s", [0.1, 0.6])
def test_a_whole_code_of_a_visitor_opens_nothing_however_he_hides_it(delay_s: float) -> None:
    """In noise as loud as the tones, which the far side's telephone takes away before it sends them back."""
    visitor = keys("1590*#" * 3, Press(on_ms=60.0, off_ms=60.0))
    hidden = (visitor + np.random.default_rng(6).normal(0, 0.3, len(visitor))).astype(np.float32)
    told = talk(np.concatenate((later(visitor, delay_s), quiet(1.0))), np.concatenate((hidden, quiet(2.0))))
    assert digits(told) == ""
    assert len(told) == 18


def test_a_visitor_s_tone_blocks_only_its_own_digit_and_only_for_a_while() -> None:
    visitor = np.concatenate((keys("1", Press(on_ms=200.0)), quiet(6.0)))
    resident = np.concatenate((quiet(0.6), keys("2"), keys("1"), quiet(2.2), keys("1")))
    told = talk(resident, visitor)
    assert digits(told) == "21"
    assert [event.digit for event in told if isinstance(event, DigitEchoed)] == ["1"]


@pytest.mark.parametrize("delay_s", [0.0, 0.01, 0.03, 0.1, 0.3])
def test_a_press_that_the_door_s_loudspeaker_gives_back_to_its_microphone_counts(delay_s: float) -> None:
    """The door's echo of a resident's tone follows the tone; only what went before it can be its cause."""
    resident = np.concatenate((keys("115"), quiet(1.0)))
    assert digits(talk(resident, later(resident, delay_s)[: len(resident)])) == "115"


def test_a_digit_that_we_sent_may_come_back_and_is_none() -> None:
    leg = InbandDigits(RATE_HZ)

    def dial_out(number: int, leg: InbandDigits, now: float) -> None:
        if number == 0:
            leg.sent("9", 24)

    echo = np.concatenate((quiet(1.0), keys("9"), quiet(2.0), keys("9")))
    assert digits(talk(echo, leg=leg, at=dial_out)) == "9", "the second one is nobody's but the far side's"


def test_during_a_telephone_event_and_shortly_after_tones_are_not_heard() -> None:
    """The jitter buffer mutes a telephone event's tone; its head and its tail may be left."""

    def event(number: int, leg: InbandDigits, now: float) -> None:
        if number == 20:
            leg.hush()
        if number == 60:
            leg.unhush(now)

    head_and_tail = np.concatenate((quiet(0.25), keys("1"), quiet(0.2), keys("1"), quiet(1.0), keys("2")))
    assert digits(talk(head_and_tail, at=event)) == "2"


def test_after_a_change_of_rate_nothing_counts_until_all_can_be_remembered_again() -> None:
    leg = InbandDigits(16000)

    def change(number: int, leg: InbandDigits, now: float) -> None:
        if number == 100:
            leg.run_at(16000)
            leg.run_at(RATE_HZ)

    leg.run_at(RATE_HZ)  # before the first frame: nothing can be forgotten
    code = np.concatenate((keys("5"), quiet(1.0), keys("1"), quiet(1.5), keys("2")))
    assert digits(talk(code, leg=leg, at=change)) == "52"


@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
def test_digits_sent_are_heard_at_the_far_side_in_place_of_our_sound(rate_hz: int) -> None:
    leg = InbandDigits(rate_hz)
    leg.send("159d")
    noise = np.random.default_rng(7).normal(0, 0.1, (200, rate_hz // 100)).astype(np.float32)
    said = [leg.say(frame) for frame in noise]
    assert heard(np.concatenate(said), rate_hz) == "159D"
    assert said[-1] is not None
    assert np.array_equal(said[-1], noise[-1]), "our own sound goes on"


def test_a_tone_during_which_nobody_listens_any_more_is_over_when_somebody_does() -> None:
    leg = InbandDigits(RATE_HZ)
    held = list(frames(keys("5", Press(on_ms=1000.0)), RATE_HZ))
    for number, frame in enumerate(held[:60]):
        leg.hear(frame, number / 100)
    assert leg.next_event() is not None
    leg.hear(np.zeros(80, np.float32), 30.0)
    ended = leg.next_event()
    assert isinstance(ended, DigitEnded)
    assert ended.at == pytest.approx(0.59)


def test_what_waits_is_dropped_when_we_may_not_speak() -> None:
    leg = InbandDigits(RATE_HZ)
    leg.send("1")
    leg.stop_sending()
    frame = np.full(80, 0.1, np.float32)
    assert leg.say(frame) is frame


@pytest.mark.parametrize(("text", "duration_ms"), [("E", 100), ("1", 10), ("1", 100_000), ("1" * 65, 100)])
def test_what_cannot_be_sent_is_refused(text: str, duration_ms: int) -> None:
    with pytest.raises(LocalError):
        InbandDigits(RATE_HZ).send(text, duration_ms)
