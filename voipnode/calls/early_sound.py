"""The sound of a call that rings out: of the phones that send some before they answer, or of a ringing made here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from voipnode.calls.hooks import Frame
from voipnode.calls.sip_leg import SipLeg
from voipnode.dsp.frames import FRAMES_PER_S
from voipnode.media.bridge import FrameEncoder, FramePort

Policy = Literal["first", "last", "heard", "ringback"]


class LocalRinging(Protocol):
    """What is made here: a tone in its cadence, or a clip."""

    def run_at(self, rate_hz: int) -> None: ...

    def pull(self, now: float) -> Frame: ...


@dataclass(slots=True, eq=False)
class EarlyLeg:
    """A leg whose SDP before its answer is in force, and when its sound was last heard. `since`: for how long."""

    leg: SipLeg
    since: float
    packets: int = 0
    first_at: float | None = None
    heard_at: float | None = None

    def listen(self, now: float) -> None:
        packets = self.leg.stream.packets_received
        if packets != self.packets:
            self.packets, self.heard_at = packets, now
            if self.first_at is None:
                self.first_at = now


class EarlySound(FramePort):
    """One call's sound before its answer, as one party on the bridge at the door.

    Of the legs that send, the visitor hears one: the first or last that offered any, or the first that was `heard`, by
    `policy`. One that has not sent for `silent_after_s` gives way to the next that has, until it sends again. While
    nobody does and a phone rings, the ringing made here is heard (RFC 3960 §3.2). The legs hear silence, which opens
    the way back through NAT (RFC 4961), or with `microphone` the visitor, where they are proven to be whom we called:
    coded once for all.
    """

    def __init__(
        self, local: LocalRinging | None, policy: Policy, silent_after_s: float, *, microphone: bool = False
    ) -> None:
        self.ringing: set[str] = set()  # sessions that are told to ring
        self._local = local
        self.made_for: object = None  # whose ringing that is
        self._policy: Policy = policy
        self._silent_after_s = silent_after_s
        self._microphone = microphone
        self._legs: list[EarlyLeg] = []
        self._run(8000)

    @property
    def local(self) -> LocalRinging | None:
        """The ringing made here; may be set at any time."""
        return self._local

    @local.setter
    def local(self, local: LocalRinging | None) -> None:
        self._local = local
        if local is not None:
            local.run_at(self._rate_hz)

    @property
    def takes_sound(self) -> bool:
        """Whether a leg's sound before its answer is of any use: it is heard, or hears."""
        return self._policy != "ringback" or self._microphone

    @property
    def wanted(self) -> bool:
        """Whether there is anything to be heard."""
        return bool(self._legs) or (bool(self.ringing) and self._local is not None)

    @property
    def opens_microphone(self) -> bool:
        """Whether anybody hears the visitor by it."""
        return self._microphone and any(each.leg.proven for each in self._legs)

    @property
    def codec_rate_hz(self) -> int:
        local = getattr(self._local, "codec_rate_hz", 0)  # a clip's; a tone fits into any
        return max([local if self.ringing else 0, *(each.leg.codec_rate_hz for each in self._legs)])

    @property
    def legs(self) -> tuple[SipLeg, ...]:
        """The legs that send or hear sound before their answer, in the order in which they offered it."""
        return tuple([each.leg for each in self._legs])

    def add(self, leg: SipLeg, now: float) -> None:
        """A leg's SDP came into force."""
        self._legs = [*self._legs, EarlyLeg(leg, now)]
        leg.run_at(self._rate_hz)

    def remove(self, leg: SipLeg) -> None:
        """It is gone, or has answered."""
        self._legs = [each for each in self._legs if each.leg is not leg]

    # As a port of the bridge

    def run_at(self, rate_hz: int) -> None:
        self._run(rate_hz)
        for each in self._legs:
            each.leg.run_at(rate_hz)
        if self._local is not None:
            self._local.run_at(rate_hz)

    def _run(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._silence: Frame = np.zeros(rate_hz // FRAMES_PER_S, np.float32)

    def skip(self, count: int) -> None:
        for each in self._legs:
            each.leg.skip(count)

    def pull(self, now: float) -> Frame:
        said = {id(each): each.leg.pull(now) for each in self._legs}  # all of them: what nobody hears must not pile up
        for each in self._legs:
            each.listen(now)
        chosen = self._choose(now)
        if chosen is not None and self._sounds(chosen, now):
            return said[id(chosen)]
        if self._local is not None and self.ringing:
            return self._local.pull(now)
        return self._silence if chosen is None else said[id(chosen)]

    def _choose(self, now: float) -> EarlyLeg | None:
        """Whose turn it is: the first in the order of the policy that sounds, or may soon; else the first of all."""
        if self._policy == "ringback" or not self._legs:
            return None
        order = self._legs
        if self._policy == "last":
            order = order[::-1]
        elif self._policy == "heard":
            order = sorted(order, key=lambda each: now if each.first_at is None else each.first_at)
        return next((each for each in order if self._may_sound(each, now)), order[0])

    def _sounds(self, each: EarlyLeg, now: float) -> bool:
        return each.heard_at is not None and now - each.heard_at < self._silent_after_s

    def _may_sound(self, each: EarlyLeg, now: float) -> bool:
        return now - (each.since if each.heard_at is None else each.heard_at) < self._silent_after_s

    def push(self, frame: Frame, now: float) -> None:
        hears = [each.leg for each in self._legs if self._microphone and each.leg.proven]
        _tell(hears, frame, now)
        _tell([each.leg for each in self._legs if each.leg not in hears], self._silence, now)

    def send(self, now: float) -> None:
        for each in self._legs:
            each.leg.send(now)


def _tell(legs: Sequence[SipLeg], frame: Frame, now: float) -> None:
    """Say the same to all; coded once for those that can share it."""
    coded: dict[FrameEncoder, bytes] = {}
    for leg in legs:
        encoder = leg.shared_encoder
        if encoder is None:
            leg.push(frame, now)
            continue
        if encoder not in coded:
            coded[encoder] = encoder.encode_frame(frame)
        leg.push_coded(coded[encoder], now)
