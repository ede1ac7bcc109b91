"""A party of a call through the node: its leg, what it may do, and which way its sound flows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from voipnode.calls.exchange.destination import OUTSIDE, Caller
from voipnode.calls.exchange.identity import NOBODY, Identity
from voipnode.calls.sip_leg import SipLeg
from voipnode.sipstack.audio import COMFORT_NOISE, STATIC_FORMATS, TELEPHONE_EVENT
from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.sdp import MediaDescription, SessionDescription, parse

_NO_CODECS = frozenset({COMFORT_NOISE.lower(), TELEPHONE_EVENT.lower(), "red"})


class Flow(NamedTuple):
    """Which way sound is to flow, as a party sees it."""

    sends: bool = True
    receives: bool = True

    @property
    def direction(self) -> str:
        """What the other party is told: it is sent what this one sends (RFC 3264 §5.1, from where the node stands)."""
        if self.sends:
            return "sendrecv" if self.receives else "sendonly"
        return "recvonly" if self.receives else "inactive"


BOTH = Flow()


@dataclass(slots=True, eq=False)
class Party:
    """One end of a call through the node.

    `offer`: of a caller, what its INVITE offered. `wants`: which way it wants sound to flow, as far as it has said;
    `told`: what it was last told of the other party's wish. `settled`: its codec is agreed on, and known to it. `key`:
    which recipient of a group it was rung for.
    """

    leg: SipLeg
    name: str
    who: Caller = OUTSIDE
    identity: Identity = NOBODY
    offer: bytes | None = None
    wants: Flow = BOTH
    told: Flow = BOTH
    settled: bool = False
    key: int = 0

    @property
    def session(self) -> str:
        return self.leg.session

    @property
    def codec(self) -> str:
        """What it speaks now; "" before that was agreed on."""
        return "" if self.leg.agreed is None else self.leg.agreed.format.name

    @property
    def codecs(self) -> tuple[str, ...]:
        """What it speaks, best first: what was agreed, then what it offered."""
        settled = (self.codec,) if self.settled and self.codec else ()
        return (*settled, *(name for name in codecs_of(self.offer) if name not in settled))

    def offered(self, body: bytes | None) -> None:
        """It made this offer: its wish is what that says."""
        self.wants = flow_of(body) or self.wants

    def answered(self, body: bytes | None) -> None:
        """It answered an offer of ours: what that did not let it wish for is not taken for its wish."""
        said, self.settled = flow_of(body), True
        if said is not None:
            self.wants = Flow(
                said.sends if self.told.receives else self.wants.sends,
                said.receives if self.told.sends else self.wants.receives,
            )


def flow_of(body: bytes | None) -> Flow | None:
    """Which way the writer of this description wants its audio to flow; None where it says nothing of that."""
    found = _audio(body)
    if found is None:
        return None
    description, media = found
    connection = description.connection_of(media)
    direction = description.direction_of(media)
    nowhere = connection is not None and connection.ip is not None and connection.ip.is_unspecified
    # 0.0.0.0 is a hold of old (RFC 3264 §8.4).
    return Flow(direction.sends, direction.receives and not nowhere)


def codecs_of(body: bytes | None) -> tuple[str, ...]:
    """The names of the codecs in a description, in its order."""
    found = _audio(body)
    if found is None:
        return ()
    media = found[1]
    maps = {number: each.name for number, each in media.rtpmaps().items()}
    static = {number: each.name for number, each in STATIC_FORMATS.items()}
    numbers = [int(text) for text in media.formats if text.isdigit()]
    names = [maps.get(number) or static.get(number) or "" for number in numbers]
    return tuple(dict.fromkeys(name for name in names if name and name.lower() not in _NO_CODECS))


def _audio(body: bytes | None) -> tuple[SessionDescription, MediaDescription] | None:
    if not body:
        return None
    try:
        description = parse(body)
    except ParseError:
        return None  # whoever answers it says so
    media = next((each for each in description.media if each.kind == "audio" and each.port), None)
    return None if media is None else (description, media)
