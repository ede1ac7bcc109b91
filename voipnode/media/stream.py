"""One call's audio as an engine without I/O: datagrams and 10 ms frames in, datagrams and 10 ms frames out.

receive -> whose is it (source) -> what is it -> sound: receiver -> pull
                                              -> telephone-event: digits, and silence in the receiver
push -> resample -> sender: packets of a ptime, or digits -> outbox
on_deadline -> RTCP reports, the end of digits whose packets ceased, the silence watch
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from voipnode.codecs.errors import UnknownCodecError
from voipnode.codecs.registry import CodecType, Encoder, find_codec
from voipnode.dsp.frames import FRAMES_PER_S, Frame
from voipnode.media.dtmf import EventReceiver, Press
from voipnode.media.errors import LocalError, ParseError
from voipnode.media.events import (
    DigitEnded,
    DigitStarted,
    MediaEvent,
    RemoteAddressLearnt,
    RemoteByeReceived,
    RemoteSilent,
)
from voipnode.media.jitter import MAX_DELAY_MS
from voipnode.media.losses import LossPattern
from voipnode.media.quality import Quality, rate
from voipnode.media.rates import RATES_HZ
from voipnode.media.receiver import SoundReceiver
from voipnode.media.reception import Reception
from voipnode.media.rtcp import is_rtcp
from voipnode.media.rtcp_session import RtcpSession
from voipnode.media.rtcp_xr import UNKNOWN, VoipMetrics, voip_metrics
from voipnode.media.rtp import HEADER, HEADER_BYTES, MAX_PACKET, PLAIN, RtpPacket
from voipnode.media.sender import RtpSender
from voipnode.media.source import SourceLatch
from voipnode.media.values import Addr, MediaPacket, StreamConfig, StreamIdentity, StreamStats

__all__ = ["AudioStream", "MediaPacket", "StreamConfig", "StreamIdentity", "StreamStats"]

HELD_PATIENCE = 15  # many telephones send nothing while they hold, though RTCP should go on (RFC 3264 §5.1)
_MAX_SOURCES = 8  # how often we give way to a peer that speaks as the SSRC that is ours
_MAX_WAITING = 256  # datagrams and events that nobody fetched
_UNSPECIFIED = ("0.0.0.0", "::", "")  # noqa: S104 -- compared with, not bound to: the old way to say "hold" (RFC 3264 §8.4)


class PacketSink(Protocol):
    """Takes packets that a stream has received, in place of its jitter buffer; must not raise."""

    def take(
        self, kind: int, sequence: int, timestamp: int, payload: bytes, now: float, *, marker: bool = False
    ) -> None:
        """A packet of a negotiated payload type, of whom the stream hears, for the first time."""
        ...

    def another_source(self) -> None:
        """Somebody else speaks from the next packet on (RFC 3550 §8), or the same one after a restart."""
        ...


class AudioStream:
    """The audio of one call leg: RTP and RTCP, jitter buffer, concealment, digits.

    `now` is always the engine's monotonic time in seconds and never goes back. Frames are float32, full scale 1.0,
    10 ms: shape (rate_hz // 100,); `run_at` changes their rate, and no codec is run at a higher one than `rate_hz`.
    Codec, jitter buffer and concealment work at the codec's own rate.
    `symmetric`: send to where valid RTP comes from (RFC 4961). `silence_timeout_s`: how long neither RTP nor RTCP may
    come before `RemoteSilent`; None = for ever; 15 times as long while held.
    It is a `bridge.MediaPort`. Raises `LocalError` for other rates than 8000, 16000 and 48000.
    """

    # Slots, here and in the other objects of a leg that each 10 ms of sound go through: with a hundred calls little of
    # them is still in the processor's caches when its turn comes, and fetching it takes longer than working with it.
    __slots__ = (
        "_bytes",
        "_config",
        "_digits",
        "_doubled_before",
        "_events",
        "_frames_hz",
        "_heard_at",
        "_latch",
        "_limit_hz",
        "_listens",
        "_lost_before",
        "_malformed",
        "_noted",
        "_outbox",
        "_packets",
        "_patience_s",
        "_receiver",
        "_reception",
        "_remote",
        "_remote_rtcp",
        "_rtcp",
        "_sender",
        "_silence_timeout_s",
        "_sink",
        "_sources_left",
        "_stopped",
        "_strangers",
        "_symmetric",
        "_told_silent",
        "proven",
    )

    def __init__(
        self,
        identity: StreamIdentity,
        *,
        rate_hz: int = 8000,
        symmetric: bool = True,
        silence_timeout_s: float | None = None,
    ) -> None:
        if rate_hz not in RATES_HZ:
            raise LocalError(f"a stream of {rate_hz} Hz; {', '.join(map(str, RATES_HZ))} are right")
        self._limit_hz = rate_hz
        self._frames_hz = rate_hz
        self._symmetric = symmetric
        self._silence_timeout_s = silence_timeout_s
        self._config: StreamConfig | None = None
        self._receiver = SoundReceiver(rate_hz)
        self._latch = SourceLatch(symmetric=symmetric)
        self.proven = False  # set by the transport: what reaches us is the peer's, by its keys or the way that it came
        self._digits = EventReceiver()
        self._sender = RtpSender(identity, rate_hz)
        self._rtcp = RtcpSession(identity)
        self._reception: Reception | None = None
        self._noted: Addr | None = None  # the address that was told
        self._remote_rtcp: Addr | None = None  # where the peer's RTCP really comes from
        self._remote: Addr | None = None  # where our RTP goes
        self._sink: PacketSink | None = None
        self._outbox: list[MediaPacket] = []
        self._events: deque[MediaEvent] = deque(maxlen=_MAX_WAITING)
        self._heard_at = 0.0
        self._patience_s: float | None = None  # how long the far side may be silent, as things stand
        self._told_silent = False
        self._listens = False
        self._stopped = False
        self._sources_left = _MAX_SOURCES
        self._packets = self._bytes = self._malformed = self._strangers = self._lost_before = self._doubled_before = 0

    # -- what was negotiated

    def configure(self, config: StreamConfig, now: float) -> None:
        """Take what was negotiated: the first time, and again after every offer and answer.

        A changed `remote_rtp` forgets the learnt address. Sequence, timestamps and statistics go on.
        Raises `LocalError` for an unknown codec, a payload type or ptime out of range.
        """
        _check(config)
        codecs = {number: _codec(name) for number, name in config.receive_codecs.items()}
        codec = _codec(config.codec)
        before = self._config
        expected = before is not None and before.receive
        self._config = config
        self._receiver.configure(codecs or {config.payload_type: codec})
        self._sender.configure(
            codec,
            codec.rate_within(self._limit_hz),
            config.payload_type,
            config.event_payload_type,
            codec.ptime_within(config.ptime_ms),
            config.fmtp,
            config.noise_payload_type,
        )
        self._tell(self._digits.run_at(codec.clock_hz), now)
        if not config.send:
            self._sender.pause()
        if not config.receive:
            self._receiver.forget()
        resumed = before is not None and config.receive and (not before.receive or (before.held and not config.held))
        if config.receive and (resumed or not expected):
            self._heard_at, self._told_silent = now, False
        self._listens = config.receive
        self._patience_s = None
        if config.receive and self._silence_timeout_s is not None and not self._stopped:
            self._patience_s = self._silence_timeout_s * (HELD_PATIENCE if config.held else 1)
        self._latch.signal(config.remote_rtp, config.peer_hosts, resumed=resumed)
        self._aim()
        self._rtcp.reduced_size = config.rtcp_reduced_size
        self._rtcp.metrics = self._voip_metrics if config.voip_metrics else None
        if before is None or config.remote_rtcp != before.remote_rtcp:
            self._remote_rtcp = None
        self._rtcp.start(now)

    @property
    def codec_rate_hz(self) -> int:
        """The highest rate of sound that the agreed codecs have here; 8000 before there are any."""
        return self._receiver.codec_rate_hz

    def run_at(self, rate_hz: int) -> None:
        """Frames are of `rate_hz` from now on, those pulled and those pushed."""
        if rate_hz != self._frames_hz:
            self._frames_hz = rate_hz
            self._sender.run_at(rate_hz)
            self._receiver.run_at(rate_hz)

    def expect(self, now: float) -> None:
        """The far side is to speak from now on: its silence counts from here, however long ago all was agreed."""
        self._heard_at, self._told_silent = now, False

    def _aim(self) -> None:
        """Our RTP goes to the source that proved itself, else where signalling said."""
        address = self._latch.current if self._symmetric else None
        address = address or self._latch.signalled
        self._remote = None if address is None or address[0] in _UNSPECIFIED or address[1] == 0 else address
        config = self._config
        self._sender.sending = self._remote is not None and config is not None and config.send

    # -- datagrams in

    def receive(self, data: bytes, source: Addr, now: float, *, rtcp: bool = False) -> bool:
        """Take one datagram; `rtcp` says on which port it came (RTCP on the RTP port is recognised too, RFC 5761).

        True: it was more of the sound that is being heard already, and has brought neither events nor packets nor an
        earlier deadline. Never raises: what is malformed, not negotiated or a stranger's is counted and dropped.
        """
        if self._stopped or self._config is None:
            return False
        if source == self._latch.current and not rtcp and self._receive_more(data, now):
            return True
        try:
            if rtcp or is_rtcp(data):
                self._receive_rtcp(data, source, now)
                return False
            packet = RtpPacket.parse(data)
        except ParseError:
            self._malformed += 1
            return False
        kind = packet.payload_type
        if kind not in self._receiver.codecs and kind != self._config.event_receive_payload_type:
            self._malformed += 1
        elif self.proven:
            self._latch.admit_proven(packet, source, now)
            self._receive_rtp(packet, now, now)
        else:
            for admitted, arrived_at in self._latch.admit(packet, source, now):
                self._receive_rtp(admitted, arrived_at, now)
        return False

    def _receive_more(self, data: bytes, now: float) -> bool:
        """Take what comes fifty times a second, of whom we hear: the next plain packet of the codec that is playing.

        It does what the long way would do, without looking at what cannot have changed. False: it is something else.
        """
        reception, receiver = self._reception, self._receiver
        if reception is None or self._told_silent or not HEADER_BYTES < len(data) <= MAX_PACKET:
            return False
        first, kind, sequence, timestamp, ssrc = HEADER.unpack_from(data)
        if ssrc != reception.ssrc or first != PLAIN or receiver.codecs.get(kind) is not receiver.codec:
            return False
        latch = self._latch
        if ssrc != latch.ssrc or latch.current is not self._noted or not self._listens:
            return False
        latch.heard(now)
        self._heard_at = now
        self._packets += 1
        self._bytes += len(data) - HEADER_BYTES
        if reception.packet(sequence, timestamp, now):
            if self._sink is not None:
                self._sink.take(kind, sequence, timestamp, data[HEADER_BYTES:], now)
            elif not receiver.put(kind, timestamp, data[HEADER_BYTES:]):
                reception.discard(sequence)
        return True

    def _receive_rtp(self, packet: RtpPacket, arrived_at: float, now: float) -> None:
        reception = self._reception
        if reception is None or packet.ssrc != reception.ssrc:
            reception = self._new_source(packet, now)
        self._note_address(now)
        self._packets += 1
        self._bytes += len(packet.payload)
        self._heard_at, self._told_silent = now, False
        config = self._config
        # A repeated or wildly numbered packet is counted in there; repeated digits are told apart by their own rules.
        fresh = reception.packet(packet.sequence, packet.timestamp, arrived_at)
        if config is None or not config.receive:
            return
        if packet.payload_type == config.event_receive_payload_type:
            if self._receive_event(packet, now) and fresh:
                self._hand_on(packet, now)
        elif fresh and self._sink is not None:
            self._receiver.expect(packet.payload_type)
            reception.change_clock(self._receiver.clock_hz)
            self._hand_on(packet, now)
        elif fresh:
            self._receive_sound(packet, reception, now - arrived_at)

    def _hand_on(self, packet: RtpPacket, now: float) -> None:
        if self._sink is not None:
            kind, sequence, timestamp = packet.payload_type, packet.sequence, packet.timestamp
            self._sink.take(kind, sequence, timestamp, packet.payload, now, marker=packet.marker)

    def _receive_sound(self, packet: RtpPacket, reception: Reception, age_s: float) -> None:
        receiver = self._receiver
        codec = receiver.codec
        if not receiver.put(packet.payload_type, packet.timestamp, packet.payload, marker=packet.marker, age_s=age_s):
            reception.discard(packet.sequence)
        if receiver.codec is not codec:
            reception.change_clock(receiver.clock_hz)

    def _new_source(self, packet: RtpPacket, now: float) -> Reception:
        """Another SSRC: another numbering and another time base (RFC 3550 §8)."""
        if packet.ssrc == self._sender.ssrc and not self._sender.has_sent(packet.sequence, packet.timestamp):
            self._leave_source(now)
        if self._reception is not None:
            self._lost_before += self._reception.lost
            self._doubled_before += self._reception.duplicates
        self._receiver.new_source()
        if self._sink is not None:
            self._sink.another_source()
        self._tell(self._digits.reset(), self._heard_at)
        self._reception = Reception(packet.ssrc, packet.sequence, self._receiver.clock_hz)
        return self._reception

    def _leave_source(self, now: float) -> None:
        """The far side drew the SSRC that is ours: we say goodbye to it and take another (§8.2), a few times at most.

        The next one follows from the random one before, so that a replay takes the same.
        """
        if self._sources_left == 0:
            return
        self._sources_left -= 1
        self._send_rtcp(self._rtcp.goodbye(now, self._sender.sent, self._sender.timestamp_at(now), None))
        ssrc = (self._sender.ssrc * 1664525 + 1013904223) & 0xFFFFFFFF  # Knuth, TAOCP 3.3.4
        self._sender.change_source(ssrc)
        self._rtcp.change_source(ssrc)

    def _note_address(self, now: float) -> None:
        current = self._latch.current
        if current is self._noted:
            return
        self._noted = current
        self._aim()
        if current is not None and self._symmetric and current != self._latch.signalled:
            self._remote_rtcp = None
            self._events.append(RemoteAddressLearnt(now, current))

    def _receive_event(self, packet: RtpPacket, now: float) -> bool:
        """False: it is malformed."""
        try:
            presses = self._digits.packet(packet.timestamp, packet.marker, packet.payload, now)
        except ParseError:
            self._malformed += 1
            return False
        self._tell(presses, now)
        duration, ended = int.from_bytes(packet.payload[-2:], "big"), bool(packet.payload[-3] & 0x80)
        if self._sink is None:
            self._receiver.mute(packet.timestamp, duration, ended=ended)
        return True

    def _tell(self, presses: list[Press], now: float) -> None:
        for press in presses:
            if press.ended:
                self._events.append(DigitEnded(now, press.digit, press.duration_ms))
            else:
                self._events.append(DigitStarted(now, press.digit))

    def _receive_rtcp(self, data: bytes, source: Addr, now: float) -> None:
        assert self._config is not None
        if not self.proven and not self._latch.trusts_host(source[0]) and source != self._config.remote_rtcp:
            self._strangers += 1
            return
        goodbye = self._rtcp.receive(data, now, self._reception)
        self._heard_at, self._told_silent = now, False
        if self._symmetric:
            self._remote_rtcp = source
        if goodbye is not None and (self._reception is None or self._reception.ssrc in goodbye.sources):
            self._events.append(RemoteByeReceived(now, goodbye.reason))

    # -- packets of others

    def relay_to(self, sink: PacketSink | None) -> None:
        """Hand received sound and events to `sink`, undecoded and as they come, instead of playing them; None: play.

        Reports, digits, the silence watch and the proof of whose packets they are stay as they were.
        """
        if sink is not self._sink:
            self._sink = sink
            self._receiver.begin_anew()

    def pass_on(
        self,
        kind: int,
        sequence: int,
        timestamp: int,
        payload: bytes,
        now: float,
        *,
        marker: bool = False,
        timed: bool = True,
    ) -> bool:
        """Send a packet that another stream has received, as payload type `kind`; `timed` False: an event's.

        It gets our source, number, time and marker; what was lost before is missing here, too. False: nothing is to be
        sent, because the far side is to hear nothing now, digits of ours have its place, or it is too late.
        """
        if self._stopped or self._remote is None:
            self._sender.leave_out(sequence)
            return False
        data = self._sender.pass_on(kind, sequence, timestamp, payload, now, marker=marker, timed=timed)
        if data is None:
            return False
        self._post(MediaPacket(data, self._remote))
        return True

    def leave_out(self, sequence: int) -> None:
        """A packet of the other stream is not for this far side, which shall not take it for lost."""
        self._sender.leave_out(sequence)

    def another_source(self) -> None:
        """What is passed on from now on has another numbering and another time."""
        self._sender.another_source()

    @property
    def config(self) -> StreamConfig | None:
        """What was negotiated; None before anything was."""
        return self._config

    @property
    def digits_waiting(self) -> bool:
        """Whether digits are still to be sent, for which frames have to be pushed."""
        return self._sender.digits_waiting

    # -- datagrams out

    def outbox(self, now: float) -> list[MediaPacket]:
        """The datagrams to send now, in order; each is handed out once."""
        packets = self._outbox
        if packets:
            self._outbox = []
        return packets

    def _post(self, packet: MediaPacket) -> None:
        if len(self._outbox) == _MAX_WAITING:
            del self._outbox[0]
        self._outbox.append(packet)

    def _send_rtcp(self, data: bytes | None) -> None:
        target = self._rtcp_target()
        if data is not None and target is not None:
            # RFC 5761: on one port with RTP where signalling gave both the same.
            muxed = self._config is not None and self._config.remote_rtcp == self._config.remote_rtp
            self._post(MediaPacket(data, target, rtcp=not muxed))

    def _rtcp_target(self) -> Addr | None:
        if self._remote_rtcp is not None:
            return self._remote_rtcp
        remote, config = self._remote, self._config
        if remote is None or config is None or config.remote_rtcp is None:
            return None
        if remote == config.remote_rtp:
            return config.remote_rtcp
        # Learnt address: RTCP is expected at the next port (RFC 3550 §11) until some comes and shows where it is.
        return remote if config.remote_rtcp == config.remote_rtp else (remote[0], remote[1] + 1)

    # -- time

    def next_deadline(self) -> float | None:
        """When `on_deadline` wants to be called (RTCP report, silence watch); None: no timer needed."""
        # Asked after every packet: no list, no `min`.
        at, report_at, digit_at = self._silent_at(), self._rtcp.next_at, self._digits.next_deadline()
        if report_at is not None and (at is None or report_at < at):
            at = report_at
        if digit_at is not None and (at is None or digit_at < at):
            at = digit_at
        return at

    def _silent_at(self) -> float | None:
        patience_s = self._patience_s
        return None if patience_s is None or self._told_silent else self._heard_at + patience_s

    def on_deadline(self, now: float) -> None:
        """Do what is due at `now`; early or late calls are harmless."""
        self._tell(self._digits.on_deadline(now), now)
        self._send_rtcp(self._rtcp.due(now, self._sender.sent, self._sender.timestamp_at(now), self._reception))
        silent_at = self._silent_at()
        if silent_at is not None and now >= silent_at:
            self._told_silent = True
            self._events.append(RemoteSilent(now, now - self._heard_at))

    def next_event(self) -> MediaEvent | None:
        """The oldest event not yet taken, or None."""
        return self._events.popleft() if self._events else None

    # -- frames

    def pull(self, now: float) -> Frame:
        """The next 10 ms of what the far side says; to be called every 10 ms. Concealed where lost, silence before
        the first packet and while we do not receive. The frame is the caller's to keep.
        """
        return self._receiver.pull()

    def skip(self, count: int) -> None:
        """So many frames were not asked for in their time: they are left out, and missing in what is said, too. Else
        each halt of ours would be so much more delay."""
        self._receiver.skip(count)
        self._sender.skip(count)

    def push(self, frame: Frame, now: float) -> None:
        """10 ms for the far side; every `ptime_ms` a packet waits in the outbox. Not kept, not changed."""
        if not self._stopped and self._config is not None:
            for data in self._sender.push(frame, now):
                self._post_rtp(data)

    @property
    def shared_encoder(self) -> Encoder | None:
        """What codes frames for this leg together with those for others; None: it takes them by `push` alone."""
        return self._sender.shared_encoder

    def push_coded(self, coded: bytes, now: float) -> None:
        """10 ms for the far side, as `shared_encoder` coded them; otherwise like `push`."""
        if not self._stopped and self._config is not None:
            for data in self._sender.push_coded(coded, now):
                self._post_rtp(data)

    def _post_rtp(self, data: bytes) -> None:
        if self._remote is not None:
            self._post(MediaPacket(data, self._remote))

    # -- digits out

    @property
    def has_heard(self) -> bool:
        """Whether any RTP of the far side has been taken so far."""
        return self._packets > 0

    @property
    def packets_received(self) -> int:
        """How many packets of the far side's RTP have been taken so far."""
        return self._packets

    @property
    def can_send_digits(self) -> bool:
        """True where telephone-event was negotiated and we may send."""
        config = self._config
        return not self._stopped and config is not None and config.send and config.event_payload_type is not None

    def send_digits(self, digits: str, now: float, duration_ms: int = 160, gap_ms: int = 80) -> None:
        """Queue digits (0-9 A-D # *) as RFC 4733 events; they replace our audio while they last, and are paced by
        `push`. Raises `LocalError` for other characters, more than 64 waiting, or without `can_send_digits`."""
        if not self.can_send_digits:
            raise LocalError("telephone-event was not negotiated for sending on this stream")
        self._sender.queue(digits, duration_ms, gap_ms)

    def stop(self, now: float) -> None:
        """Say RTCP BYE (in the outbox); afterwards nothing is received or sent any more."""
        if self._stopped:
            return
        self._stopped = True
        self._tell(self._digits.reset(), now)
        self._send_rtcp(self._rtcp.goodbye(now, self._sender.sent, self._sender.timestamp_at(now), self._reception))
        self._rtcp.stop()
        self._patience_s = None
        self._receiver.forget()

    def stats(self) -> StreamStats:
        """How the stream fares so far."""
        reception, about_us, trip = self._reception, self._rtcp.about_us, self._rtcp.round_trip_s
        buffer = self._receiver.buffer
        per_ms = buffer.rate_hz / 1000
        pattern = reception.loss_pattern() if reception else LossPattern()
        quality = self._quality(pattern) if reception else None
        metrics = self._rtcp.metrics_about_us
        return StreamStats(
            packets_sent=self._sender.sent.packets,
            bytes_sent=self._sender.sent.octets,
            packets_received=self._packets,
            bytes_received=self._bytes,
            lost=self._lost_before + (reception.lost if reception else 0),
            late=buffer.late,
            duplicates=self._doubled_before + (reception.duplicates if reception else 0),
            malformed=self._malformed,
            strangers=self._strangers + self._latch.strangers,
            jitter_ms=reception.jitter_ms if reception else 0.0,
            delay_ms=buffer.delay_ms,
            concealed_ms=buffer.concealed / per_ms,
            stretched_ms=buffer.stretched / per_ms,
            squeezed_ms=buffer.squeezed / per_ms,
            round_trip_ms=None if trip is None else trip * 1000,
            remote_lost=about_us.lost if about_us else None,
            remote_jitter_ms=about_us.jitter / self._sender.clock_hz * 1000 if about_us else None,
            discarded=pattern.discarded,
            loss_bursts=pattern.bursts,
            mos=quality.mos_conversation if quality else None,
            remote_mos=metrics.mos_conversation / 10 if metrics and metrics.mos_conversation != UNKNOWN else None,
        )

    def _quality(self, pattern: LossPattern) -> Quality:
        """How the far side sounds here: from losses, and from half the round trip with what is waited at its ends."""
        ptime_ms = self._config.ptime_ms if self._config else 20
        delay_ms = 500 * (self._rtcp.round_trip_s or 0.0) + self._receiver.buffer.delay_ms + ptime_ms
        codec = self._receiver.codec.name if self._receiver.codec else ""
        return rate(codec, pattern, delay_ms)

    def _voip_metrics(self) -> VoipMetrics | None:
        reception = self._reception
        if reception is None or self._config is None:
            return None
        pattern = reception.loss_pattern()
        buffer_ms, ptime_ms = self._receiver.buffer.delay_ms, self._config.ptime_ms
        return voip_metrics(
            reception.ssrc,
            pattern,
            ptime_ms,
            self._quality(pattern),
            round_trip_ms=1000 * (self._rtcp.round_trip_s or 0.0),
            end_system_ms=buffer_ms + ptime_ms,
            buffer_ms=buffer_ms,
            buffer_abs_max_ms=MAX_DELAY_MS,
        )


def _codec(name: str) -> CodecType:
    try:
        return find_codec(name)
    except UnknownCodecError as error:
        raise LocalError(str(error)) from error


def _check(config: StreamConfig) -> None:
    if config.ptime_ms % (1000 // FRAMES_PER_S) or not 10 <= config.ptime_ms <= 200:
        raise LocalError(f"ptime_ms is {config.ptime_ms}; a multiple of 10 from 10 to 200 is right")
    numbers = [config.payload_type, *config.receive_codecs]
    numbers += [n for n in (config.event_payload_type, config.event_receive_payload_type) if n is not None]
    for number in numbers:
        # 72 to 76 would look like RTCP where both share a port (RFC 5761 §4).
        if not 0 <= number <= 127 or 64 <= number <= 95:
            raise LocalError(f"payload type {number}; 0 to 63 or 96 to 127 is right")
