"""Opus in RTP (RFC 6716, RFC 7587), mono: an encoder within the far side's wishes, a decoder with concealment and FEC.

It runs at the house's own rate: libopus takes and gives 8, 16 and 48 kHz whatever the far side sends, so that nothing
has to be resampled for it. Where no libopus can be loaded, FFmpeg's codec of that name serves: it has neither
concealment nor FEC, and none of the parameters but the bit rate.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from voipnode.codecs.codec import CodecType, Decoder, Encoder
from voipnode.codecs.errors import CodecError
from voipnode.codecs.fmtp import number, parameters
from voipnode.codecs.libav import NO_SOUND, LibavDecoder, LibavEncoder
from voipnode.codecs.opus_library import (
    BANDWIDTHS,
    MAX_PACKET_S,
    MAX_PAYLOAD,
    SET_BITRATE,
    SET_COMPLEXITY,
    SET_DTX,
    SET_INBAND_FEC,
    SET_MAX_BANDWIDTH,
    SET_PACKET_LOSS_PERC,
    SET_SIGNAL,
    SET_VBR,
    SIGNAL_VOICE,
    VOIP,
    OpusLibrary,
    address,
    contiguous,
    opus_library,
)
from voipnode.codecs.pcm import Samples

COMPLEXITY = 5  # of 10: half the time of 10, by ear the same speech
ASSUMED_LOSS_PERCENT = 10  # how much redundancy goes along: a Wi-Fi phone's bad day
MIN_BIT_RATE, MAX_BIT_RATE = 6_000, 510_000
# RFC 7587 §3.1.1: the upper ends of what it recommends for speech; by the rate of sound that the far side plays.
BIT_RATES = ((8000, 12_000), (16000, 20_000), (48000, 40_000))
FEC_SHARE = 1.4  # what the redundancy costs on top


@dataclass(frozen=True, slots=True)
class OpusWishes:
    """What the far side's decoder wants of our encoder (RFC 7587 §6.1); unknown or wild values count as unsaid."""

    bit_rate: int
    playback_hz: int
    fec: bool
    dtx: bool
    constant: bool

    @classmethod
    def of(cls, fmtp: str, rate_hz: int) -> OpusWishes:
        """What is left of an fmtp for sound of `rate_hz`."""
        said = parameters(fmtp)
        playback_hz = number(said, "maxplaybackrate") or 48000
        playback_hz = playback_hz if 8000 <= playback_hz <= 48000 else 48000
        fec = said.get("useinbandfec") == "1"
        heard_hz = min(rate_hz, playback_hz)
        bit_rate = next(bits for limit_hz, bits in BIT_RATES if heard_hz <= limit_hz) * (FEC_SHARE if fec else 1)
        most = number(said, "maxaveragebitrate")
        if most is not None and MIN_BIT_RATE <= most <= MAX_BIT_RATE:
            bit_rate = min(bit_rate, most)
        return cls(int(bit_rate), playback_hz, fec, said.get("usedtx") == "1", said.get("cbr") == "1")

    @property
    def bandwidth(self) -> int:
        """The widest band that makes full use of the far side's playback rate, as libopus numbers it."""
        return next(band for limit_hz, band in BANDWIDTHS if self.playback_hz <= limit_hz)


class OpusEncoder:
    """One stream's encoder. Raises `CodecError` where libopus refuses."""

    def __init__(self, library: OpusLibrary, rate_hz: int, fmtp: str) -> None:
        self._library = library
        error = ctypes.c_int()
        self._state = library.encoder_create(rate_hz, 1, VOIP, ctypes.byref(error))
        if not self._state:
            raise CodecError(f"libopus makes no encoder of {rate_hz} Hz: error {error.value}")
        self._payload = ctypes.create_string_buffer(MAX_PAYLOAD)
        wishes = OpusWishes.of(fmtp, rate_hz)
        for setting, value in (
            (SET_BITRATE, wishes.bit_rate),
            (SET_VBR, not wishes.constant),
            (SET_COMPLEXITY, COMPLEXITY),
            (SET_INBAND_FEC, wishes.fec),
            (SET_PACKET_LOSS_PERC, ASSUMED_LOSS_PERCENT if wishes.fec else 0),
            (SET_DTX, wishes.dtx),
            (SET_SIGNAL, SIGNAL_VOICE),
            (SET_MAX_BANDWIDTH, wishes.bandwidth),
        ):
            library.encoder_ctl(self._state, setting, ctypes.c_int(int(value)))

    def __del__(self) -> None:
        if getattr(self, "_state", None):
            self._library.encoder_destroy(self._state)

    def encode_frame(self, frame: Samples) -> bytes:
        frame = contiguous(frame)
        size = self._library.encode(self._state, address(frame), len(frame), self._payload, MAX_PAYLOAD)
        # "If the return value is 2 bytes or less, then the packet does not need to be transmitted (DTX)" (opus_encode).
        return self._payload.raw[:size] if size > 2 else b""


