"""A SIP party as a leg: its offer/answer state, its audio stream on a media path, and the digits it presses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from voipnode.calls.audio_formats import audio_formats
from voipnode.calls.hooks import Frame
from voipnode.calls.leg_connectivity import LegConnectivity
from voipnode.calls.leg_relays import LegRelays
from voipnode.calls.leg_security import LegSecurity
from voipnode.calls.pace import Pace
from voipnode.calls.ports import MediaPath, MediaPaths, RandomBits
from voipnode.calls.settings import AccountSettings, SipSettings
from voipnode.media.bridge import FrameEncoder
from voipnode.media.dtls_srtp import Identity
from voipnode.media.dtmf_merger import DigitMerger
from voipnode.media.events import MediaEvent
from voipnode.media.ice.candidate import RTCP, RTP
from voipnode.media.ice.values import Pacer
from voipnode.media.inband import InbandDigits
from voipnode.media.stream import AudioStream, PacketSink
from voipnode.media.transport import MediaTransport
from voipnode.media.turn.gatherer import Gatherer
from voipnode.media.turn.memory import ServerMemory
from voipnode.media.turn.values import Server
from voipnode.media.values import Addr, StreamConfig, StreamIdentity
from voipnode.sipstack.config import PRIVATE_NETWORKS
from voipnode.sipstack.errors import RemoteError
from voipnode.sipstack.offer_answer import AudioFormat, AudioSession, LocalAudio, OfferAnswer
from voipnode.sipstack.own_address import Inside
from voipnode.sipstack.sdp_fields import literal_ip
from voipnode.sipstack.uri import SipUri

log = logging.getLogger(__name__)

DIGITS_AT_ONCE, DIGITS_PER_S = 32, 15  # dialling machines need 80 ms for a digit; more is a flood of events
DIRECTIONS = {"both": "sendrecv", "send": "sendonly", "receive": "recvonly", "none": "inactive"}
# RFC 3264 §8.4: what is sent may go on (music), what is received stops.
HELD = {"sendrecv": "sendonly", "sendonly": "sendonly", "recvonly": "inactive", "inactive": "inactive"}
_DIRECTION = {  # by whether we send, and receive
    (True, True): "sendrecv",
    (True, False): "sendonly",
    (False, True): "recvonly",
    (False, False): "inactive",
}
NOBODY = SipUri(host="invalid")


@dataclass(frozen=True, slots=True)
class LegMedia:
    """What a leg needs to open its media; shared by all legs of a switch. `servers`: STUN and TURN, as they are now;
    `hosts`: the addresses of this host that ICE may tell; `public`: the router's, where it forwards our ports, or "".

    `dtls`: what our end of a handshake shows; None: keys come by signalling alone.
    """

    paths: MediaPaths
    random_bits: RandomBits
    settings: SipSettings
    rate_hz: int
    cname: str
    dtls: Identity | None = None
    servers: Callable[[], Sequence[Server]] = tuple
    hosts: Callable[[], Sequence[str]] = tuple
    public: Callable[[], str] = str
    inside: Inside = field(default_factory=lambda: Inside(PRIVATE_NETWORKS))
    server_memory: ServerMemory = field(default_factory=ServerMemory)
    pacer: Pacer = field(default_factory=Pacer)

    def identity(self) -> StreamIdentity:
        """Fresh random SSRC, sequence number and timestamp (RFC 3550 §5.1)."""
        return StreamIdentity(
            ssrc=self.random_bits(32),
            # RFC 4568 §6.4: below 2**15, so that packets lost at the beginning cannot hide that the number has wrapped
            first_sequence=self.random_bits(15),
            first_timestamp=self.random_bits(32),
            cname=self.cname,
        )


class SipLeg:
    """One SIP dialog's media: made before the offer or answer, closed with the dialog.

    `peer_host` is where the party's SIP goes to or comes from: its sound and its keys are taken from there, or from
    where its SDP says, and from nobody else. `on_media_events` is called when the stream has events to fetch.
    `confidential`: nobody reads its signalling. Raises OSError when no RTP port is free. As a port of the bridge it is
    its stream, and on the wire its path: what is called a hundred times a second goes to them at once.
    """

    pull: Callable[[float], Frame]
    push: Callable[[Frame, float], None]
    push_coded: Callable[[bytes, float], None]
    send: Callable[[float], None]

    def __init__(
        self,
        account: AccountSettings,
        media: LegMedia,
        local_host: str,
        peer_host: str,
        on_media_events: Callable[[SipLeg], None],
        *,
        confidential: bool = False,
    ) -> None:
        self.session = ""  # the endpoint's id, once there is one
        self.remote = ""
        self.target = NOBODY  # the address that was called
        self.key = 0  # whom of its call's hunt it rings for
        self.opens = True  # where its call's digits may act, its own may, too
        self.on_hold = False  # by us: the door is silent for it
        self.local_host = local_host
        self.account = account
        self.early_bodies: dict[str, bytes] = {}  # by fork, the SDP that it sent before it answered
        self.when_ready: list[Callable[[], None]] = []  # what waits for our addresses
        self.early_tag = ""  # the fork whose early SDP is in force
        self.proven = False  # the handshake showed that the party receives at its address
        self.agreed: AudioSession | None = None
        self.stream = AudioStream(
            media.identity(), rate_hz=media.rate_hz, silence_timeout_s=media.settings.dead_call_timeout_s
        )
        self.transport = MediaTransport(self.stream)
        self._peer_hosts = frozenset({peer_host})
        self.security = LegSecurity(
            account,
            self.transport,
            media.random_bits,
            identity=media.dtls,
            peer_hosts=self._peer_hosts,
            confidential=confidential,
        )
        self.merger = DigitMerger()
        self.inband = InbandDigits(media.rate_hz) if account.dtmf_inband else None
        self.digit_pace = Pace(burst=DIGITS_AT_ONCE, per_s=DIGITS_PER_S)
        self._on_media_events = on_media_events
        self._negotiation = OfferAnswer(session_id=media.random_bits(31))
        self._path: MediaPath = media.paths.open(local_host, self.transport, lambda: on_media_events(self))
        self._bind(self.inband)
        self._local = LocalAudio(
            host=local_host,
            rtp_port=self._path.rtp_port,
            rtcp_port=self._path.rtcp_port,
            formats=audio_formats(account.audio_codecs, media.rate_hz, media.settings.dtmf_payload_type),
            event_payload_type=media.settings.dtmf_payload_type if account.dtmf_rtp else None,
            ptime_ms=account.ptime_ms,
            direction=DIRECTIONS[account.audio_direction],
            user=account.user_id,
            voip_metrics=media.settings.qos.voip_metrics,
            comfort_noise=account.comfort_noise,
            security=self.security.local,
            # One handshake instead of two, and half as many addresses to check and to relay (RFC 5761 §5.1.3).
            offer_rtcp_mux=self.security.offers_handshake or media.settings.ice.enabled,
        )
        self.connectivity = self._connectivity(media, peer_host)

    def _bind(self, inband: InbandDigits | None) -> None:
        """Stand on the bridge: the stream itself, or with ears for tones in between."""
        stream, path = self.stream, self._path
        self.pull, self.push, self.push_coded, self.send = stream.pull, stream.push, stream.push_coded, path.send
        if inband is None:
            return

        def pull(now: float) -> Frame:
            frame = stream.pull(now)
            inband.hear(frame, now)
            return frame

        def send(now: float) -> None:
            path.send(now)
            if inband.has_events:
                self._on_media_events(self)

        self.pull, self.send = pull, send
        self.push = lambda frame, now: stream.push(inband.say(frame), now)

    def _connectivity(self, media: LegMedia, peer_host: str) -> LegConnectivity | LegRelays | None:
        """ICE for this leg, or STUN and TURN without, as far as wanted and our address is one that can be told."""
        if literal_ip(self.local_host) is None:
            return None
        inside = media.inside.holds(peer_host)
        bases = {RTP: (self.local_host, self._path.rtp_port), RTCP: (self.local_host, self._path.rtcp_port)}
        if not media.settings.ice.enabled:
            gatherer = None if inside else self._gatherer(media, bases, even_port=True)
            return None if gatherer is None else LegRelays(self.transport, bases, peer_host, gatherer)
        return LegConnectivity(
            media.settings.ice,
            self.transport,
            bases,
            peer_host,
            inside=inside,
            random_bits=media.random_bits,
            pacer=media.pacer,
            gatherer=self._gatherer(media, bases),
            beside=self._other_addresses(media),
        )

    def _other_addresses(self, media: LegMedia) -> dict[int, dict[int, Addr]]:
        """The same ports at the other addresses of this host, where a far side may be nearer (RFC 8421)."""
        found: dict[int, dict[int, Addr]] = {}
        rtp, rtcp = self._path.rtp_port, self._path.rtcp_port
        for host in media.hosts() if not ip_address(self.local_host).is_loopback else ():
            if host != self.local_host:
                try:
                    found[self._path.open_beside(host)] = {RTP: (host, rtp), RTCP: (host, rtcp)}
                except OSError as error:
                    log.debug("no candidates at %s: %s", host, error)
        return found

    def _gatherer(self, media: LegMedia, bases: dict[int, Addr], *, even_port: bool = False) -> Gatherer | None:
        servers, nat = media.servers(), media.settings.nat
        public = media.public() if nat.public is None else nat.public[0]
        if not servers and not public:
            return None
        return Gatherer(
            servers,
            bases,
            tokens=media.random_bits,
            memory=media.server_memory,
            open_stream=self._path.open_stream,
            patience_s=nat.gather_timeout_s,
            even_port=even_port,
            public=public,
        )

    def gather(self, now: float) -> None:
        """Find out at which addresses beyond this host we can be reached; `ready` tells when that is known."""
        if self.connectivity is not None:
            self.connectivity.start(now)
            self.flush(now)

    def gathered(self, now: float) -> None:
        """The servers have answered, or took too long: what has waited for it happens now."""
        if self.connectivity is not None:
            self.connectivity.gathered(now)
        waiting, self.when_ready = self.when_ready, []
        for then in waiting:
            then()

    @property
    def ready(self) -> bool:
        """Our addresses are known, as far as they will be: descriptions are complete."""
        return self.connectivity is None or self.connectivity.ready

    def _wish(self) -> LocalAudio:
        return replace(self._local, direction=HELD[self._local.direction]) if self.on_hold else self._local

    def describe(self, direction: str, codecs: Sequence[str] = ()) -> None:
        """What our next description is to say: which way sound flows, as far as the account lets it ("sendrecv", ...),
        and these codecs before all others."""
        ours = DIRECTIONS[self.account.audio_direction]
        sends = all(each in ("sendrecv", "sendonly") for each in (ours, direction))
        receives = all(each in ("sendrecv", "recvonly") for each in (ours, direction))
        wanted = {name.lower(): place for place, name in reversed(list(enumerate(codecs)))}
        formats = sorted(self._local.formats, key=lambda audio: wanted.get(audio.name.lower(), len(codecs)))
        self._local = replace(self._local, direction=_DIRECTION[sends, receives], formats=tuple(formats))

    def make_offer(self) -> bytes:
        """Our SDP offer. RemoteError where it could hold no keys, and must."""
        if not self.security.can_offer:
            raise RemoteError(488, "media must be encrypted, and no keys may be offered in this signalling")
        wish, connectivity = self._wish(), self.connectivity
        return self._negotiation.make_offer(wish if connectivity is None else connectivity.offering(wish))

    def take_offer(self, offer: bytes, now: float, *, again: bool = False) -> bytes:
        """Our SDP answer to the far side's offer; RemoteError says with which status to refuse.

        Once it is sent, `answer_sent` is to be called. `again`: the same offer, whose answer was not sent yet.
        """
        wish, connectivity = self._wish(), self.connectivity
        local = wish if connectivity is None else connectivity.answering(wish, offer)
        answer, agreed = self._negotiation.receive_offer(offer, local, again=again)
        self._agree(agreed, now, answered=False)
        if self.proven:
            self.begin(now)
        return answer

    def answer_sent(self, now: float) -> None:
        """Our answer is on its way: the far side can be checked (RFC 8839 §4.3.2)."""
        if self.connectivity is not None:
            self.connectivity.begin(now)
            self.flush(now)

    def take_answer(self, answer: bytes, now: float) -> None:
        """The far side's SDP answer to our offer; RemoteError when it cannot be used."""
        self._agree(self._negotiation.receive_answer(answer), now)
        self.begin(now)  # it answers what only its address was told

    def early_answer(self, tag: str) -> bytes:
        """The SDP that this fork sent before it answered: some phones leave it out of the 2xx (RFC 3261 §13.2.1)."""
        return self.early_bodies.get(tag, b"")

    def take_early(self, tag: str, body: bytes, now: float) -> None:
        """A fork's early SDP comes into force; RemoteError when it cannot be used."""
        self.take_answer(body, now)
        self.early_tag = tag

    def take_refreshed(self, answer: bytes, now: float) -> None:
        """The far side's answer to what we said last, offered once more; RemoteError when it cannot be used."""
        wish, connectivity = self._wish(), self.connectivity
        local = wish if connectivity is None else connectivity.described(wish)
        self._agree(self._negotiation.receive_repeated(answer, local), now)
        self.begin(now)

    @property
    def offering(self) -> bool:
        """True while an offer of ours waits for its answer."""
        return self._negotiation.pending

    def abandon_offer(self) -> None:
        """Our offer was refused: what was agreed before stays in force."""
        self._negotiation.abandon_offer()

    def _agree(self, agreed: AudioSession, now: float, *, answered: bool = True) -> None:
        if self.connectivity is not None:
            agreed = self.connectivity.agreed(agreed, now, answered=answered)
        self.agreed = agreed
        self.security.agree(agreed, now)
        if self.inband is not None and not agreed.send:
            self.inband.stop_sending()
        # An address of nobody (0.0.0.0: hold, RFC 3264 §8.4) gets neither RTP nor RTCP.
        remote_rtp = (agreed.remote_host, agreed.remote_rtp_port) if agreed.reachable else None
        wants_rtcp = agreed.reachable and agreed.remote_rtcp_port != 0
        self.stream.configure(
            StreamConfig(
                codec=_codec(agreed.format),
                payload_type=agreed.format.payload_type,
                fmtp=agreed.format.fmtp,
                receive_codecs=_receive_codecs(agreed),
                noise_payload_type=agreed.noise_send_payload_type,
                event_payload_type=agreed.event_send_payload_type,
                event_receive_payload_type=agreed.event_receive_payload_type,
                ptime_ms=agreed.ptime_ms,
                remote_rtp=remote_rtp,
                remote_rtcp=(agreed.remote_rtcp_host, agreed.remote_rtcp_port) if wants_rtcp else None,
                send=agreed.send,
                receive=agreed.receive,
                rtcp_reduced_size=agreed.rtcp_rsize,
                voip_metrics=agreed.voip_metrics,
                peer_hosts=self._peer_hosts,
                # Who was never to hear us holds nothing by not listening.
                held=self.on_hold or (agreed.remote_on_hold and self.account.audio_direction == "both"),
            ),
            now,
        )
        self.flush(now)
        log.debug("audio with %s: %s, %d ms", remote_rtp, agreed.format.name, agreed.ptime_ms)

    @property
    def carries_audio(self) -> bool:
        """True when anything at all flows, so that the media clock is wanted."""
        return self.agreed is not None and not self.on_hold and (self.agreed.send or self.agreed.receive)

    @property
    def takes_rtp_digits(self) -> bool:
        """True when the far side accepts telephone events and the account sends them."""
        return self.account.dtmf_rtp and self.stream.can_send_digits

    @property
    def takes_tones(self) -> bool:
        """True when the account sends digits as sound, and the far side hears us."""
        return self.inband is not None and self.carries_audio and self.agreed is not None and self.agreed.send

    def begin(self, now: float) -> None:
        """The far side is proven to be where it says: shake hands, where its keys come by that."""
        self.security.begin(now)
        self.flush(now)

    def expect(self, now: float) -> None:
        """It has the door: from now on its silence is watched, even before its sound is let through."""
        self.stream.expect(now)
        if self.connectivity is not None:
            self.connectivity.expect(now)
        self.flush(now)  # which sets the stream's timer

    @property
    def codec_rate_hz(self) -> int:
        return self.stream.codec_rate_hz

    def run_at(self, rate_hz: int) -> None:
        self.stream.run_at(rate_hz)
        if self.inband is not None:
            self.inband.run_at(rate_hz)

    def skip(self, count: int) -> None:
        self.stream.skip(count)

    @property
    def shared_encoder(self) -> FrameEncoder | None:
        return self.stream.shared_encoder if self.inband is None else None  # which listens to frames

    def next_media_event(self) -> MediaEvent | None:
        """The oldest event of the leg's media that was not yet taken, or None."""
        event = self.transport.next_event()
        return self.inband.next_event() if event is None and self.inband is not None else event

    def relay_to(self, sink: PacketSink | None) -> None:
        """Hand what it receives to `sink`, packet by packet and at once (`AudioStream.relay_to`); None: play it."""
        self.stream.relay_to(sink)
        self._path.hurry(wanted=sink is not None)

    def send_now(self, now: float) -> None:
        """Put packets on the wire that were passed on."""
        self._path.send_now(now)

    def flush(self, now: float) -> None:
        """Put on the wire what the stream has ready, and set its timer."""
        self._path.flush(now)

    def close(self, now: float) -> None:
        """Say goodbye (RTCP BYE) and give the ports back."""
        self.stream.stop(now)
        if self.connectivity is not None:
            self._path.flush(now)
            self.connectivity.close(now)
        self._path.flush(now)
        self._path.close()
        self.transport.close()
        if self.transport.dropped.total:
            log.info("media of %s that was not taken: %s", self.remote, self.transport.dropped)
        self._bind(None)  # a circle less for the garbage collector


def _receive_codecs(agreed: AudioSession) -> dict[int, str]:
    """What may come, by its number."""
    codecs = {number: _codec(audio) for number, audio in agreed.receive_payload_types.items()}
    if agreed.noise_receive_payload_type is not None:
        codecs[agreed.noise_receive_payload_type] = f"CN/{agreed.format.clock_rate_hz}"
    return codecs


def _codec(audio: AudioFormat) -> str:
    """Its name for the media."""
    return f"{audio.name}/{audio.clock_rate_hz}"
