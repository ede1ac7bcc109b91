"""Tones in the payloads and captures that sipp plays, encoded by FFmpeg and not by the code under test."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import av
import dpkt
import numpy as np
from numpy.typing import NDArray

from tests.support.keypad import Press, dial

RATE_HZ = 8000
SAMPLES = 160  # of a packet, 20 ms
LEVEL = 0.25


def tone_g711(codec: str, frequency_hz: float, seconds: float) -> bytes:
    """A sine as G.711 octets; `codec` is FFmpeg's name, "pcm_alaw" or "pcm_mulaw"."""
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return as_g711(codec, LEVEL * np.sin(2 * np.pi * frequency_hz * time_s))


def as_g711(codec: str, sound: NDArray[np.floating[Any]]) -> bytes:
    """Sound at 8000 Hz, full scale 1.0, as G.711 octets."""
    samples = (32767 * sound).astype(np.int16)
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.format, encoder.layout = RATE_HZ, "s16", "mono"
    frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="s16", layout="mono")
    frame.sample_rate = RATE_HZ
    return b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))


def write_raw(path: Path, frequency_hz: float, seconds: float) -> Path:
    """A file of A-law octets and nothing else, for rtp_stream."""
    path.write_bytes(tone_g711("pcm_alaw", frequency_hz, seconds))
    return path


def write_keys(path: Path, digits: str) -> Path:
    """Four seconds of keys, from half a second on, and silence, as a file of A-law octets."""
    sound = np.zeros(4 * RATE_HZ, np.float32)
    keys = dial(digits, Press(on_ms=100.0, off_ms=100.0), np.random.default_rng(1))
    sound[RATE_HZ // 2 :][: len(keys)] = keys
    path.write_bytes(as_g711("pcm_alaw", sound))
    return path


def write_capture(path: Path, frequency_hz: float, seconds: float) -> Path:
    """A capture of mu-law RTP, a packet each 20 ms, for play_pcap_audio."""
    octets = tone_g711("pcm_mulaw", frequency_hz, seconds)
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file)
        for number in range(len(octets) // SAMPLES):
            header = struct.pack("!BBHII", 0x80, 0, number, number * SAMPLES, 0x51BB51BB)  # RFC 3550 §5.1
            payload = header + octets[number * SAMPLES : (number + 1) * SAMPLES]
            writer.writepkt(_frame(payload), ts=1.0 + number * SAMPLES / RATE_HZ)
    return path


def _frame(payload: bytes) -> bytes:
    udp = dpkt.udp.UDP(sport=10000, dport=10000, data=payload, ulen=8 + len(payload))
    ip = dpkt.ip.IP(src=b"\x7f\0\0\1", dst=b"\x7f\0\0\1", p=dpkt.ip.IP_PROTO_UDP, data=udp, len=28 + len(payload))
    return bytes(dpkt.ethernet.Ethernet(type=dpkt.ethernet.ETH_TYPE_IP, data=ip))
