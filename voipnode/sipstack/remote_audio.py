"""What one section of the far side's description says about audio, or why it is of no use to us."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from voipnode.sipstack.audio import (
    COMFORT_NOISE,
    MAX_PTIME_MS,
    MIN_PTIME_MS,
    STATIC_FORMATS,
    TELEPHONE_EVENT,
    AudioFormat,
    LocalAudio,
)
from voipnode.sipstack.bundle import with_transport
from voipnode.sipstack.ice_attributes import RemoteIce, read_ice
from voipnode.sipstack.media_security import PLAIN_PROFILES, PROFILES, RemoteSecurity, read_security, unread
from voipnode.sipstack.sdp import Connection, Direction, MediaDescription, RtpMap, SessionDescription
from voipnode.sipstack.sdp_fields import literal_ip

# A host name whose last label begins with a letter: what looks like a number but is no address stays out.
_HOST_NAME = re.compile(r"(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z][A-Za-z0-9-]{0,62}\.?")
# What writers of descriptions often get wrong, and mean: G.722's clock is not its sampling rate (RFC 3551 §4.5.2), and
# Opus has two channels whatever is sent (RFC 7587 §7). The number is not looked at.
_MISTAKES = {
    ("g722", 16000, 1): RtpMap(9, "G722", 8000),
    ("opus", 48000, 1): RtpMap(0, "opus", 48000, 2),
}
_BROADCAST = IPv4Address("255.255.255.255")


class Refusal(NamedTuple):
    """Why a section is of no use: the Warning code and text of RFC 3261 §20.43; `step` is how far the checks came."""

    step: int
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class RemoteAudio:
    """The far side's audio: where it receives, its formats in its order; telephone-event and comfort noise apart: clock
    -> number."""

    host: str
    rtp_port: int
    rtcp_host: str
    rtcp_port: int
    reachable: bool
    formats: tuple[AudioFormat, ...]
    events: Mapping[int, int]
    noises: Mapping[int, int]
    direction: Direction
    ptime_ms: float | None
    maxptime_ms: float | None
    security: RemoteSecurity
    rtcp_mux: bool
    rtcp_rsize: bool
    voip_metrics: bool
    ice: RemoteIce | None

    @property
    def on_hold(self) -> bool:
        """True where the far side wants to hear nothing (RFC 3264 §8.4)."""
        return not (self.reachable and self.direction.receives)

    def sending_as(self, audio: AudioFormat) -> AudioFormat | None:
        """One of our formats as the far side numbers it; None where it does not take it."""
        theirs = next((theirs for theirs in self.formats if theirs.key == audio.key), None)
        return audio._replace(payload_type=theirs.payload_type, fmtp=theirs.fmtp) if theirs else None

    def ptime_for(self, local_ms: int) -> int:
        """The packet length to send: theirs if given, else ours, up to maxptime; 10 to 60 in steps of 10."""
        wanted_ms = self.ptime_ms if self.ptime_ms is not None else local_ms
        if self.maxptime_ms is not None:
            wanted_ms = min(wanted_ms, self.maxptime_ms)
        return max(MIN_PTIME_MS, min(MAX_PTIME_MS, int(wanted_ms) // 10 * 10))


def examine(
    description: SessionDescription, media: MediaDescription, local: LocalAudio, known: Mapping[int, RtpMap]
) -> RemoteAudio | Refusal:
    """Reads one section against what we can do; `known` explains numbers that it leaves unexplained. Never raises."""
    if media.kind.lower() != "audio":
        return Refusal(0, 304, "Media type not available")
    media = with_transport(description, media)
    if media.port == 0:
        return Refusal(1, 304, "Audio stream is switched off")
    profiles = PLAIN_PROFILES if local.security is None else PROFILES
    if media.protocol.upper() not in profiles or media.port_count != 1:
        return Refusal(2, 302, "Incompatible transport protocol")
    connection = description.connection_of(media)
    if connection is None:
        return Refusal(3, 301, "No connection address")
    ice = read_ice(description, media) if local.ice is not None else None
    by_ice = ice is not None and not ice.mismatch
    if objection := _objection(connection, "" if by_ice else local.host):  # pairs are of one family by themselves
        return objection
    formats, events, noises = _formats(media, known)
    ours = {audio.key for audio in local.formats}
    if not any(audio.key in ours for audio in formats):
        return Refusal(4, 305, "Incompatible media format")
    rtcp_host, rtcp_port = _rtcp(media, connection, local.host)
    return RemoteAudio(
        host=_host(connection),
        rtp_port=media.port,
        rtcp_host=rtcp_host,
        rtcp_port=rtcp_port,
        # Without an address yet, its checks will show one (RFC 8839 §4.2.5).
        reachable=not connection.is_unspecified or by_ice,
        formats=tuple(formats),
        events=events,
        noises=noises,
        direction=description.direction_of(media),
        ptime_ms=media.ptime_ms,
        maxptime_ms=media.maxptime_ms,
        security=read_security(description, media) if local.security is not None else unread(media),
        rtcp_mux=media.rtcp_mux,
        rtcp_rsize=media.attribute("rtcp-rsize") is not None,
        voip_metrics=_wants_voip_metrics(description, media),
        ice=ice,
    )


def _objection(connection: Connection, local_host: str) -> Refusal | None:
    if connection.network_type.upper() != "IN":
        return Refusal(3, 300, "Incompatible network protocol")
    ip = connection.ip
    if ip is None:
        if connection.address_type.upper() in ("IP4", "IP6") and _HOST_NAME.fullmatch(connection.address):
            return None
        return Refusal(3, 301, "Incompatible network address format")
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    if ip.is_multicast or (mapped or ip) == _BROADCAST or (mapped is not None and mapped.is_multicast):
        return Refusal(3, 330, "Multicast not available")
    if not ip.is_unspecified and _version(local_host) not in (None, ip.version):
        return Refusal(3, 301, "Incompatible network address format")
    return None


def _version(host: str) -> int | None:
    ip = literal_ip(host)
    return None if ip is None else ip.version


def _formats(
    media: MediaDescription, known: Mapping[int, RtpMap]
) -> tuple[list[AudioFormat], dict[int, int], dict[int, int]]:
    """The codecs in their order, and the numbers of telephone-event and of comfort noise for each clock rate."""
    explained = media.rtpmaps()
    formats: list[AudioFormat] = []
    events: dict[int, int] = {}
    noises: dict[int, int] = {}
    for text in media.formats:
        if not (text.isascii() and text.isdigit() and len(text) <= 3):
            continue
        number = int(text)
        rtpmap = explained.get(number) or known.get(number) or STATIC_FORMATS.get(number)
        if rtpmap is None:
            continue
        rtpmap = _MISTAKES.get((rtpmap.name.lower(), rtpmap.clock_rate_hz, rtpmap.channels), rtpmap)
        if rtpmap.name.lower() == TELEPHONE_EVENT:
            events.setdefault(rtpmap.clock_rate_hz, number)
        elif rtpmap.name.upper() == COMFORT_NOISE:
            noises.setdefault(rtpmap.clock_rate_hz, number)
        else:
            formats.append(AudioFormat(rtpmap.name, rtpmap.clock_rate_hz, number, rtpmap.channels, media.fmtp(text)))
    return formats, events, noises


def _rtcp(media: MediaDescription, connection: Connection, local_host: str) -> tuple[str, int]:
    """Where RTCP goes: the port after RTP's (RFC 3550 §11), or what `a=rtcp` says where we can send there."""
    told = media.rtcp
    if told is None:
        return _host(connection), media.port + 1 if media.port < 65_535 else 0
    elsewhere = told.connection
    if elsewhere is None or elsewhere.is_unspecified or _objection(elsewhere, local_host):
        return _host(connection), told.port
    return _host(elsewhere), told.port


def _wants_voip_metrics(description: SessionDescription, media: MediaDescription) -> bool:
    """Whether extended reports with VoIP metrics are asked for (RFC 3611 §5.1): here, or for the whole session."""
    told = media.attribute("rtcp-xr") or next((each for each in description.attributes if each.name == "rtcp-xr"), None)
    return told is not None and "voip-metrics" in (told.value or "").split()


def _host(connection: Connection) -> str:
    """The address in the one form in which packets name their source (RFC 5952), or the host name."""
    ip = connection.ip
    return connection.address if ip is None else str(ip)
