"""A room joins SIP legs: packets from leg to leg where both speak the same codec, a bridge of frames otherwise.

    nobody proven           IDLE      nothing flows, no clock
    two of one codec        PACKETS   as they come, undecoded: no jitter buffer, no clock
    one, three, a tap,      FRAMES    a bridge, by the media clock
    two of other codecs
    with the door           DOOR      the door's own bridge, with whoever else is there

A party that has not proven where it is neither hears nor is heard, as at the door. It is there again with the next
`fit`, which whoever signals calls after every change of a leg.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from voipnode.calls.core import CallCore
from voipnode.calls.digit_roads import DigitRoads
from voipnode.calls.door_bridge import DoorBridge
from voipnode.calls.errors import NotNowError
from voipnode.calls.exchange.one_way import OneWay
from voipnode.calls.hooks import Frame
from voipnode.calls.ports import Ticker
from voipnode.calls.sip_leg import SipLeg
from voipnode.media.bridge import LOWEST_HZ, Bridge, Tap
from voipnode.media.relay import PacketRelay, Passage, passage

log = logging.getLogger(__name__)

_SILENCE: Frame = np.zeros(LOWEST_HZ // 100, np.float32)
_SILENCE.flags.writeable = False


class Exchange(Enum):
    """How a room's parties hear each other."""

    IDLE = "idle"
    PACKETS = "packets"
    FRAMES = "frames"
    DOOR = "door"


@dataclass(frozen=True, slots=True)
class _Link:
    """Two legs that exchange packets, and how each one's go on to the other."""

    legs: tuple[SipLeg, SipLeg]
    ways: tuple[Passage, Passage]  # of the first one's packets, of the second one's


@dataclass(frozen=True, slots=True)
class _Place:
    """What a party does in the room."""

    port: SipLeg | OneWay
    both_ways: bool


