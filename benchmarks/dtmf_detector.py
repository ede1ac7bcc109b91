"""How well keys are heard in sound, beside spandsp with the same stimuli: what is taken, what is refused, what a voice
is mistaken for, and what it costs. Some minutes; the last line is JSON."""

from __future__ import annotations

import argparse
import ctypes
import ctypes.util
import difflib
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import av

from tests.support.keypad import DIGITS, Press, Sound, dial, heard
from tests.support.spandsp import SpanDsp
from tests.support.speech import prompts, voices
from voipnode.codecs.registry import find_codec
from voipnode.dsp.dtmf_detector import DtmfDetector
from voipnode.dsp.dtmf_frequencies import amplitude

TRIALS = 20  # of all sixteen digits
SPEEDS = (0.75, 0.85, 0.93, 1.0, 1.08, 1.15, 1.3)
LEVELS_DB = (0.0, 6.0, -12.0)

Row = tuple[str, Press, Callable[[Sound], Sound]]


def same(sound: Sound) -> Sound:
    return sound


def law(name: str) -> Callable[[Sound], Sound]:
    encoder, decoder = find_codec(name).encoder(8000), find_codec(name).decoder(8000)
    return lambda sound: decoder.decode_frame(encoder.encode_frame(sound))


def over(*frequencies: float) -> Callable[[Sound], Sound]:
    """With a dial tone of -13 dBm0 a sine."""

    def add(sound: Sound) -> Sound:
        seconds = np.arange(len(sound)) / 8000
        return (sound + sum(amplitude(-13.0) * np.sin(2 * np.pi * hz * seconds) for hz in frequencies)).astype(
            np.float32
        )

    return add


def opus(bits_per_s: int) -> Callable[[Sound], Sound]:
    def through(sound: Sound) -> Sound:
        encoder = av.CodecContext.create("libopus", "w")
        encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = 8000, "mono", "flt", bits_per_s
        encoder.options = {"application": "voip"}
        decoder = av.CodecContext.create("libopus", "r")
        decoder.sample_rate, decoder.layout = 48000, "mono"
        back, parts = av.AudioResampler("flt", "mono", 8000), []
        for at in range(0, len(sound) - 159, 160):
            frame = av.AudioFrame.from_ndarray(sound[None, at : at + 160], "flt", "mono")
            frame.sample_rate, frame.pts = 8000, at
            for packet in encoder.encode(frame):
                for decoded in decoder.decode(av.Packet(bytes(packet))):
                    decoded.sample_rate = 48000
                    parts += [piece.to_ndarray()[0] for piece in back.resample(decoded)]
        return np.concatenate(parts).astype(np.float32)

    return through


