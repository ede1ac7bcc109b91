"""Pulses on the two lines: frames that come out of them, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipnode.credentials.bits import CredentialError
from voipnode.credentials.frames import FrameCollector, Pulse, Timing, pulses
from voipnode.credentials.wiegand import WIEGAND26

CARD = WIEGAND26.encode(1603, 118)


def collected(seen: list[Pulse], timing: Timing | None = None) -> list[str]:
    """What comes of the pulses: frames, and the words of what is refused."""
    collector = FrameCollector(timing or Timing())
    out = [collector.receive(pulse) for pulse in seen]
    deadline = collector.next_deadline()
    if deadline is not None:
        assert collector.on_deadline(deadline - 1) is None
        out.append(collector.on_deadline(deadline))
    assert collector.next_deadline() is None
    return [str(each) for each in out if each is not None]


def test_a_card_in_time() -> None:
    """26 pulses of 40 µs, 2 ms apart, and 25 ms of silence."""
    wire = list(pulses([CARD], Timing(), at_us=1000))
    assert [(pulse.line, pulse.at_us, pulse.width_us) for pulse in wire[:3]] == [
        (1, 1000, 40),
        (0, 3000, 40),
        (1, 5000, 40),
    ]
    assert wire[-1].at_us == 1000 + 25 * 2000
    collector = FrameCollector(Timing())
    assert [collector.receive(pulse) for pulse in wire] == [None] * 26
    assert collector.next_deadline() == 51_000 + 25_000
    assert collector.on_deadline(75_999) is None
    assert collector.on_deadline(76_000) == CARD
    assert collector.on_deadline(76_000) is None


@given(
    st.lists(st.text("01", min_size=1, max_size=40), min_size=1, max_size=5),
    st.builds(Timing, st.integers(20, 100), st.integers(200, 19_999), st.integers(20_000, 1_000_000)),
)
def test_frames_come_out_as_they_went_in(frames: list[str], timing: Timing) -> None:
    assert collected(list(pulses(frames, timing)), timing) == frames


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ([Pulse(0, 0), Pulse(1, 20)], "pulses on D0 and D1 at once"),
        ([Pulse(0, 0), Pulse(0, 199)], "pulses 199 µs apart"),
        ([Pulse(0, 0), Pulse(0, 2000, 5)], "a pulse of 5 µs"),
        ([Pulse(0, 0, 101)], "a pulse of 101 µs"),
        ([Pulse(2, 0)], "a pulse on line 2"),
        ([Pulse(0, 0), Pulse(0, -5000)], "pulses -5000 µs apart"),
        ([Pulse(0, 200 * k) for k in range(100_000)], "more than 512 bits"),
    ],
)
def test_noise_is_refused_as_a_whole(seen: list[Pulse], words: str) -> None:
    (refused,) = collected(seen)
    assert words in refused


def test_after_noise_the_next_card_is_read() -> None:
    noise = [Pulse(0, 0), Pulse(1, 3)]
    assert collected([*noise, *pulses([CARD], Timing(), at_us=30_000)])[1:] == [CARD]


def test_a_clock_that_is_set_back_costs_one_frame() -> None:
    before = list(pulses([CARD], Timing(), at_us=10**15))[:5]
    refused, read = collected([*before, Pulse(1, 0), *pulses([CARD], Timing(), at_us=25_000)])
    assert "apart" in refused
    assert read == CARD


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pulse_us", 19),
        ("pulse_us", 101),
        ("interval_us", 199),
        ("interval_us", 20_001),
        ("frame_gap_us", 19_999),
        ("frame_gap_us", 1_000_001),
    ],
)
def test_timing_outside_of_the_standard(name: str, value: int) -> None:
    with pytest.raises(CredentialError, match=f"{name}: {value}"):
        Timing(**{name: value})
    with pytest.raises(CredentialError, match="not longer than interval_us"):
        Timing(40, 20_000, 20_000)
