"""What a listener hears behind a network, in virtual time: speech through an `AudioStream`, rated by PESQ, with delay.

Sender's packets of 20 ms of PCMU; frames pulled every 10 ms, at a phase of its own for each seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.support.fidelity import mean_opinion
from tests.support.impaired_network import Impairment
from voipnode.codecs.registry import find_codec
from voipnode.media.rtp import RtpPacket
from voipnode.media.stream import AudioStream, StreamConfig, StreamIdentity
from voipnode.media.values import StreamStats

RATE = 8000
PACKET = 160
PACKET_S = 0.020
SENDER = ("192.0.2.1", 4000)
MAX_LAG_S = 1.0
WINDOW_S = 2.0
SPEECH_LEVEL = 0.063  # -24 dBFS, about where telephones put a voice

Sound = NDArray[np.float32]

# The rows of the listening table. Jitter is about a mean delay that is long enough not to be cut off at zero.
NETWORKS = {
    "clean": Impairment(delay_s=0.020),
    "loss1": Impairment(delay_s=0.020, loss=0.01),
    "loss5": Impairment(delay_s=0.020, loss=0.05),
    "loss10": Impairment(delay_s=0.020, loss=0.10),
    "burst5": Impairment(delay_s=0.020, loss=0.05, burst=4),
    "jitter10": Impairment(delay_s=0.050, jitter_sd_s=0.010),
    "jitter30": Impairment(delay_s=0.120, jitter_sd_s=0.030),
    "jitter60": Impairment(delay_s=0.240, jitter_sd_s=0.060),
    "jitter80": Impairment(delay_s=0.320, jitter_sd_s=0.080),
    "reorder2": Impairment(delay_s=0.020, reordered=0.02),
    "jitter30_loss3": Impairment(delay_s=0.120, jitter_sd_s=0.030, loss=0.03),
}


@dataclass(frozen=True, slots=True)
class Listened:
    """`opinion` is PESQ narrow band; `delay_ms` from the arrival of a packet that the network only delayed by its mean
    to the playout of its first sample, the median over the call."""

    opinion: float
    delay_ms: float
    stats: StreamStats


def level(sound: Sound) -> Sound:
    """The same at a usual level."""
    return (sound * (SPEECH_LEVEL / np.sqrt(np.mean(np.square(sound))))).astype(np.float32)


def listen(speech: Sound, network: Impairment, seed: int, *, drift: float = 0.0, judged_s: float = 40.0) -> Listened:
    """Let one call through; `drift`: how much faster the sender's clock is. The last `judged_s` are rated."""
    phase_s = random.Random(seed).random() * 0.010
    stream, heard = _play(speech, network, seed, drift, phase_s)
    judged = min(len(speech), int(judged_s * RATE)) // PACKET * PACKET
    begin = len(speech) // PACKET * PACKET - judged
    said = speech[begin : begin + judged]
    heard = heard[int(begin / (1 + drift)) :]
    lag = find_lag(said, heard)
    known = PACKET_S + network.delay_s - phase_s + (begin % 1 if not drift else begin / (1 + drift) % 1) / RATE
    opinion = mean_opinion(said[: len(heard) - lag], heard[lag : lag + judged], RATE)
    return Listened(opinion, 1000 * (lag / RATE - known), stream.stats())


def _play(speech: Sound, network: Impairment, seed: int, drift: float, phase_s: float) -> tuple[AudioStream, Sound]:
    stream = AudioStream(StreamIdentity(1, 0, 0, "listener@test"), rate_hz=RATE)
    stream.configure(StreamConfig(codec="PCMU", payload_type=0, remote_rtp=SENDER), 0.0)
    heard, pulls = [], 0
    for at, data in _arrivals(speech, network, seed, drift):
        while pulls * 0.010 + phase_s < at:
            heard.append(stream.pull(pulls * 0.010 + phase_s))
            pulls += 1
        if data:
            stream.receive(data, SENDER, at)
    return stream, np.concatenate(heard)


def _arrivals(speech: Sound, network: Impairment, seed: int, drift: float) -> Iterator[tuple[float, bytes]]:
    """When which packet comes, and a last moment without one."""
    encoder = find_codec("PCMU").encoder(RATE)
    count = len(speech) // PACKET
    sent_at = [(number + 1) * PACKET_S / (1 + drift) for number in range(count)]
    arrived = [(at, number) for number, at in enumerate(network.arrivals(iter(sent_at), seed)) if at is not None]
    first = random.Random(-seed).randrange(1 << 32)  # so that timestamps wrap at any place
    for at, number in sorted(arrived):
        payload = encoder.encode_frame(speech[number * PACKET : (number + 1) * PACKET])
        timestamp = (first + number * PACKET) & 0xFFFFFFFF
        yield at, RtpPacket(0, number & 0xFFFF, timestamp, 7, payload, number == 0).serialize()
    yield sent_at[-1] + network.delay_s + MAX_LAG_S, b""


def find_lag(said: Sound, heard: Sound) -> int:
    """By how many samples what was heard is behind what was said: the median over windows with speech in them."""
    window, most = int(WINDOW_S * RATE), int(MAX_LAG_S * RATE)
    size = 1 << (2 * window + most).bit_length()
    lags = []
    for begin in range(0, len(said) - window + 1, window // 2):
        piece = said[begin : begin + window]
        search = heard[begin : begin + window + most]
        if np.mean(np.square(piece)) < 0.1 * SPEECH_LEVEL**2 or len(search) < window:
            continue
        likeness = np.fft.irfft(np.fft.rfft(search, size) * np.conj(np.fft.rfft(piece, size)), size)
        lags.append(int(np.argmax(likeness[:most])))
    return int(np.median(lags))