class Room:
    """Joins legs that are parties of one call, or of one conference.

    `highest_hz`: the best rate of sound that its bridge runs at. `door`: the parties stand at the door with whoever is
    there. `now` is the engine's time in seconds. A leg is to be taken out before it is closed.
    """

    def __init__(
        self, clock: Ticker, roads: DigitRoads, *, highest_hz: int = LOWEST_HZ, door: DoorBridge | None = None
    ) -> None:
        self._clock = clock
        self._roads = roads
        self._door = door
        self._places: dict[SipLeg, _Place] = {}
        self._highest_hz = highest_hz
        self._bridge = Bridge(highest_hz)
        self._there: dict[SipLeg, SipLeg | OneWay] = {}  # who is on a bridge, and as what
        self._link: _Link | None = None
        self._unfit: _Link | None = None  # one whose parties turned out to speak otherwise than agreed on first
        self._taps: list[tuple[SipLeg, Tap]] = []
        self._tapped: list[Callable[[], None]] = []
        self._unsubscribe: Callable[[], None] | None = None

    @classmethod
    def of(cls, core: CallCore, *, with_door: bool = False) -> Room:
        """A room of the switch whose core this is."""
        door = core.door
        return cls(door.clock, DigitRoads(core), highest_hz=door.highest_hz, door=door if with_door else None)

    @property
    def legs(self) -> tuple[SipLeg, ...]:
        """Who is in the room, heard or not, in the order they came."""
        return tuple(self._places)

    @property
    def at_door(self) -> bool:
        """Whether the door takes part."""
        return self._door is not None

    @property
    def exchange(self) -> Exchange:
        """How they hear each other now."""
        if self._link is not None:
            return Exchange.PACKETS
        if not self._there:
            return Exchange.IDLE
        return Exchange.FRAMES if self._door is None else Exchange.DOOR

    # -- the three verbs

    def join(self, leg: SipLeg, now: float, *, hears: bool = True, speaks: bool = True) -> None:
        """Let the leg hear the others and be heard by them, or one of both; one that is here stays as it is."""
        if leg not in self._places:
            both = hears and speaks
            self._places[leg] = _Place(leg if both else OneWay(leg, hears=hears, speaks=speaks), both)
        self.fit(now)

    def leave(self, leg: SipLeg, now: float) -> None:
        """Take the leg out, with its taps; does nothing when it is not here."""
        if self._places.pop(leg, None) is not None:
            self._taps = [(other, tap) for other, tap in self._taps if other is not leg]
            self.fit(now)

    def fit(self, now: float) -> None:
        """A leg may speak another codec now, be held or be proven: have all hear each other in the cheapest way."""
        present = [leg for leg in self._places if leg.proven and leg.carries_audio]
        link = self._link_of(present)
        if link is not None and link != self._unfit:
            self._unfit = None
            self._exchange_packets(link)
        else:
            self._exchange_frames(present)

    # -- besides

    def tap(self, leg: SipLeg, tap: Tap, now: float) -> Callable[[float], None]:
        """Let `tap` hear what the leg says, in frames (`Bridge.tap`), for as long as it is here; the returned function
        ends it."""
        entry = (leg, tap)
        self._taps = [*self._taps, entry]
        self.fit(now)

        def cancel(now: float) -> None:
            self._taps = [other for other in self._taps if other is not entry]
            self.fit(now)

        return cancel

    def digit(self, leg: SipLeg, digit: str, road: str) -> None:
        """The leg pressed a key, of which the node was told by that road: where two talk, the other one shall have it
        as well, once and by a road of its own. How fast they may come is for the caller to limit."""
        others = [other for other in self._places if other is not leg and other.proven and other.carries_audio]
        if len(others) != 1 or self._door is not None or road == "inband" or not leg.carries_audio:
            return  # a tone is heard by itself; among several, keys are for the node alone
        (other,) = others
        if road == "rtp" and self._packets_bring_digits(leg):
            return
        try:
            self._roads.send(other, digit)
        except NotNowError as error:
            log.debug("key %s of %s is not passed on to %s: %s", digit, leg.remote, other.remote, error)
            return
        if self._link is not None and other.stream.digits_waiting:
            other.run_at(LOWEST_HZ)
            self._start_ticking()

    def _packets_bring_digits(self, leg: SipLeg) -> bool:
        link = self._link
        if link is None:
            return False
        way = link.ways[0 if link.legs[0] is leg else 1]
        return way.event in way.numbers

    # -- packets

    def _link_of(self, present: list[SipLeg]) -> _Link | None:
        """How those who are there could exchange packets; None: frames are needed."""
        if len(present) != 2 or self._taps or self._door is not None:
            return None
        if not all(self._places[leg].both_ways and leg.inband is None for leg in present):  # which listens to frames
            return None
        a, b = present
        there, back = self._way(a, b), self._way(b, a)
        return _Link((a, b), (there, back)) if there is not None and back is not None else None

    def _way(self, source: SipLeg, target: SipLeg) -> Passage | None:
        heard, told = source.stream.config, target.stream.config
        if heard is None or told is None:
            return None
        return passage(heard, told, events=self._roads.of(target) == "rtp")

    def _exchange_packets(self, link: _Link) -> None:
        if link == self._link:
            return
        self._part()
        self._link = link
        for source, target, way in zip(link.legs, reversed(link.legs), link.ways, strict=True):
            source.relay_to(PacketRelay(way, target.stream, target.send_now, self._on_foreign))

    def _on_foreign(self, now: float) -> None:
        """One of them changed to a codec that the other does not take: from here on it is coded anew."""
        self._unfit = self._link
        self.fit(now)

    def _part(self) -> None:
        """Nobody hears anybody."""
        self._stop_ticking()
        if self._link is not None:
            for leg in self._link.legs:
                leg.relay_to(None)
            self._link = None
        self._untap()
        for leg in list(self._there):
            self._take_off(leg)

    # -- frames

    def _exchange_frames(self, present: list[SipLeg]) -> None:
        if self._link is not None:
            self._part()
        self._untap()
        for leg in [leg for leg in self._there if leg not in present]:
            self._take_off(leg)
        for leg in present:
            self._put_on(leg)
        if self._door is None:
            self._bridge.fit()
            self._tapped = [self._bridge.tap(self._there[leg], tap) for leg, tap in self._taps if leg in self._there]
            if self._there:
                self._start_ticking()
            else:
                self._stop_ticking()

    def _put_on(self, leg: SipLeg) -> None:
        port = self._places[leg].port
        if self._door is not None:
            hears = self._places[leg].both_ways or (isinstance(port, OneWay) and port.hears)
            self._door.join(port, leg.account.sound_wishes if hears else None)
        elif leg not in self._there:
            if not self._there:  # one that has rested would make up for the time
                self._bridge = Bridge(self._highest_hz)
            self._bridge.join(port)
        self._there[leg] = port

    def _take_off(self, leg: SipLeg) -> None:
        port = self._there.pop(leg)
        if self._door is not None:
            self._door.leave(port)
        else:
            self._bridge.leave(port)

    def _untap(self) -> None:
        for cancel in self._tapped:
            cancel()
        self._tapped = []

    # -- time

    def _start_ticking(self) -> None:
        if self._unsubscribe is None:
            self._unsubscribe = self._clock.subscribe(self._tick)

    def _stop_ticking(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def _tick(self, now: float) -> None:
        if self._link is not None:
            self._pace_digits(self._link, now)
            return
        self._bridge.tick(now)
        for port in self._there.values():
            port.send(now)

    def _pace_digits(self, link: _Link, now: float) -> None:
        """Our own digits between packets go by the clock, whether packets come or not."""
        waiting = [leg for leg in link.legs if leg.stream.digits_waiting]
        for leg in waiting:
            leg.push(_SILENCE, now)
            leg.send(now)
        if not waiting:
            self._stop_ticking()