def gsm(sound: Sound) -> Sound:
    """GSM 06.10 full rate, by libgsm (Debian: libgsm1)."""
    library = ctypes.CDLL(ctypes.util.find_library("gsm") or "libgsm.so.1")
    library.gsm_create.restype = ctypes.c_void_p
    library.gsm_destroy.argtypes = [ctypes.c_void_p]
    for function in (library.gsm_encode, library.gsm_decode):
        function.argtypes = [ctypes.c_void_p] * 3
    coder, decoder, coded = library.gsm_create(), library.gsm_create(), ctypes.create_string_buffer(33)
    pcm = np.clip(sound * 32768, -32768, 32767).astype(np.int16)
    out = np.zeros_like(pcm[: len(pcm) // 160 * 160])
    for at in range(0, len(out), 160):
        library.gsm_encode(coder, pcm[at:].ctypes.data, coded)
        library.gsm_decode(decoder, coded, out[at:].ctypes.data)
    library.gsm_destroy(coder)
    library.gsm_destroy(decoder)
    return (out / 32768).astype(np.float32)


def taken() -> Iterator[Row]:
    """What Q.24 wants heard, and beyond."""
    yield "40/40 ms", Press(), same
    yield "40/40 ms, SNR 15 dB", Press(snr_db=15.0), same
    yield "SNR 12 dB", Press(snr_db=12.0), same
    for twist in (-8.0, 4.0):
        yield f"twist {twist:+.0f} dB, SNR 15 dB", Press(high_dbm0=-10.0 + twist, snr_db=15.0), same
    for off in (0.015, -0.015, 0.018, -0.018):
        yield f"{off:+.1%}, SNR 15 dB", Press(low_off=off, high_off=off, snr_db=15.0), same
    worst = Press(high_dbm0=-18.0, low_off=0.015, high_off=-0.015, snr_db=15.0)
    yield "all at once: -8 dB, +-1.5 %, SNR 15 dB", worst, same
    for level in (-3.0, -30.0, -40.0):
        for name in ("PCMU", "PCMA"):
            yield f"{level:.0f} dBm0 through {name}", Press(low_dbm0=level, high_dbm0=level), law(name)
    yield "over a dial tone, 350 + 440 Hz", Press(low_dbm0=-13.0, high_dbm0=-13.0), over(350.0, 440.0)
    yield "over a dial tone, 425 Hz", Press(low_dbm0=-13.0, high_dbm0=-13.0), over(425.0)
    for on_ms in (40.0, 60.0, 100.0):
        press = Press(on_ms=on_ms, off_ms=on_ms)
        yield f"Opus 24 kbit/s, {on_ms:.0f}/{on_ms:.0f} ms", press, opus(24_000)
        yield f"Opus 12 kbit/s, {on_ms:.0f}/{on_ms:.0f} ms", press, opus(12_000)
        yield f"GSM full rate, {on_ms:.0f}/{on_ms:.0f} ms", press, gsm


def refused() -> Iterator[Row]:
    """What Q.24 wants refused."""
    yield "23 ms", Press(on_ms=23.0, off_ms=57.0), same
    yield "23 ms, SNR 15 dB", Press(on_ms=23.0, off_ms=57.0, snr_db=15.0), same
    for off in (0.035, -0.035):
        yield f"{off:+.1%} low, 100 ms", Press(low_off=off, on_ms=100.0), same
        yield f"{off:+.1%} high, 100 ms", Press(high_off=off, on_ms=100.0), same
        yield f"{off:+.1%} both, 100 ms, SNR 15 dB", Press(low_off=off, high_off=off, on_ms=100.0, snr_db=15.0), same


def percent(row: Row, ear: Callable[[Sound], str]) -> float:
    """How many of the presses are heard as what they are."""
    _, press, line = row
    dice, right = np.random.default_rng(11), 0
    for _ in range(TRIALS):
        found = ear(line(dial(DIGITS, press, dice)))
        matcher = difflib.SequenceMatcher(None, DIGITS, found, autojunk=False)
        right += sum(block.size for block in matcher.get_matching_blocks())
    return 100 * right / (TRIALS * len(DIGITS))


def faster(sound: Sound, speed: float) -> Sound:
    """At another speed, and so at another pitch: another voice."""
    return np.interp(np.arange(0, len(sound) - 1, speed), np.arange(len(sound)), sound).astype(np.float32)


def echoed(sound: Sound) -> Sound:
    """As a hands-free telephone returns what the door said: later, weaker, over the voice itself."""
    returned = sound.copy()
    returned[1440:] += 0.5 * sound[:-1440]
    return returned


def talk_off(
    ours: Callable[[Sound], str], theirs: Callable[[Sound], str] | None, *, monkeys: bool
) -> tuple[float, int, int]:
    """Hours of speech, or of what is no speech and nastier, and the digits that were heard in them."""
    hours, mine, other = 0.0, 0, 0
    for voice in voices():
        sound = np.concatenate(list(prompts(voice, monkeys=monkeys)))
        variants = [faster(sound, speed) for speed in SPEEDS]
        variants += [sound * 10 ** (level / 20) for level in LEVELS_DB[1:]] + [echoed(sound)]
        for variant in variants:
            clipped = np.clip(variant, -1.0, 1.0).astype(np.float32)
            hours += len(clipped) / 8000 / 3600
            mine += len(ours(clipped))
            other += len(theirs(clipped)) if theirs else 0
    return hours, mine, other


def cost_us(rate_hz: int) -> float:
    """Microseconds of processor time for 10 ms of noise, which is looked at most closely."""
    noise = np.random.default_rng(1).normal(0, 0.1, (1000, rate_hz // 100)).astype(np.float32)
    detector, begun = DtmfDetector(rate_hz), time.process_time()
    for frame in noise:
        detector.hear(frame)
    return (time.process_time() - begun) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["presses", "speech"], help="half of it")
    chosen = parser.parse_args().only
    try:
        theirs: Callable[[Sound], str] | None = SpanDsp().heard
    except OSError:
        theirs = None
    result: dict[str, float] = {f"us_per_frame_{rate}": round(cost_us(rate), 1) for rate in (8000, 16000, 48000)}
    if chosen != "speech":
        for title, rows in (("taken", taken()), ("refused", refused())):
            print(f"{title + ', % of 320 presses':45} voipnode  spandsp")
            for row in rows:
                ours, other = percent(row, heard), percent(row, theirs) if theirs else float("nan")
                print(f"{row[0]:45} {ours:8.1f} {other:8.1f}", flush=True)
                result[row[0]] = round(ours, 1)
    if chosen != "presses":
        hours, mine, other = talk_off(heard, theirs, monkeys=True)
        print(f"digits heard in {hours:.1f} hours of monkeys and jokes: voipnode {mine}, spandsp {other}")
        hours, mine, other = talk_off(heard, theirs, monkeys=False)
        print(f"digits heard in {hours:.1f} hours of speech: voipnode {mine}, spandsp {other}")
        result |= {"speech_hours": round(hours, 1), "false_digits": mine, "false_digits_spandsp": other}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
