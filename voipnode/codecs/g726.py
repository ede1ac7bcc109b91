"""ITU-T G.726 at 32 kbit/s (ADPCM, 4 bits a sample), to the bit as the recommendation has it.

Each sample is predicted from the two before it and from the last six differences; what is sent is the logarithm of the
difference over a step that follows the signal. Names in capitals are the recommendation's blocks (§4.2). Every sample
needs the one before it, so this loops over samples and is slow: the registry says how slow. FFmpeg's codec of the name
was tried and drifts away from the recommendation's arithmetic (SpanDSP's agrees with this one to the bit).
"""

from __future__ import annotations

import numpy as np

from voipnode.codecs.codec import Unaided
from voipnode.codecs.pcm import FULL_SCALE, Samples, to_pcm

_LEVELS = (-124, 80, 178, 246, 300, 349, 400)  # QUAN, Table 7: decision levels of the normalised logarithm
_DIFFERENCES = (-2048, 4, 135, 213, 273, 323, 373, 425)  # RECONST, Table 11, by magnitude
_MULTIPLIERS = (-12, 18, 41, 64, 112, 198, 355, 1122)  # FUNCTW, Table 14
_SPEEDS = (0, 0, 0, 0x200, 0x200, 0x200, 0x600, 0xE00)  # FUNCTF, Table 15
_ZERO = 0x20  # nothing, in the floating format of FLOATA and FLOATB: exponent, and a mantissa of six bits
_MINUS = 0x400


class _Adaptation:
    """What encoder and decoder know alike after each codeword."""

    def __init__(self) -> None:
        self._fast, self._slow = 544, 34816  # yu, yl: scale factors
        self._short = self._long = 0  # dms, dml: means of the codewords' magnitude
        self._speed = 0  # ap
        self._a = [0, 0]  # of the poles
        self._b = [0, 0, 0, 0, 0, 0]  # of the zeroes
        self._signs = [False, False]  # pk: of the last partial signals
        self._before = [_ZERO] * 6  # dq: differences
        self._said = [_ZERO] * 2  # sr: reconstructed signals
        self._tone = False

    def estimate(self) -> tuple[int, int]:
        """ACCUM: sezi and sei before they are halved, by zeroes alone and by both."""
        zeroes = 0
        for weight, value in zip(self._b, self._before, strict=True):
            zeroes += _product(weight >> 2, value)
        poles = _product(self._a[1] >> 2, self._said[1]) + _product(self._a[0] >> 2, self._said[0])
        return zeroes >> 1, (zeroes + poles) >> 1

    def scale(self) -> int:
        """MIX: the step's logarithm, between the slow and the fast one."""
        if self._speed >= 256:
            return self._fast
        slow, share = self._slow >> 6, self._speed >> 2
        rest = (self._fast - slow) * share
        return slow + (rest >> 6 if rest > 0 else (rest + 0x3F) >> 6)

    def update(self, code: int, scale: int, by_zeroes: int, by_both: int) -> int:
        """Take a codeword; the reconstructed sample, of 14 bits and a little more when it overloads."""
        magnitude = (15 - code if code & 8 else code) & 7
        negative = bool(code & 8)
        difference = self._reconstruct(magnitude, scale)
        said = by_both - (difference & 0x3FFF) if negative else by_both + difference
        partial = said + by_zeroes - by_both
        leaps = self._leaps(difference)
        # FUNCTW, FILTD, LIMB, FILTE
        self._fast = max(544, min(5120, scale + (((_MULTIPLIERS[magnitude] << 5) - scale) >> 5)))
        self._slow += self._fast + (-self._slow >> 6)
        if leaps:
            self._a, self._b = [0, 0], [0] * 6
            self._tone = False
        else:
            self._adapt_poles(partial)
            self._adapt_zeroes(difference, negative)
            self._tone = self._a[1] < -11776  # TONE
        self._signs = [partial < 0, self._signs[0]]
        self._before = [_floating(difference, negative), *self._before[:5]]
        self._said = [_floating(abs(said), said < 0) if said > -32768 else _ZERO - _MINUS, self._said[0]]
        self._adapt_speed(_SPEEDS[magnitude], scale, leaps)
        return said

    def _reconstruct(self, magnitude: int, scale: int) -> int:
        """ADDA, ANTILOG."""
        logarithm = _DIFFERENCES[magnitude] + (scale >> 2)
        if logarithm < 0:
            return 0
        return (128 + (logarithm & 127) << 7) >> (14 - (logarithm >> 7 & 15))

    def _leaps(self, difference: int) -> bool:
        """TRANS: a modem's tone has changed to another, so that all that was learnt is in the way."""
        if not self._tone:
            return False
        whole = self._slow >> 15
        threshold = 31 << 10 if whole > 9 else (32 + (self._slow >> 10 & 31)) << whole
        return difference > (threshold + (threshold >> 1)) >> 1

    def _adapt_poles(self, partial: int) -> None:
        first, second = self._a
        turned, turned_before = (partial < 0) != self._signs[0], (partial < 0) != self._signs[1]
        second -= second >> 7
        if partial:
            # UPA2, LIMC
            pull = first if turned else -first
            second += -0x100 if pull < -8191 else 0xFF if pull > 8191 else pull >> 5
            second = max(-12288, min(12288, second + (-0x80 if turned_before else 0x80)))
        # UPA1, LIMD
        first -= first >> 8
        if partial:
            first += -192 if turned else 192
        limit = 15360 - second
        self._a = [max(-limit, min(limit, first)), second]

    def _adapt_zeroes(self, difference: int, negative: bool) -> None:
        """XOR, UPB."""
        if not difference:
            self._b = [weight - (weight >> 8) for weight in self._b]
            return
        self._b = [
            weight - (weight >> 8) + (128 if negative == (value < 0) else -128)
            for weight, value in zip(self._b, self._before, strict=True)
        ]

    def _adapt_speed(self, speed: int, scale: int, leaps: bool) -> None:
        """FILTA, FILTB, SUBTC, FILTC, TRIGA."""
        self._short += (speed - self._short) >> 5
        self._long += ((speed << 2) - self._long) >> 7
        if leaps:
            self._speed = 256
        elif scale < 1536 or self._tone or abs((self._short << 2) - self._long) >= self._long >> 3:
            self._speed += (0x200 - self._speed) >> 4
        else:
            self._speed += -self._speed >> 4


