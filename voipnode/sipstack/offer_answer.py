"""Offer and answer (RFC 3264): who sends which audio where, agreed by two descriptions.

One `OfferAnswer` lives as long as its dialog. It owns what must stay the same over a dialog: the `o=` line, whose
version grows by one when the description changes (§8), the number and order of `m=` lines, which never shrink (§8),
and the meaning of payload type numbers (§8.3.2). The best `m=audio` line is taken, every other line of an offer is
answered with port 0 in its place. How the audio is encrypted is agreed in `media_security`.

            make_offer                          receive_answer
    agreed ------------> our offer is open --------------------> agreed      receive_answer again: the latest counts
      |  ^                      |                                            (183 and 200, or two forks)
      |  '---- abandon_offer ---'
      '-- receive_offer --> agreed      (while ours is open: 491)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from voipnode.sipstack.audio import (
    COMFORT_NOISE,
    TELEPHONE_EVENT,
    AudioFormat,
    AudioSession,
    FormatKey,
    LocalAudio,
    audio_section,
    format_key,
)
from voipnode.sipstack.bundle import bundled, group_attribute, mid_of
from voipnode.sipstack.errors import LocalError, RemoteError
from voipnode.sipstack.media_security import RTP_AVP, AgreedSecurity, take_answer, take_offer
from voipnode.sipstack.remote_audio import Refusal, RemoteAudio, examine
from voipnode.sipstack.sdp import (
    Attribute,
    Connection,
    Direction,
    MediaDescription,
    Origin,
    RtpMap,
    SessionDescription,
    parse,
)

__all__ = ["AudioFormat", "AudioSession", "LocalAudio", "OfferAnswer"]

DYNAMIC_PAYLOAD_TYPES = range(96, 128)  # RFC 3551 §6
STATIC_NOISE = 13  # for 8000 Hz (RFC 3389 §4)
OPUS_CLOCK_HZ = 48000
COMMON_EVENT_HZ = 8000


class _Frame(NamedTuple):
    """How our audio section is framed, which stays from offer to offer: its profile and name, its group, its mux."""

    protocol: str = ""
    mid: str = ""
    group: bool = False
    rtcp_mux: bool = False
    rtcp_rsize: bool = False

    def around(self, section: MediaDescription, security: Sequence[Attribute]) -> MediaDescription:
        attributes = [*section.attributes, *security]
        if self.rtcp_mux:
            attributes.append(Attribute("rtcp-mux"))
        if self.rtcp_rsize:
            attributes.append(Attribute("rtcp-rsize"))
        if self.mid:
            attributes.append(Attribute("mid", self.mid))
        return section._replace(protocol=self.protocol, attributes=tuple(attributes))

    @property
    def of_session(self) -> tuple[Attribute, ...]:
        """What the session says of the section."""
        return group_attribute((self.mid,) if self.group else ())


_PLAIN = _Frame()


@dataclass(frozen=True, slots=True)
class _Agreed:
    """What both sides last agreed on: our `m=` lines, which of them is the audio, and what it came to."""

    media: tuple[MediaDescription, ...] = ()
    slot: int = 0
    session: AudioSession | None = None
    frame: _Frame = _PLAIN

    @property
    def security(self) -> AgreedSecurity | None:
        return None if self.session is None else self.session.security


@dataclass(frozen=True, slots=True)
class _Offer:
    """An offer of ours: the formats and event numbers as we numbered them in it."""

    local: LocalAudio
    media: tuple[MediaDescription, ...]
    slot: int
    formats: tuple[AudioFormat, ...]
    events: Mapping[int, int]
    noises: Mapping[int, int]
    frame: _Frame

    def meanings(self) -> dict[int, RtpMap]:
        """What our numbers stand for: peers answer with them and leave out the rtpmap."""
        found = {audio.payload_type: audio.rtpmap for audio in self.formats}
        found |= {number: RtpMap(number, COMFORT_NOISE, clock) for clock, number in self.noises.items()}
        return found | {number: RtpMap(number, TELEPHONE_EVENT, clock) for clock, number in self.events.items()}


@dataclass(slots=True)
class _PayloadNumbers:
    """Which number stands for which codec in our descriptions, once and for all (RFC 3264 §8.3.2)."""

    _number_of: dict[FormatKey, int] = field(default_factory=dict)
    _meaning_of: dict[int, FormatKey] = field(default_factory=dict)

    def bind(self, key: FormatKey, number: int) -> int:
        self._number_of[key] = number
        self._meaning_of[number] = key
        return number

    def assign(self, key: FormatKey, wanted: int, used: set[int]) -> int:
        """The number of a codec in our next offer; `used` are those that the offer has given away already."""
        known = self._number_of.get(key)
        number = known if known is not None and known not in used else self._fresh(key, wanted, used)
        used.add(number)
        return self.bind(key, number)

    def _fresh(self, key: FormatKey, wanted: int, used: set[int]) -> int:
        candidates = [wanted, *DYNAMIC_PAYLOAD_TYPES]
        free = [n for n in candidates if n not in used and self._meaning_of.get(n, key) == key]
        # A peer that re-numbers without end has bound them all: it has broken the rule, and gets a number again.
        return free[0] if free else min(set(DYNAMIC_PAYLOAD_TYPES) - used)


class OfferAnswer:
    """The offers and answers of one dialog. `session_id` is the number in our `o=` line (RFC 8866 §5.2).

    What the far side sends raises `ParseError` (400) when it is no SDP and `RemoteError` (488 with a Warning, 491 on
    glare) when it is of no use; nothing changes then. Commands out of order raise `LocalError`.
    """

    def __init__(self, session_id: int) -> None:
        self._session_id = session_id
        self._last_sent: SessionDescription | None = None
        self._sent_before: SessionDescription | None = None  # what was said before that
        self._numbers = _PayloadNumbers()
        self._agreed = _Agreed()
        self._before = _Agreed()  # what `abandon_offer` goes back to
        self._offer: _Offer | None = None  # ours, as long as an answer to it may come
        self._pending = False

    @property
    def session(self) -> AudioSession | None:
        """What is agreed now; None before the first answer."""
        return self._agreed.session

    @property
    def pending(self) -> bool:
        """True while an offer of ours has no answer."""
        return self._pending

    def make_offer(self, local: LocalAudio) -> bytes:
        """Our offer, as SDP. Raises LocalError while another one of ours is open."""
        if self._pending:
            raise LocalError("an offer is open: receive its answer or abandon it")
        formats, events, noises = self._number(local)
        direction = Direction(local.direction)
        slot = self._agreed.slot
        media = [_switched_off(section) for section in self._agreed.media]
        section = audio_section(local, formats, events, direction, local.ptime_ms, noises)
        frame = self._offered_frame(local)
        keys = () if local.security is None else local.security.attributes(self._agreed.security)
        media[slot : slot + 1] = [frame.around(section, keys)]
        body = self._publish(local, media, frame)
        self._before = self._agreed
        self._offer = _Offer(local, tuple(media), slot, formats, events, noises, frame)
        self._pending = True
        return body

    def receive_answer(self, body: bytes) -> AudioSession:
        """Takes the answer to our offer; may be called again for the same offer, and the latest answer counts.

        Raises ParseError, RemoteError(488) when the answer refuses our audio or does not fit the offer, and LocalError
        when no offer of ours can be answered.
        """
        if (offer := self._offer) is None:
            raise LocalError("no offer of ours waits for an answer")
        description = parse(body)
        # RFC 3264 §6: the i-th line of the answer answers the i-th line of the offer.
        if len(description.media) <= offer.slot:
            raise _refused(Refusal(0, 304, "The answer lacks the audio line"))
        found = examine(description, description.media[offer.slot], offer.local, offer.meanings())
        if isinstance(found, Refusal):
            raise _refused(found)
        security = take_answer(offer.local.security, offer.media[offer.slot], found.security)
        if isinstance(security, str):
            raise _refused(Refusal(5, 399, security))
        session = _answered(offer, found, security)
        frame = offer.frame._replace(rtcp_mux=session.rtcp_mux, protocol=found.security.profile)
        self._agreed = _Agreed(offer.media, offer.slot, session, frame)
        self._pending = False
        return session

    def receive_offer(self, body: bytes, local: LocalAudio, *, again: bool = False) -> tuple[bytes, AudioSession]:
        """Our answer to the far side's offer, as SDP, and what it comes to.

        Of the codecs that both know, the one that stands first in `local.formats` is answered, alone: that is the
        owner's priority, and one codec needs no second offer to settle (RFC 3264 §10.2). `again`: the same offer, whose
        answer has not been sent yet.
        Raises ParseError, RemoteError 488 with a Warning when nothing in it serves us, RemoteError 491 on glare.
        """
        if self._pending:
            raise RemoteError(491, "Request Pending")
        description = parse(body)
        if again:
            self._agreed, self._last_sent = self._before, self._sent_before
        slot, remote, security = self._choose(description, local)
        if local.ice is not None:
            local = replace(local, ice=local.ice.answering(remote.ice))
        ours, sending = _first_common(local.formats, remote)
        receiving = ours._replace(payload_type=sending.payload_type)
        events = _common_event(local, remote, ours.clock_rate_hz)
        self._numbers.bind(receiving.key, receiving.payload_type)
        for clock_rate_hz, number in events.items():
            self._numbers.bind(format_key(TELEPHONE_EVENT, clock_rate_hz), number)

        noises = _common_noise(local, remote, ours.clock_rate_hz)
        for clock_rate_hz, number in noises.items():
            self._numbers.bind(format_key(COMFORT_NOISE, clock_rate_hz), number)

        direction = _our_direction(local, remote)
        ptime_ms = remote.ptime_for(local.ptime_ms)
        media = [_switched_off(section) for section in description.media]
        frame = _answering_frame(description, slot, remote)
        keys = () if local.security is None or security is None else local.security.answer_attributes(security)
        # An answer asks for extended reports where the offer spoke of them, and nowhere else (RFC 3611 §5.2).
        asking = replace(local, voip_metrics=local.voip_metrics and remote.voip_metrics)
        media[slot] = frame.around(audio_section(asking, [receiving], events, direction, ptime_ms, noises), keys)
        answer = self._publish(local, media, frame)
        event = next(iter(events.values()), None)
        receive = {receiving.payload_type: receiving}
        session = _session(local, remote, sending, receive, event, event, security, rtcp_mux=remote.rtcp_mux)
        session = _with_noise(session, noises.get(ours.clock_rate_hz))
        self._before, self._agreed = self._agreed, _Agreed(tuple(media), slot, session, frame)
        self._offer = None
        return answer, session

    def receive_repeated(self, body: bytes, local: LocalAudio) -> AudioSession:
        """Takes the answer to what we said last, offered once more without a change (RFC 4028 §7.4).

        Raises ParseError, and RemoteError 488 when it is of no use; what is agreed stays in force then.
        """
        if self._offer is not None:
            return self.receive_answer(body)
        description = parse(body)
        slot = self._agreed.slot
        if len(description.media) <= slot:
            raise _refused(Refusal(0, 304, "The answer lacks the audio line"))
        remote = examine(description, description.media[slot], local, {})
        if isinstance(remote, Refusal):
            raise _refused(remote)
        ours, sending = _first_common(local.formats, remote)
        receiving = ours._replace(payload_type=sending.payload_type)
        event = next(iter(_common_event(local, remote, ours.clock_rate_hz).values()), None)
        security = take_answer(local.security, self._agreed.media[slot], remote.security)
        if isinstance(security, str):
            raise _refused(Refusal(5, 399, security))
        frame = self._agreed.frame
        mux = frame.rtcp_mux and remote.rtcp_mux
        receive = {receiving.payload_type: receiving}
        session = _session(local, remote, sending, receive, event, event, security, rtcp_mux=mux)
        session = _with_noise(session, _common_noise(local, remote, ours.clock_rate_hz).get(ours.clock_rate_hz))
        self._agreed = _Agreed(self._agreed.media, slot, session, frame._replace(rtcp_mux=mux))
        return session

    def abandon_offer(self) -> None:
        """The latest exchange did not come about (its request failed): back to what was agreed before it.

        Does nothing when there was none. The `o=` version is not taken back (RFC 3264 §8).
        """
        self._agreed = self._before
        self._offer = None
        self._pending = False

    def _offered_frame(self, local: LocalAudio) -> _Frame:
        before, agreed = self._agreed.frame, self._agreed.security
        protocol = RTP_AVP if local.security is None else local.security.profile(before.protocol, agreed)
        return before._replace(protocol=protocol, rtcp_mux=before.rtcp_mux or local.offer_rtcp_mux)

    def _number(self, local: LocalAudio) -> tuple[tuple[AudioFormat, ...], dict[int, int], dict[int, int]]:
        used: set[int] = set()
        formats = tuple(
            audio._replace(payload_type=self._numbers.assign(audio.key, audio.payload_type, used))
            for audio in local.formats
        )
        events: dict[int, int] = {}
        if local.event_payload_type is not None:
            # One per clock: events travel on the codec's own timeline, which has one clock (RFC 3550 §5.2). The wanted
            # number is that of the lowest, 8000: phones that look at nothing else know it as that.
            for clock_rate_hz in sorted({audio.clock_rate_hz for audio in local.formats}):
                key = format_key(TELEPHONE_EVENT, clock_rate_hz)
                events[clock_rate_hz] = self._numbers.assign(key, local.event_payload_type, used)
        noises: dict[int, int] = {}
        if local.comfort_noise:
            # Opus has its own (RFC 7587 §3.1.3 discourages this one for it).
            for clock_rate_hz in sorted({audio.clock_rate_hz for audio in local.formats} - {OPUS_CLOCK_HZ}):
                wanted = STATIC_NOISE if clock_rate_hz == 8000 else DYNAMIC_PAYLOAD_TYPES[0]
                noises[clock_rate_hz] = self._numbers.assign(format_key(COMFORT_NOISE, clock_rate_hz), wanted, used)
        return formats, events, noises

    def _choose(
        self, description: SessionDescription, local: LocalAudio
    ) -> tuple[int, RemoteAudio, AgreedSecurity | None]:
        """The section to talk on: the one that we talk on already if it still serves, else the first that does."""
        order = sorted(range(len(description.media)), key=lambda index: index != self._agreed.slot)
        refusals = [Refusal(-1, 304, "Media type not available")]
        for index in order:
            found = examine(description, description.media[index], local, {})
            if isinstance(found, Refusal):
                refusals.append(found)
                continue
            security = take_offer(local.security, found.security, self._agreed.security)
            if not isinstance(security, str):
                return index, found, security
            refusals.append(Refusal(5, 399, security))
        raise _refused(max(refusals, key=lambda refusal: refusal.step))

    def _publish(self, local: LocalAudio, media: Sequence[MediaDescription], frame: _Frame) -> bytes:
        """Writes a description of ours; its version grows by one when it differs from the last (RFC 3264 §8)."""
        connection = Connection.to_host(local.host)
        last = self._last_sent
        # Only the version of the o= line may ever change, so it keeps the first address even when the media moves.
        origin = (
            last.origin if last else Origin(local.user, str(self._session_id), "1", connection.address_type, local.host)
        )
        description = SessionDescription(
            origin, local.session_name, connection, attributes=frame.of_session, media=tuple(media)
        )
        if last is not None and description != last:
            version = str(int(origin.session_version) + 1)
            description = description._replace(origin=origin._replace(session_version=version))
        body = description.to_bytes()
        self._sent_before, self._last_sent = last, description
        return body


def _answering_frame(description: SessionDescription, slot: int, remote: RemoteAudio) -> _Frame:
    """The profile and name of the section that we accept, and what of its frame we take."""
    offered = description.media[slot]
    mid = mid_of(offered)
    group = bool(mid) and mid in bundled(description)
    return _Frame(offered.protocol, mid, group, remote.rtcp_mux, remote.rtcp_rsize)


def _answered(offer: _Offer, remote: RemoteAudio, security: AgreedSecurity | None) -> AudioSession:
    """What the answer makes of our offer: its first codec is what we send, all of them may come."""
    offered = {audio.key: audio for audio in offer.formats}
    taken = [audio for audio in remote.formats if audio.key in offered]
    ours = offered[taken[0].key]
    sending = ours._replace(payload_type=taken[0].payload_type, fmtp=taken[0].fmtp)
    receiving = {offered[audio.key].payload_type: offered[audio.key] for audio in taken}
    event_hz = _event_clock(remote, ours.clock_rate_hz)
    event = remote.events.get(event_hz) if event_hz in offer.events else None
    event_receive = offer.events[event_hz] if event is not None else None
    mux = offer.frame.rtcp_mux and remote.rtcp_mux  # RFC 5761 §5.1.1: the answerer may not begin it
    session = _session(offer.local, remote, sending, receiving, event, event_receive, security, rtcp_mux=mux)
    noise_receive = offer.noises.get(ours.clock_rate_hz)
    noise = remote.noises.get(ours.clock_rate_hz) if noise_receive is not None else None
    return _with_noise(session, noise, noise_receive)


def _session(
    local: LocalAudio,
    remote: RemoteAudio,
    sending: AudioFormat,
    receiving: Mapping[int, AudioFormat],
    event_send: int | None,
    event_receive: int | None,
    security: AgreedSecurity | None,
    *,
    rtcp_mux: bool,
) -> AudioSession:
    direction = _our_direction(local, remote)
    return AudioSession(
        format=sending,
        receive_payload_types=receiving,
        event_send_payload_type=event_send,
        event_receive_payload_type=event_receive,
        remote_host=remote.host,
        remote_rtp_port=remote.rtp_port,
        remote_rtcp_port=remote.rtp_port if rtcp_mux else remote.rtcp_port,
        ptime_ms=remote.ptime_for(local.ptime_ms),
        # RFC 6337 §5.4: 0.0.0.0 stops us from sending but does not show in the direction that we answer.
        send=direction.sends and remote.reachable,
        receive=direction.receives,
        remote_on_hold=remote.on_hold,
        remote_rtcp_host=remote.host if rtcp_mux else remote.rtcp_host,
        reachable=remote.reachable,
        security=security,
        rtcp_mux=rtcp_mux,
        rtcp_rsize=remote.rtcp_rsize,
        voip_metrics=local.voip_metrics and remote.voip_metrics,
        ice=remote.ice if remote.ice is not None and not remote.ice.mismatch else None,
    )


def _our_direction(local: LocalAudio, remote: RemoteAudio) -> Direction:
    """What is left of our wish by the far side's, seen from here (RFC 3264 §6.1)."""
    wish = Direction(local.direction)
    return Direction.of(send=wish.sends and remote.direction.receives, receive=wish.receives and remote.direction.sends)


