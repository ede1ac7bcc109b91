"""A talk at a simulated door: what the far side and the visitor say when, and what of it the far side hears.

The far voice comes out of the door's loudspeaker and back through its room; the visitor speaks at the microphone, by
a street. Each says its part of a script, so that the recording has stretches of far voice alone, visitor alone, both.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.support.fidelity import Sound, aligned, at_rate, best_stretch, mean_opinion
from tests.support.node import Node
from tests.support.peers.baresip import Baresip
from tests.support.speech import longest, speech, voices
from tests.support.wav_files import read_wav, write_wav

RATE_HZ = 16000
PHONE_HZ = 48000  # baresip's files; it resamples
CODEC = "L16/16000/1"  # takes nothing away: what is missing is the door's doing
OURS = '[[accounts]]\naudio_codecs = ["L16/16000"]'
LEVEL_DBFS = -23.0  # of both voices, as a sine has it
PAUSE_RMS = 1e-3
AFTER_S = 10.0  # baresip hangs up where its file ends
LAG_S = 0.4  # what may lie between the begin of a recording and that of the script


@dataclass(frozen=True, slots=True)
class Script:
    """Who speaks when, in seconds from the begin; the end of the last is the end of the talk."""

    far: tuple[tuple[float, float], ...]
    near: tuple[tuple[float, float], ...]

    @property
    def length_s(self) -> float:
        return max(end for _, end in (*self.far, *self.near)) + 0.5

    def write(self, folder: Path) -> tuple[Path, Path]:
        """What the far side and the visitor say, as files."""
        said = np.pad(self.voice("far"), (0, round(AFTER_S * RATE_HZ)))
        far = write_wav(folder / "far.wav", at_rate(said, RATE_HZ, PHONE_HZ), PHONE_HZ)
        return far, write_wav(folder / "near.wav", self.voice("near"), RATE_HZ)

    def voice(self, who: str) -> Sound:
        """One side's part: sentences of a voice in its turns, silence between."""
        turns, number = (self.far, 0) if who == "far" else (self.near, 3)
        said = np.zeros(round(self.length_s * RATE_HZ), np.float32)
        if not turns:
            return said
        words = _words(number, sum(end - begin for begin, end in turns))
        for begin, end in turns:
            count = round((end - begin) * RATE_HZ)
            said[round(begin * RATE_HZ) :][:count] = words[:count]
            words = words[count:]
        return said


def _words(number: int, seconds: float) -> Sound:
    """So much of a voice without longer pauses, at `LEVEL_DBFS`."""
    enough_s = 2 * seconds + 5
    if len(voices()) > number:
        sound = longest(voices()[number], enough_s, RATE_HZ)
    else:  # where only one voice is installed, the visitor has it, too, and says something else
        sound = speech(2 * enough_s, RATE_HZ)[-round(enough_s * RATE_HZ) :]
    words = np.concatenate(_spoken(sound))[: round(seconds * RATE_HZ)]
    return words * np.float32(10 ** (LEVEL_DBFS / 20) / np.sqrt(2) / np.std(words))


def _spoken(sound: Sound) -> list[Sound]:
    """Its pieces of 0.2 s that are not silent."""
    size = RATE_HZ // 5
    pieces = [sound[at : at + size] for at in range(0, len(sound), size)]
    loud = [float(np.std(piece)) for piece in pieces]
    return [piece for piece, level in zip(pieces, loud, strict=True) if level > max(PAUSE_RMS, 0.02 * max(loud))]


@dataclass(frozen=True, slots=True)
class Talk:
    """What the far side heard, on the script's clock."""

    script: Script
    heard: Sound

    def level_dbfs(self, begin_s: float, end_s: float) -> float:
        """Of what was heard in that stretch, as a sine has it."""
        stretch = self.heard[round(begin_s * RATE_HZ) : round(end_s * RATE_HZ)]
        return float(10 * np.log10(2 * np.mean(np.square(stretch, dtype=np.float64)) + 1e-12))

    def opinion(self, begin_s: float, end_s: float) -> float:
        """PESQ of the visitor's voice in that stretch, wide band."""
        one, other = aligned(*self._around(begin_s, end_s))
        return mean_opinion(one, other, RATE_HZ)

    def best_opinion(self, begin_s: float, end_s: float) -> float:
        """The best of any two seconds of the stretch, which no accident of a busy machine improves."""
        return best_stretch(*self._around(begin_s, end_s), RATE_HZ)

    def _around(self, begin_s: float, end_s: float) -> tuple[Sound, Sound]:
        said = self.script.voice("near")[round(begin_s * RATE_HZ) : round(end_s * RATE_HZ)]
        return said, self.heard[round((begin_s - LAG_S) * RATE_HZ) : round((end_s + LAG_S) * RATE_HZ)]


async def hold(node: Node, phone: Baresip, *, until_s: float) -> str:
    """Call the phone from the door and wait until it has recorded so much; the call goes on. Its id."""
    answer = await node.client.post("/api/v1/calls", json={"to": phone.uri})
    assert answer.status_code == 201, answer.text
    await node.event("call.changed", state="Active", call=answer.json()["id"])
    await phone.hear(until_s * 2)  # of 16 kHz, where it counts in G.711's seconds
    return str(answer.json()["id"])


async def hang_up(script: Script, node: Node, phone: Baresip, call: str) -> Talk:
    """Wait for the end of the script and of the call; what the phone heard."""
    await phone.hear((script.length_s + LAG_S) * 2)
    await node.client.delete(f"/api/v1/calls/{call}")
    await phone.event("CALL_CLOSED")
    heard, heard_hz = read_wav(phone.heard())
    said, said_hz = read_wav(phone.said())
    assert heard_hz == said_hz == RATE_HZ, "the codec was another one"
    # Both recordings begin with the call; what it said is found in its own.
    begin = _begin(script.voice("far"), said)
    return Talk(script, np.concatenate([np.zeros(max(0, -begin)), heard[max(0, begin) :]]))


def _begin(said: Sound, recorded: Sound) -> int:
    """Where in a recording the script begins, in samples; below zero: it was cut."""
    size = 1 << (len(said) + len(recorded)).bit_length()
    likeness = np.fft.irfft(np.fft.rfft(recorded, size) * np.conj(np.fft.rfft(said, size)), size)
    at = int(np.argmax(likeness))
    return at if at < size // 2 else at - size
