"""The jitter buffer in virtual time: a clean network is not touched, a bad one costs as little as can be."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from tests.support.audio import find_tone_hz, fit_tone
from voipnode.media.jitter import MAX_DELAY_MS, JitterBuffer
from voipnode.media.playout import Playout

RATE = 8000
PACKET = 160


class PlainSamples:
    """A decoder whose payload is the samples themselves."""

    def decode_frame(self, payload: bytes) -> np.ndarray:
        return np.frombuffer(payload, dtype=np.float32).copy()

    def conceal(self, count: int) -> None:
        return None

    def decode_fec(self, payload: bytes, count: int) -> None:
        return None


PLAIN = PlainSamples()


def put(buffer: JitterBuffer, timestamp: int, sound: np.ndarray, *, marker: bool = False) -> None:
    buffer.put(timestamp, sound.tobytes(), PLAIN, marker=marker)


def tone_at(start: int, count: int, frequency_hz: float = 440.0) -> np.ndarray:
    steps = np.arange(start, start + count)
    return (0.5 * np.sin(2 * np.pi * frequency_hz * steps / RATE)).astype(np.float32)


@dataclass
class Line:
    buffer: JitterBuffer
    heard: np.ndarray
    delays_ms: list[float]


def play(
    delay_s: Callable[[int], float | None],
    *,
    seconds: float,
    clock: float = 1.0,
    phase_s: float = 0.0033,
    first: int = 2**32 - 1000,
    sound: Callable[[int, int], np.ndarray] = tone_at,
    packet: int = PACKET,
) -> Line:
    """Send a tone in packets; `delay_s(n)`: packet n's delay, None = lost; `clock`: the sender's speed against ours."""
    buffer = JitterBuffer(RATE)
    agenda: list[tuple[float, int, int]] = []
    for number in range(int(seconds * RATE / packet)):
        delay = delay_s(number)
        if delay is not None:
            heapq.heappush(agenda, ((number + 1) * packet / RATE / clock + delay, 0, number))
    pulls = int(seconds * 100)
    for number in range(pulls):
        heapq.heappush(agenda, (number * 0.01 + phase_s, 1, number))
    heard, delays = [], []
    while agenda:
        _, is_pull, number = heapq.heappop(agenda)
        if is_pull:
            heard.append(buffer.pull())
            delays.append(buffer.delay_ms)
        else:
            start = number * packet
            put(buffer, (first + start) & 0xFFFFFFFF, sound(start, packet), marker=number == 0)
    return Line(buffer, np.concatenate(heard), delays)


def untouched(line: Line) -> bool:
    return line.buffer.concealed == line.buffer.stretched == line.buffer.squeezed == line.buffer.late == 0


def first_sample_at(heard: np.ndarray) -> int:
    return int(np.flatnonzero(heard)[0])


@pytest.mark.parametrize("phase_ms", [0.0, 0.1, 3.3, 5.0, 9.9])
@pytest.mark.parametrize("packet", [80, 160, 240, 480])
def test_a_clean_network_passes_unaltered_within_40_ms(phase_ms: float, packet: int) -> None:
    line = play(lambda n: 0.010, seconds=20, phase_s=phase_ms / 1000, packet=packet)
    assert untouched(line)
    begin = first_sample_at(line.heard) - 1  # the tone begins with a zero
    arrived = (packet / RATE + 0.010) * RATE
    assert arrived <= begin <= arrived + 0.040 * RATE
    sound = tone_at(0, len(line.heard) - begin)
    np.testing.assert_allclose(line.heard[begin + 80 :], sound[80:], atol=1e-6)


@pytest.mark.parametrize("jitter_ms", [5, 10, 15])
def test_small_jitter_is_absorbed_without_a_trace(jitter_ms: int) -> None:
    dice = random.Random(jitter_ms)
    line = play(lambda n: 0.0 if n == 0 else dice.random() * jitter_ms / 1000, seconds=20)
    assert line.buffer.concealed == line.buffer.late == 0
    assert line.buffer.delay_ms < 40


@pytest.mark.parametrize("seed", range(6))
def test_larger_jitter_is_learnt_and_then_costs_nothing(seed: int) -> None:
    dice = random.Random(seed)
    line = play(lambda n: dice.random() * 0.060, seconds=30)
    settled = play_tail_concealed(seed)
    assert line.buffer.delay_ms < 110
    assert settled <= 2 * PACKET
    assert line.buffer.concealed < 0.02 * 30 * RATE


def play_tail_concealed(seed: int) -> int:
    """How much of the last 20 of 30 s was concealed, in samples."""
    whole, head = random.Random(seed), random.Random(seed)
    long = play(lambda n: whole.random() * 0.060, seconds=30).buffer.concealed
    return long - play(lambda n: head.random() * 0.060, seconds=10).buffer.concealed


@pytest.mark.parametrize("ppm", [-300, -100, 100, 300])
def test_another_clock_is_followed_without_a_gap(ppm: int) -> None:
    line = play(lambda n: 0.010, seconds=180, clock=1 + ppm / 1e6)
    assert line.buffer.concealed == line.buffer.late == 0
    assert line.buffer.delay_ms <= 45
    assert max(line.delays_ms[500:]) <= 48
    moved = (line.buffer.squeezed if ppm > 0 else line.buffer.stretched) / RATE
    expected = 180 * abs(ppm) / 1e6
    assert expected - 0.040 <= moved <= expected + 0.020
    assert find_tone_hz(line.heard[-80_000:]) == pytest.approx(440, abs=1)


def test_a_splice_in_a_tone_is_not_a_click() -> None:
    line = play(lambda n: 0.010, seconds=120, clock=1 + 300e-6)
    assert line.buffer.squeezed > 0
    steps = np.abs(np.diff(line.heard[2000:]))
    assert steps.max() < 1.25 * np.abs(np.diff(tone_at(0, 8000))).max()


def test_a_lost_packet_is_concealed_and_delays_nothing() -> None:
    line = play(lambda n: None if n in (200, 300, 301) else 0.010, seconds=10)
    assert line.buffer.concealed == 3 * PACKET
    assert line.buffer.stretched == line.buffer.squeezed == line.buffer.late == 0
    assert line.buffer.delay_ms < 40
    begin = first_sample_at(line.heard) - 1
    sound = tone_at(0, len(line.heard) - begin)
    error = line.heard[begin:] - sound
    assert not np.abs(error[80 : 200 * PACKET]).max() > 1e-6
    assert np.abs(error[200 * PACKET : 201 * PACKET]).max() < 0.35
    assert np.abs(error[202 * PACKET : 300 * PACKET]).max() < 1e-6


def test_repeated_and_swapped_packets_change_nothing() -> None:
    def swapped(number: int) -> float:
        return 0.010 + (0.021 if number % 10 == 5 else 0.0)

    line = play(swapped, seconds=10)
    assert line.buffer.concealed == line.buffer.late == 0

    buffer = JitterBuffer(RATE)
    heard = []
    for number in range(100):
        for _ in range(3):
            put(buffer, number * PACKET, tone_at(number * PACKET, PACKET))
        heard += [buffer.pull(), buffer.pull()]
    assert buffer.concealed == buffer.late == 0
    np.testing.assert_allclose(np.concatenate(heard)[400:], tone_at(0, 16000)[240:-160], atol=1e-6)


def test_a_step_in_the_delay_is_waited_for_and_given_back_later() -> None:
    line = play(lambda n: 0.110 if 200 <= n < 300 else 0.010, seconds=45)
    assert line.buffer.concealed <= 15 * 80
    assert max(line.delays_ms) == pytest.approx(120, abs=20)
    assert line.delays_ms[-1] < 45
    sound = line.heard[-80_000:]
    assert fit_tone(sound, 440)[1] > 30


def test_the_delay_never_passes_its_limit_for_long() -> None:
    dice = random.Random(3)
    line = play(lambda n: dice.random() * 0.600, seconds=30)
    assert float(np.mean(line.delays_ms[1000:])) < MAX_DELAY_MS + 60


def test_a_frozen_network_that_bursts_recovers() -> None:
    def frozen(number: int) -> float:
        sent = (number + 1) * 0.02
        return 0.010 if not 4.0 <= sent < 5.5 else 5.51 - sent

    line = play(frozen, seconds=30)
    assert line.delays_ms[-1] < 60
    assert fit_tone(line.heard[-8000:], 440)[1] > 30


def test_a_new_time_base_is_followed_at_its_second_packet() -> None:
    buffer = JitterBuffer(RATE)
    for number in range(100):
        base = 1000 if number < 50 else 3_000_000_000
        put(buffer, base + number * PACKET, np.full(PACKET, 0.25, dtype=np.float32))
        frames = [buffer.pull(), buffer.pull()]
    np.testing.assert_array_equal(np.concatenate(frames), 0.25)
    assert buffer.concealed <= 6 * 80


def test_one_wild_timestamp_is_ignored() -> None:
    buffer = JitterBuffer(RATE)
    for number in range(200):
        if number == 100:
            put(buffer, 3_000_000_000, np.ones(PACKET, dtype=np.float32))
        put(buffer, number * PACKET, np.full(PACKET, 0.25, dtype=np.float32))
        frames = [buffer.pull(), buffer.pull()]
        if number > 2:
            np.testing.assert_array_equal(np.concatenate(frames), 0.25)
    assert buffer.concealed == 0


@pytest.mark.parametrize("marker", [True, False])
@pytest.mark.parametrize("skew", [-4000, -500, 0, 500, 4000])
def test_after_a_pause_the_lead_is_set_afresh(marker: bool, skew: int) -> None:
    """Silence suppression: 2 s without packets, then a talk spurt whose timestamps are off by `skew`."""
    buffer = JitterBuffer(RATE)
    for number in range(50):
        put(buffer, number * PACKET, tone_at(number * PACKET, PACKET))
        buffer.pull(), buffer.pull()
    for _ in range(200):
        last = buffer.pull()
    assert not last.any()
    concealed = buffer.concealed
    assert concealed == 20 * 80
    for number in range(150, 250):
        start = number * PACKET + skew
        put(buffer, start, np.full(PACKET, 0.25, dtype=np.float32), marker=marker and number == 150)
        frames = [buffer.pull(), buffer.pull()]
    np.testing.assert_array_equal(np.concatenate(frames), 0.25)
    assert buffer.concealed == concealed
    assert buffer.late == 0
    assert buffer.delay_ms < 45


def test_an_event_is_silence_whatever_sound_comes_for_its_time() -> None:
    buffer = JitterBuffer(RATE)
    heard = []
    for number in range(60):
        at = number * PACKET
        if 20 <= number < 30:
            buffer.mute(20 * PACKET, (number - 19) * PACKET, ended=number == 29)
        put(buffer, at, np.full(PACKET, 0.25, dtype=np.float32))
        heard += [buffer.pull(), buffer.pull()]
    sound = np.concatenate(heard)
    begin = first_sample_at(sound)
    event = sound[begin + 20 * PACKET : begin + 30 * PACKET]
    assert not event.any()
    np.testing.assert_array_equal(sound[begin + 30 * PACKET : begin + 40 * PACKET], 0.25)
    assert buffer.concealed == 0


def test_before_the_first_packet_there_is_silence_and_no_concealment() -> None:
    buffer = JitterBuffer(RATE)
    assert not np.concatenate([buffer.pull() for _ in range(20)]).any()
    buffer.mute(0, 100, ended=False)
    put(buffer, 0, np.zeros(0, dtype=np.float32))
    assert buffer.concealed == 0


def test_nothing_is_laid_out_in_a_long_pause_and_all_is_heard_as_if_it_were(monkeypatch: pytest.MonkeyPatch) -> None:
    def talk() -> list[tuple[bytes, int, int, float]]:
        dice, buffer = random.Random(1), JitterBuffer(RATE)
        start, next_at, told = 5000, 30, []
        for step in range(2500):
            if step == next_at:
                put(buffer, start, tone_at(start, PACKET))
                pause = 2 * dice.choice([0] * 20 + [1, 15, 40, 90])  # frames: up to 1.8 s
                next_at += 2 + pause
                start += PACKET + pause * 80 + dice.choice([0] * 9 + [23, -23])
            told.append(
                (buffer.pull().tobytes(), buffer.concealed, buffer.stretched - buffer.squeezed, buffer.delay_ms)
            )
        return told

    rests: list[bool] = []
    rest = Playout.rest

    def noted(playout: Playout, count: int) -> np.ndarray | None:
        frame = rest(playout, count)
        rests.append(frame is not None)
        return frame

    monkeypatch.setattr(Playout, "rest", noted)
    quick = talk()
    assert sum(rests) > 200
    monkeypatch.setattr(Playout, "rest", lambda playout, count: None)
    assert talk() == quick


@pytest.mark.parametrize("seed", range(25))
def test_whatever_comes_frames_keep_coming_and_stay_bounded(seed: int) -> None:
    dice = random.Random(seed)
    buffer = JitterBuffer(RATE)
    timestamp = dice.randrange(2**32)
    for _ in range(3000):
        choice = dice.random()
        if choice < 0.02:
            timestamp = dice.randrange(2**32)
        elif choice < 0.1:
            timestamp = (timestamp + dice.randrange(-6000, 6000)) & 0xFFFFFFFF
        size = dice.choice([1, 80, 160, 160, 160, 480, 2036])
        if dice.random() < 0.7:
            put(buffer, timestamp, np.full(size, 0.5, dtype=np.float32), marker=dice.random() < 0.1)
        if dice.random() < 0.1:
            buffer.mute(
                (timestamp + dice.randrange(-9000, 9000)) & 0xFFFFFFFF, dice.randrange(65536), ended=dice.random() < 0.5
            )
        timestamp = (timestamp + size) & 0xFFFFFFFF
        for _ in range(dice.choice([0, 1, 2, 2, 2, 5])):
            frame = buffer.pull()
            assert frame.shape == (80,)
            assert frame.dtype == np.float32
            assert np.abs(frame).max() <= 1.0
    assert buffer.concealed >= 0


class Remembering(PlainSamples):
    """A decoder that notes what it was asked, and may have redundancy or concealment of its own."""

    def __init__(self, *, fec: bool = False, conceals: bool = False) -> None:
        self.calls: list[tuple[str, int]] = []
        self._fec, self._conceals = fec, conceals

    def decode_frame(self, payload: bytes) -> np.ndarray:
        sound = super().decode_frame(payload)
        self.calls.append(("decode", round(float(sound[0]) * 1000)))
        return sound

    def conceal(self, count: int) -> np.ndarray | None:
        self.calls.append(("conceal", count))
        return np.full(count, 0.5, dtype=np.float32) if self._conceals else None

    def decode_fec(self, payload: bytes, count: int) -> np.ndarray | None:
        self.calls.append(("fec", count))
        return np.full(count, 0.25, dtype=np.float32) if self._fec else None


def numbered(number: int) -> np.ndarray:
    return np.full(PACKET, number / 1000, dtype=np.float32)


def sent_in(order: list[int], decoder: Remembering) -> np.ndarray:
    """Packets in this order, one each 20 ms; what was heard."""
    buffer, heard = JitterBuffer(RATE), []
    for number in order:
        if number:
            buffer.put(number * PACKET, numbered(number).tobytes(), decoder)
        heard += [buffer.pull(), buffer.pull()]
    return np.concatenate(heard)


def test_a_decoder_gets_its_payloads_in_the_order_of_playout() -> None:
    decoder = Remembering()
    sent_in([1, 3, 2, 5, 4, 6, 7, 8], decoder)
    decoded = [number for what, number in decoder.calls if what == "decode"]
    assert decoded == sorted(decoded)


def test_a_lost_packet_is_had_from_the_redundancy_in_the_next() -> None:
    """At the place of packet 3 the buffer holds packet 4: its redundancy, then itself."""
    decoder = Remembering(fec=True)
    heard = sent_in([1, 2, 0, 4, 5, 6], decoder)
    assert decoder.calls == [("decode", 1), ("decode", 2), ("fec", PACKET), ("decode", 4), ("decode", 5)]
    np.testing.assert_array_equal(heard[3 * PACKET : 4 * PACKET], 0.25)


def test_a_decoder_that_conceals_does_so_while_nothing_comes() -> None:
    decoder = Remembering(conceals=True)
    heard = sent_in([1, 2, 0, 0, 0, 0], decoder)
    assert decoder.calls == [("decode", 1), ("decode", 2), *[("conceal", 80)] * 6]
    np.testing.assert_array_equal(heard[-480:], 0.5)


def test_a_packet_that_comes_when_those_behind_it_were_played_is_not_decoded() -> None:
    decoder = Remembering()
    sent_in([1, 2, 4, 5, 6, 7, 3, 8, 9], decoder)
    assert ("decode", 3) not in decoder.calls


@pytest.mark.parametrize(("rate_hz", "clock_hz"), [(8000, 8000), (16000, 8000), (16000, 16000), (48000, 48000)])
def test_every_rate_and_clock_is_played_alike(rate_hz: int, clock_hz: int) -> None:
    buffer, heard = JitterBuffer(rate_hz, clock_hz), []
    steps = np.arange(rate_hz * 4)
    tone = (0.5 * np.sin(2 * np.pi * 440 * steps / rate_hz)).astype(np.float32)
    packet = rate_hz // 50
    for number in range(200):
        if number != 100:
            put(buffer, (2**32 - 4000 + number * clock_hz // 50) & 0xFFFFFFFF, tone[number * packet :][:packet])
        heard += [buffer.pull(), buffer.pull()]
    assert buffer.concealed == packet
    assert buffer.delay_ms == 25.0
    played = np.concatenate(heard)[packet:]
    np.testing.assert_allclose(played[packet // 2 : 100 * packet], tone[packet // 2 : 100 * packet], atol=1e-6)
    np.testing.assert_allclose(played[101 * packet : 198 * packet], tone[101 * packet : 198 * packet], atol=1e-6)
