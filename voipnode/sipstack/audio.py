"""The values that an audio negotiation takes and gives: formats, our own side, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.ice_attributes import LocalIce, RemoteIce
from voipnode.sipstack.media_security import RTP_AVP, AgreedSecurity, LocalSecurity
from voipnode.sipstack.sdp import Attribute, Direction, MediaDescription, RtpMap

MIN_PTIME_MS = 10
MAX_PTIME_MS = 60
MAX_LOCAL_FORMATS = 16
TELEPHONE_EVENT = "telephone-event"
COMFORT_NOISE = "CN"
DTMF_EVENTS = "0-15"  # the sixteen keys (RFC 4733 §3.2); what a line without fmtp means too (§2.4.1)

FormatKey = tuple[str, int, int]
NOTHING: Mapping[int, int] = MappingProxyType({})

_DIRECTIONS = frozenset(direction.value for direction in Direction)

# RFC 3551 §6, tables 4: audio payload types that need no rtpmap. G722's clock is 8000 for historical reasons (§4.5.2).
STATIC_FORMATS = {
    number: RtpMap(number, name, clock_rate_hz, channels)
    for number, name, clock_rate_hz, channels in (
        (0, "PCMU", 8000, 1),
        (3, "GSM", 8000, 1),
        (4, "G723", 8000, 1),
        (5, "DVI4", 8000, 1),
        (6, "DVI4", 16000, 1),
        (7, "LPC", 8000, 1),
        (8, "PCMA", 8000, 1),
        (9, "G722", 8000, 1),
        (10, "L16", 44100, 2),
        (11, "L16", 44100, 1),
        (12, "QCELP", 8000, 1),
        (13, "CN", 8000, 1),
        (14, "MPA", 90000, 1),
        (15, "G728", 8000, 1),
        (16, "DVI4", 11025, 1),
        (17, "DVI4", 22050, 1),
        (18, "G729", 8000, 1),
    )
}


def format_key(name: str, clock_rate_hz: int, channels: int = 1) -> FormatKey:
    """What makes two formats the same codec: the name without regard to case (RFC 4855 §3), clock and channels."""
    return name.lower(), clock_rate_hz, channels


class AudioFormat(NamedTuple):
    """A codec under a payload type number (0 to 127), for example PCMU/8000 as 0. `fmtp` is its parameters or ""."""

    name: str
    clock_rate_hz: int
    payload_type: int
    channels: int = 1
    fmtp: str = ""

    @property
    def key(self) -> FormatKey:
        """The codec without its number and parameters."""
        return format_key(self.name, self.clock_rate_hz, self.channels)

    @property
    def rtpmap(self) -> RtpMap:
        """The format as the value of an rtpmap attribute."""
        return RtpMap(self.payload_type, self.name, self.clock_rate_hz, self.channels)


@dataclass(frozen=True, slots=True)
class LocalAudio:
    """Our side of the audio: where we receive, what we can decode (in order of priority), which way we want it to flow.

    `host` is an IP address (a host name counts as IPv4), ports are 1 to 65535, `ptime_ms` is 10 to 60 in steps of 10.
    `event_payload_type` is the number for telephone-event, None for no RFC 4733 digits. `security`: how the audio is
    encrypted, None = not. `offer_rtcp_mux`: offer RTCP on RTP's port (RFC 5761); it is taken from whoever offers it.
    `comfort_noise`: leave out silence and describe the noise in it (RFC 3389), both ways, where both agree.
    `voip_metrics`: tell how the call is heard here, and ask to be told (RFC 3611).
    `ice`: what an offer says about ICE, and an answer to one that speaks it (RFC 8839). Raises LocalError.
    """

    host: str
    rtp_port: int
    rtcp_port: int
    formats: tuple[AudioFormat, ...]
    event_payload_type: int | None = 101
    ptime_ms: int = 20
    direction: str = Direction.SENDRECV
    user: str = "-"
    session_name: str = "voipnode"
    security: LocalSecurity | None = None
    offer_rtcp_mux: bool = False
    voip_metrics: bool = False
    ice: LocalIce | None = None
    comfort_noise: bool = False

    def __post_init__(self) -> None:
        _check_formats(self.formats, self.event_payload_type)
        if not (0 < self.rtp_port <= 65_535 and 0 < self.rtcp_port <= 65_535):
            raise LocalError("audio ports are 1 to 65535")
        if self.ptime_ms not in range(MIN_PTIME_MS, MAX_PTIME_MS + 1, 10):
            raise LocalError("audio ptime_ms: 10 to 60 in steps of 10")
        if self.direction not in _DIRECTIONS:
            raise LocalError(f"audio direction: {self.direction!r} is none")
        if not len(self.host.split()) == 1 == len(self.user.split()):
            raise LocalError("audio host and user are one word each")


@lru_cache(64)  # the same few for every call
def _check_formats(formats: tuple[AudioFormat, ...], event_payload_type: int | None) -> None:
    numbers = [audio.payload_type for audio in formats]
    if event_payload_type is not None:
        numbers.append(event_payload_type)
    for sound, what in (
        (0 < len(formats) <= MAX_LOCAL_FORMATS, f"1 to {MAX_LOCAL_FORMATS} needed"),
        (len({audio.key for audio in formats}) == len(formats), "one codec stands there twice"),
        (len(set(numbers)) == len(numbers), "one payload type stands there twice"),
        (all(0 <= number <= 127 for number in numbers), "payload types are 0 to 127"),
    ):
        if not sound:
            raise LocalError(f"audio formats: {what}")


@dataclass(frozen=True, slots=True)
class AudioSession:
    """What was agreed. `format` is how we send: its number and `fmtp` are the far side's.

    `receive_payload_types` tells which numbers may arrive and what they stand for. Event payload types are None where
    no telephone-event of the codec's clock was agreed. `send` and `receive` say what we do now; `remote_on_hold` that
    the far side wants to hear nothing for now. `remote_host` may be a name; where it is unspecified (0.0.0.0, ::, a
    name in .invalid) neither RTP nor RTCP may be sent (RFC 3264 §8.4): see `reachable`. `remote_rtcp_port` 0: none.
    `noise_send_payload_type`, `noise_receive_payload_type`: comfort noise of the codec's clock, None where not agreed.
    `security`: the keys, None = in the clear. `rtcp_mux`: RTCP travels on RTP's ports, both ways. `rtcp_rsize`: RTCP
    may come in packets that begin with no report (RFC 5506). `voip_metrics`: the far side asked to be told how the call
    is heard here (RFC 3611 §5.2), and we are willing.
    `ice`: the far side's, where both speak it and nothing stands against it.
    """

    format: AudioFormat
    receive_payload_types: Mapping[int, AudioFormat]
    event_send_payload_type: int | None
    event_receive_payload_type: int | None
    remote_host: str
    remote_rtp_port: int
    remote_rtcp_port: int
    ptime_ms: int
    send: bool
    receive: bool
    remote_on_hold: bool
    remote_rtcp_host: str
    reachable: bool = True
    security: AgreedSecurity | None = None
    rtcp_mux: bool = False
    rtcp_rsize: bool = False
    voip_metrics: bool = False
    ice: RemoteIce | None = None
    noise_send_payload_type: int | None = None
    noise_receive_payload_type: int | None = None


def audio_section(
    local: LocalAudio,
    formats: Sequence[AudioFormat],
    events: Mapping[int, int],
    direction: Direction,
    ptime_ms: int,
    noises: Mapping[int, int] = NOTHING,
) -> MediaDescription:
    """Our `m=audio` section: the formats in order, then comfort noise and telephone-event for each clock rate
    (`noises`, `events`: clock -> number)."""
    attributes: list[Attribute] = []
    for audio in formats:
        # Static numbers "SHOULD" have their rtpmap as well (RFC 3264 §5.1).
        attributes.append(Attribute("rtpmap", str(audio.rtpmap)))
        if audio.fmtp:
            attributes.append(Attribute("fmtp", f"{audio.payload_type} {audio.fmtp}"))
    for clock_rate_hz, number in noises.items():
        attributes.append(Attribute("rtpmap", str(RtpMap(number, COMFORT_NOISE, clock_rate_hz))))
    for clock_rate_hz, number in events.items():
        attributes.append(Attribute("rtpmap", str(RtpMap(number, TELEPHONE_EVENT, clock_rate_hz))))
        attributes.append(Attribute("fmtp", f"{number} {DTMF_EVENTS}"))
    if local.rtcp_port != local.rtp_port + 1:
        attributes.append(Attribute("rtcp", str(local.rtcp_port)))  # RFC 3605 §2.1: only where it is not the next port
    if local.voip_metrics:
        attributes.append(Attribute("rtcp-xr", "voip-metrics"))
    attributes.append(Attribute("ptime", str(ptime_ms)))
    attributes.append(Attribute(direction.value))
    if local.ice is not None:
        attributes += local.ice.attributes()
    numbers = [*(audio.payload_type for audio in formats), *noises.values(), *events.values()]
    return MediaDescription("audio", local.rtp_port, RTP_AVP, tuple(map(str, numbers)), attributes=tuple(attributes))
