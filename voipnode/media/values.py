"""What goes into an audio stream and comes out of it, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

Addr: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamConfig:
    """What offer and answer agreed on for one audio stream (RFC 3264).

    `codec` and `payload_type` are what we send. `receive_codecs` maps every audio payload type that we said we accept
    to its codec: the far side may switch between them at any packet (RFC 3264 §5.1); empty means just ours. Codecs are
    named as `codecs.registry.find_codec` knows them ("PCMU", "L16/16000"). `fmtp`: what the far side's decoder wants of
    what we send. `noise_payload_type`: pauses are left out, and their noise is described under that number (RFC 3389).
    The two event payload types are telephone-event's (RFC 4733), None where it was not negotiated.
    `ptime_ms` is a multiple of 10 from 10 to 200. `remote_rtp`, `remote_rtcp`: where the peer's SDP wants packets;
    None before it is known. `send`, `receive`: the direction seen from here (sendrecv, sendonly, recvonly, inactive).
    `rtcp_reduced_size`: the far side may send RTCP packets alone (RFC 5506). `voip_metrics`: it wants to be told how
    the call is heard here (RFC 3611).
    `peer_hosts`: the hosts besides that of `remote_rtp` from which the peer's packets may come, None = any: a telephone
    behind NAT does not know its address. `held`: the far side holds the call, and may say nothing meanwhile.
    """

    codec: str = "PCMU"
    payload_type: int = 0
    fmtp: str = ""
    receive_codecs: Mapping[int, str] = field(default_factory=dict)
    event_payload_type: int | None = None
    event_receive_payload_type: int | None = None
    noise_payload_type: int | None = None
    ptime_ms: int = 20
    remote_rtp: Addr | None = None
    remote_rtcp: Addr | None = None
    send: bool = True
    receive: bool = True
    peer_hosts: frozenset[str] | None = None
    held: bool = False
    rtcp_reduced_size: bool = False
    voip_metrics: bool = False


@dataclass(frozen=True, slots=True)
class StreamIdentity:
    """The random values of a stream, from the caller's entropy (RFC 3550 §5.1, §6.5.1).

    `ssrc` and `first_timestamp` are 32 random bits, `first_sequence` 16; `cname` is the same for all streams of the
    node ("user@host" or a random token, RFC 7022), 1 to 255 bytes.
    """

    ssrc: int
    first_sequence: int
    first_timestamp: int
    cname: str


class MediaPacket(NamedTuple):
    """One datagram on its way out; `rtcp` says from which of the two ports it leaves.

    `stream`: what it leaves by instead, None = the port: from 0 on a connection to a relay, below 0 the same port of
    another address of this host.
    """

    data: bytes
    remote: Addr
    rtcp: bool = False
    stream: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStats:
    """How a stream fares. Counters run from its start; `*_ms` are milliseconds; None = not known (yet).

    `lost` counts packets that never came (RFC 3550 A.3); `remote_*` is what the far
    side reported about our packets. `delay_ms` is what the jitter buffer holds back, arrival to playout. `mos` is how
    the far side sounds here (`quality`), with delay; `remote_mos` how we sound there, where it says so (RFC 3611).
    """

    packets_sent: int
    bytes_sent: int
    packets_received: int
    bytes_received: int
    lost: int
    late: int  # came, but after their time
    duplicates: int
    malformed: int  # not RTP or RTCP, or with a payload type that was not negotiated
    strangers: int  # from an address or source that is not the peer's
    jitter_ms: float
    delay_ms: float
    concealed_ms: float
    stretched_ms: float  # sound inserted to grow the delay
    squeezed_ms: float  # sound left out to shrink it
    round_trip_ms: float | None
    remote_lost: int | None
    remote_jitter_ms: float | None
    replayed: int = 0  # SRTP: came before, or too late to tell
    forged: int = 0  # SRTP: not protected by the peer's keys
    undecipherable: int = 0  # SRTP: in the clear or cut off; before there were keys, or after their lifetime
    discarded: int = 0  # came too late to be played; the latest packets are not counted yet
    loss_bursts: int = 0  # stretches in which losses followed each other closely (RFC 3611 §4.7.2)
    mos: float | None = None
    remote_mos: float | None = None
