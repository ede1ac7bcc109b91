"""What a codec is to the rest of the node: a type with its capability and cost, its encoders and its decoders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from voipnode.codecs.pcm import Samples


class Encoder(Protocol):
    """One stream's way out: sound in, payloads out."""

    def encode_frame(self, frame: Samples) -> bytes:
        """One packet time of float32 samples, full scale 1.0 (louder is clipped), as its payload; b"" where nothing is
        to be sent (discontinuous transmission). The frame is neither kept nor changed."""
        ...


class Decoder(Protocol):
    """One stream's way in. A decoder with state (`CodecType.stateful`) wants payloads in the order in which they were
    encoded, and to be told of gaps."""

    def decode_frame(self, payload: bytes) -> Samples:
        """float32 samples, full scale 1.0; a new array. Takes any bytes without raising: what is no payload is no
        sound."""
        ...

    def conceal(self, count: int) -> Samples | None:
        """`count` samples in place of a packet that is lost, from the codec's own memory; None where it has no
        concealment of its own (`CodecType.conceals` is False)."""
        ...

    def decode_fec(self, payload: bytes, count: int) -> Samples | None:
        """The last `count` samples before those of `payload`, from the redundancy in it; None where there is none.
        To be called instead of `conceal` and before `decode_frame(payload)`."""
        ...


class Unaided:
    """For decoders whose codec has neither concealment nor redundancy: `dsp.concealment` serves them."""

    def conceal(self, count: int) -> Samples | None:
        return None

    def decode_fec(self, payload: bytes, count: int) -> Samples | None:
        return None


EncoderMaker: TypeAlias = Callable[[int, int, str], Encoder]
"""rate_hz, ptime_ms and the far side's fmtp."""
DecoderMaker: TypeAlias = Callable[[int], Decoder]
"""rate_hz."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecType:
    """One payload format with what it can do and what it costs; constant, shared by all streams.

    `name`, `clock_hz` and `channels` are its rtpmap (RFC 4855), `payload_type` the static number or None (RFC 3551 §6).
    `clock_hz` counts RTP timestamps and differs from the sound's rate for G.722 (RFC 3551 §4.5.2) and Opus
    (RFC 7587 §4.1). `rates_hz`: the rates at which it takes and gives sound, ascending. `ptimes_ms`: packet times that
    its encoder makes; its decoder takes any. `fmtp_at` says what to tell of our decoder in a house of that rate.
    `conceals`, `has_fec`, `has_dtx`: its decoder fills gaps itself, finds redundancy in the next packet, its encoder
    may be silent. `speech` is False for comfort noise, which goes with a codec and is none. `cost_us`: processor time
    of encoding and decoding 20 ms of speech, at 16 kHz where it has that rate, as `benchmarks/codecs.py` measured it:
    to be compared with each other.
    """

    name: str
    payload_type: int | None
    clock_hz: int
    rates_hz: tuple[int, ...]
    cost_us: float
    make_encoder: EncoderMaker
    make_decoder: DecoderMaker
    channels: int = 1
    ptimes_ms: tuple[int, ...] = tuple(range(10, 201, 10))
    stateful: bool = True
    conceals: bool = False
    has_fec: bool = False
    has_dtx: bool = False
    speech: bool = True
    fmtp_at: Callable[[int], str] = lambda limit_hz: ""

    def rate_within(self, limit_hz: int) -> int:
        """The rate to run it at for a house that uses up to `limit_hz`: its highest up to that, else its lowest."""
        return max((rate for rate in self.rates_hz if rate <= limit_hz), default=self.rates_hz[0])

    def ptime_within(self, wanted_ms: int) -> int:
        """The packet time to send where `wanted_ms` was agreed: the longest up to that, else the shortest."""
        return max((ptime for ptime in self.ptimes_ms if ptime <= wanted_ms), default=self.ptimes_ms[0])

    def encoder(self, rate_hz: int, *, ptime_ms: int = 20, fmtp: str = "") -> Encoder:
        """An encoder for sound of `rate_hz` (one of `rates_hz`) in packets of `ptime_ms` (one of `ptimes_ms`), within
        what the far side's `fmtp` allows. Raises ValueError for a rate or packet time that it has not."""
        self._check_rate(rate_hz)
        if ptime_ms not in self.ptimes_ms:
            raise ValueError(f"{self.name} comes in packets of {self.ptimes_ms} ms, not of {ptime_ms}")
        return self.make_encoder(rate_hz, ptime_ms, fmtp)

    def decoder(self, rate_hz: int) -> Decoder:
        """A decoder that gives sound of `rate_hz` (one of `rates_hz`). Raises ValueError for a rate that it has not."""
        self._check_rate(rate_hz)
        return self.make_decoder(rate_hz)

    def _check_rate(self, rate_hz: int) -> None:
        if rate_hz not in self.rates_hz:
            raise ValueError(f"{self.name} has sound of {self.rates_hz} Hz, not of {rate_hz}")