class OpusDecoder:
    """One stream's decoder; of stereo it gives the mean of both channels. Raises `CodecError` where libopus refuses."""

    def __init__(self, library: OpusLibrary, rate_hz: int) -> None:
        self._library = library
        error = ctypes.c_int()
        self._state = library.decoder_create(rate_hz, 1, ctypes.byref(error))
        if not self._state:
            raise CodecError(f"libopus makes no decoder of {rate_hz} Hz: error {error.value}")
        self._step = rate_hz // 400  # 2.5 ms: what the library counts in
        self._sound: Samples = np.zeros(int(rate_hz * MAX_PACKET_S), np.float32)
        self._at = address(self._sound)

    def __del__(self) -> None:
        if getattr(self, "_state", None):
            self._library.decoder_destroy(self._state)

    def decode_frame(self, payload: bytes) -> Samples:
        if not payload:
            return NO_SOUND
        return self._taken(self._library.decode(self._state, payload, len(payload), self._at, len(self._sound), 0))

    def conceal(self, count: int) -> Samples | None:
        return self._missing(None, count)

    def decode_fec(self, payload: bytes, count: int) -> Samples | None:
        return self._missing(payload, count) if payload else None

    def _missing(self, payload: bytes | None, count: int) -> Samples | None:
        """ "frame_size has to be exactly the duration of audio that is missing", in steps of 2.5 ms (opus_decode)."""
        whole = -(-count // self._step) * self._step
        if not 0 < whole <= len(self._sound):
            return None
        size = 0 if payload is None else len(payload)
        filled = self._library.decode(self._state, payload, size, self._at, whole, int(payload is not None))
        return self._taken(filled)[:count] if filled == whole else None

    def _taken(self, count: int) -> Samples:
        """What the library wrote; nothing where it returned an error."""
        return self._sound[:count].copy() if count > 0 else NO_SOUND


def _encoder(rate_hz: int, ptime_ms: int, fmtp: str) -> Encoder:
    library = opus_library()
    if library is None:
        return LibavEncoder("libopus", rate_hz, ptime_ms, bit_rate=OpusWishes.of(fmtp, rate_hz).bit_rate)
    return OpusEncoder(library, rate_hz, fmtp)


def _decoder(rate_hz: int) -> Decoder:
    library = opus_library()
    return LibavDecoder("libopus", rate_hz) if library is None else OpusDecoder(library, rate_hz)


def _fmtp(limit_hz: int) -> str:
    """What we say: sound above the house's rate would be thrown away, from us comes none."""
    rate = "" if limit_hz >= 48000 else f"maxplaybackrate={limit_hz};sprop-maxcapturerate={limit_hz};"
    return f"{rate}stereo=0;useinbandfec={int(opus_library() is not None)}"


OPUS = CodecType(
    name="opus",
    payload_type=None,
    clock_hz=48000,
    channels=2,  # "the number of channels MUST be 2", whatever is sent (RFC 7587 §7)
    rates_hz=(8000, 16000, 48000),
    ptimes_ms=(10, 20, 40, 60),
    cost_us=130,
    conceals=True,
    has_fec=True,
    has_dtx=True,
    fmtp_at=_fmtp,
    make_encoder=_encoder,
    make_decoder=_decoder,
)