def _product(weight: int, value: int) -> int:
    """FMULT: a predictor's coefficient times a signal in the floating format."""
    magnitude = weight if weight > 0 else -weight & 0x1FFF
    exponent = magnitude.bit_length() - 6
    mantissa = (magnitude >> exponent if exponent >= 0 else magnitude << -exponent) or 32
    shift = exponent + (value >> 6 & 15) - 13
    product = (mantissa * (value & 63) + 0x30) >> 4
    product = (product << shift) & 0x7FFF if shift >= 0 else product >> -shift
    return -product if (weight < 0) != (value < 0) else product


def _floating(magnitude: int, negative: bool) -> int:
    """FLOATA, FLOATB: four bits of exponent, six of mantissa."""
    exponent = magnitude.bit_length()
    value = (exponent << 6) + (magnitude << 6 >> exponent) if magnitude else _ZERO
    return value - _MINUS if negative else value


class G726Encoder:
    """One stream's encoder. `low_first`: the first codeword of an octet is in its low bits, as RFC 3551 §4.5.4 packs
    them; False: in its high bits, as ITU-T I.366.2 Annex E does for AAL2."""

    def __init__(self, *, low_first: bool) -> None:
        self._low_first = low_first
        self._adaptation = _Adaptation()

    def encode_frame(self, frame: Samples) -> bytes:
        codes = np.fromiter(map(self._code, (to_pcm(frame) >> 2).tolist()), np.uint8, count=len(frame))
        low, high = (codes[::2], codes[1::2]) if self._low_first else (codes[1::2], codes[::2])
        return (high << 4 | low).tobytes()

    def _code(self, sample: int) -> int:
        """One sample of 14 bits: SUBTA, LOG, SUBTB, QUAN."""
        adaptation = self._adaptation
        by_zeroes, by_both = adaptation.estimate()
        scale = adaptation.scale()
        difference = sample - by_both
        magnitude = abs(difference)
        exponent = (magnitude >> 1).bit_length()
        logarithm = (exponent << 7) + ((magnitude << 7 >> exponent) & 0x7F) - (scale >> 2)
        level = 0
        while level < 7 and logarithm >= _LEVELS[level]:
            level += 1
        code = 15 - level if difference < 0 or not level else level
        adaptation.update(code, scale, by_zeroes, by_both)
        return code


class G726Decoder(Unaided):
    """One stream's decoder; every octet is two codewords, whatever it is."""

    def __init__(self, *, low_first: bool) -> None:
        self._low_first = low_first
        self._adaptation = _Adaptation()

    def decode_frame(self, payload: bytes) -> Samples:
        octets = np.frombuffer(payload, np.uint8)
        halves = (octets & 15, octets >> 4) if self._low_first else (octets >> 4, octets & 15)
        codes = np.stack(halves, axis=1).reshape(-1).tolist()
        samples = np.fromiter(map(self._sample, codes), np.float32, count=len(codes))
        scaled: Samples = np.clip(samples * 4, -32768, 32767) / FULL_SCALE
        return scaled

    def _sample(self, code: int) -> int:
        by_zeroes, by_both = self._adaptation.estimate()
        return self._adaptation.update(code, self._adaptation.scale(), by_zeroes, by_both)
