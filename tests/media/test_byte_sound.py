"""Sound as bytes: formats, heads, gaps, and two clocks that are not one."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.clip_files import clip_file
from voipnode.media.byte_sound import FORMATS, START_FRAMES, ByteFormat, BytesFromSound, SoundFromBytes, byte_format
from voipnode.media.errors import LocalError

MU_LAW = byte_format("PCMU/8000")


def sine(form: ByteFormat, seconds: float, hz: float = 440.0) -> bytes:
    at = np.arange(round(seconds * form.rate_hz)) / form.rate_hz
    sound = (0.5 * np.sin(2 * np.pi * hz * at)).astype(np.float32)
    out = BytesFromSound(form)
    out.run_at(form.rate_hz)
    size = form.rate_hz // 100
    return b"".join(out.push(sound[n : n + size]) for n in range(0, len(sound), size))


def heard(sound: SoundFromBytes, frames: int) -> np.ndarray:
    return np.concatenate([sound.pull() for _ in range(frames)])


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
def test_each_format_goes_both_ways_at_the_bridges_rate(name: str, rate_hz: int) -> None:
    form = byte_format(name)
    sound = SoundFromBytes(form)
    sound.run_at(rate_hz)
    data = sine(form, 0.5)
    assert len(data) == 50 * form.frame_bytes
    for at in range(0, len(data), 77):  # as networks cut it
        sound.feed(data[at : at + 77])
    found = heard(sound, 50)
    assert np.abs(np.fft.rfft(found[-rate_hz // 4 :])).argmax() * 4 == 440
    assert np.abs(found).max() == pytest.approx(0.5, abs=0.02)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(LocalError, match="L16/16000"):
        byte_format("opus")


def test_the_head_of_an_au_file_is_not_heard() -> None:
    file = clip_file("au", rate_hz=8000, seconds=0.3)
    plain, with_head = SoundFromBytes(MU_LAW), SoundFromBytes(MU_LAW)
    head = int.from_bytes(file[4:8], "big")
    plain.feed(file[head:])
    for at in range(len(file)):
        with_head.feed(file[at : at + 1])
    assert np.array_equal(heard(plain, 30), heard(with_head, 30))


def test_nothing_is_heard_before_enough_waits_nor_after_a_gap() -> None:
    sound = SoundFromBytes(MU_LAW)
    data = sine(MU_LAW, 1.0)
    sound.feed(data[: (START_FRAMES - 1) * 80])
    assert not heard(sound, 5).any()
    sound.feed(data[:80])
    assert heard(sound, START_FRAMES).any()
    assert not heard(sound, 1).any()
    assert sound.gaps == 1
    sound.feed(data[:80])
    assert not heard(sound, 2).any(), "it waits for more again"


def test_a_faster_crystal_loses_a_frame_now_and_then_and_the_delay_stays() -> None:
    """A client whose clock is 0.5 % fast, which began with half a second at once."""
    sound = SoundFromBytes(MU_LAW)
    frame, owed = sine(MU_LAW, 0.01), 0.5
    sound.feed(frame * 50)
    waits = []
    for _ in range(20_000):
        owed += 1.005
        while owed >= 1:
            sound.feed(frame)
            owed -= 1
        sound.pull()
        waits.append(sound.waiting)
    assert max(waits[-5000:]) <= 20
    assert sound.gaps == 0
    assert sound.dropped == pytest.approx(100 + 50 - 14, abs=8)


def test_a_file_that_comes_at_once_has_to_wait_and_loses_nothing() -> None:
    sound = SoundFromBytes(MU_LAW)
    data = sine(MU_LAW, 6.0)
    at, played = 0, []
    while not sound.over:
        while sound.has_room and at < len(data):
            sound.feed(data[at : at + 800])
            at += 800
        if at >= len(data):
            sound.end()
        played.append(sound.pull())
    assert (len(played), sound.dropped, sound.gaps) == (600, 0, 0)


def test_who_does_not_wait_loses_the_oldest() -> None:
    sound = SoundFromBytes(MU_LAW)
    sound.feed(sine(MU_LAW, 30.0))
    assert sound.waiting == 200
    assert sound.dropped == 2800