def _first_common(formats: Sequence[AudioFormat], remote: RemoteAudio) -> tuple[AudioFormat, AudioFormat]:
    """Our first format that the far side has too: as ours, and as we send it."""
    pairs = ((audio, remote.sending_as(audio)) for audio in formats)
    return next((ours, sending) for ours, sending in pairs if sending is not None)


def _common_event(local: LocalAudio, remote: RemoteAudio, clock_rate_hz: int) -> dict[int, int]:
    clock_rate_hz = _event_clock(remote, clock_rate_hz)
    number = remote.events.get(clock_rate_hz)
    return {} if number is None or local.event_payload_type is None else {clock_rate_hz: number}


def _event_clock(remote: RemoteAudio, clock_rate_hz: int) -> int:
    """Of which clock the far side's events are beside a codec of that clock.

    The codec's, since both share a timeline (RFC 3550 §5.2). But many phones have telephone-event/8000 alone, and send
    it on whatever timeline there is (baresip beside Opus): without it no digit would open their door.
    """
    return clock_rate_hz if clock_rate_hz in remote.events else COMMON_EVENT_HZ


def _common_noise(local: LocalAudio, remote: RemoteAudio, clock_rate_hz: int) -> dict[int, int]:
    number = remote.noises.get(clock_rate_hz)
    return (
        {} if number is None or not local.comfort_noise or clock_rate_hz == OPUS_CLOCK_HZ else {clock_rate_hz: number}
    )


def _with_noise(session: AudioSession, number: int | None, receive: int | None = None) -> AudioSession:
    """With comfort noise under the far side's number, and ours where it is another one."""
    if number is None:
        return session
    return replace(
        session,
        noise_send_payload_type=number,
        noise_receive_payload_type=number if receive is None else receive,
    )


def _switched_off(media: MediaDescription) -> MediaDescription:
    """A section that keeps its place, and its name if it has one, and is refused: port 0 (RFC 3264 §6, §8.2)."""
    mid = mid_of(media)
    attributes = (Attribute("mid", mid),) if mid else ()
    return MediaDescription(media.kind, 0, media.protocol, media.formats or ("0",), attributes=attributes)


def _refused(refusal: Refusal) -> RemoteError:
    # warn-agent may be a pseudonym (RFC 3261 §25.1); an address would tell a stranger where the door is.
    warning = f'{refusal.code} voipnode "{refusal.text}"'
    return RemoteError(488, "Not Acceptable Here", (("Warning", warning),))
