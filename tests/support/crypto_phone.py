"""A far side that encrypts: its SDP with SDES keys or a fingerprint, and its end of the SRTP."""

from __future__ import annotations

import base64
import re

import numpy as np

from tests.support.switchboard import Path, sdp
from voipnode.media.dtls import DtlsIdentity, PeerPrint
from voipnode.media.dtls_srtp import DtlsSrtp, Terms
from voipnode.media.srtp import SUITES, ReceiveKey, SrtpProtection
from voipnode.media.stream import AudioStream
from voipnode.media.transport import MediaTransport
from voipnode.media.values import StreamConfig, StreamIdentity

CM80 = "AES_CM_128_HMAC_SHA1_80"
TONE = np.full(80, 0.5, np.float32)


def key_of(suite: str, fill: bytes = b"k") -> bytes:
    return fill * (SUITES[suite].key_bytes + SUITES[suite].salt_bytes)


def crypto(tag: int, suite: str = CM80, fill: bytes = b"k") -> str:
    """An `a=crypto` line with a key of this side."""
    return f"a=crypto:{tag} {suite} inline:{base64.b64encode(key_of(suite, fill)).decode()}\r\n"


def secure_sdp(host: str, *lines: str, profile: str = "RTP/SAVP", port: int = 7000, more: str = "") -> bytes:
    return sdp(host, port, more="".join(lines) + more).replace(b"RTP/AVP", profile.encode())


def handshake_sdp(
    host: str, fingerprint: bytes, setup: str, profile: str = "UDP/TLS/RTP/SAVP", more: str = ""
) -> bytes:
    lines = f"a=fingerprint:sha-256 {fingerprint.hex(':').upper()}\r\na=setup:{setup}\r\na=rtcp-mux\r\n{more}"
    return secure_sdp(host, lines, profile=profile)


def offered_keys(body: bytes) -> dict[str, tuple[int, bytes]]:
    """Suite -> tag and key, of the lines in a description."""
    found = re.findall(rb"a=crypto:(\d+) (\w+) inline:([A-Za-z0-9+/=]+)", body)
    return {suite.decode(): (int(tag), base64.b64decode(key)) for tag, suite, key in found}


class SecureEar:
    """The far side's media: hears what a path of ours sent, and speaks into it. `fill` makes its key."""

    def __init__(self, path: Path, host: str, body: bytes, suite: str = CM80, fill: bytes = b"k") -> None:
        self.path, self.address = path, (host, 7000)
        self.stream = AudioStream(StreamIdentity(99, 1, 1, "far@test"))
        self.stream.configure(StreamConfig(remote_rtp=("192.168.1.10", path.rtp_port)), 0.0)
        self.transport = MediaTransport(self.stream)
        self.protection = SrtpProtection()
        self.transport.secure(self.protection)
        self.rekey(body, suite, fill)
        self._heard = 0

    def rekey(self, body: bytes, suite: str = CM80, fill: bytes = b"k") -> None:
        """Send with the key of `fill`, and read what our `body` says that it sends with."""
        self.protection.key(suite, key_of(suite, fill), [ReceiveKey(offered_keys(body)[suite][1])])

    def hears(self, now: float) -> int:
        """How many packets of the door it could read since it was asked last."""
        fresh, before = self.path.sent[self._heard :], self.stream.stats().packets_received
        self._heard = len(self.path.sent)
        for packet in fresh:
            self.transport.receive(
                packet.data, ("192.168.1.10", self.path.rtp_port + packet.rtcp), now, rtcp=packet.rtcp
            )
        return self.stream.stats().packets_received - before

    def says(self, now: float, packets: int = 5) -> list[bytes]:
        """Speak into the door's path; what was on the wire."""
        for tick in range(2 * packets):
            self.stream.push(TONE, now + tick / 100)
        sent = [packet.data for packet in self.transport.outbox(now)]
        for data in sent:
            self.path.receive(data, self.address, now)
        return sent


class HandshakeEar(SecureEar):
    """The far side's media where keys come by DTLS: `active` begins; `body` is our description of the call."""

    def __init__(self, path: Path, host: str, body: bytes, identity: DtlsIdentity, *, active: bool) -> None:
        self.path, self.address = path, (host, 7000)
        self.stream = AudioStream(StreamIdentity(99, 1, 1, "far@test"))
        self.stream.configure(StreamConfig(remote_rtp=("192.168.1.10", path.rtp_port)), 0.0)
        self.transport = MediaTransport(self.stream)
        self.dtls = DtlsSrtp(identity)
        self.transport.secure(self.dtls, self.dtls)
        found = re.search(rb"a=fingerprint:sha-256 ([0-9A-F:]+)", body)
        assert found is not None
        prints = (PeerPrint("sha-256", bytes.fromhex(found[1].decode().replace(":", ""))),)
        self.dtls.agree(Terms(active=active, prints=prints, rtp=("192.168.1.10", path.rtp_port)), 0.0)
        self.dtls.begin(0.0)
        self._heard = 0

    def shake(self, now: float) -> None:
        """Carry the datagrams of the handshake to and fro until there are no more."""
        for _ in range(20):
            ours = [packet.data for packet in self.transport.outbox(now)]
            fresh = self.path.sent[self._heard :]
            self._heard = len(self.path.sent)
            for packet in fresh:
                self.transport.receive(packet.data, ("192.168.1.10", self.path.rtp_port), now, rtcp=packet.rtcp)
            for data in ours:
                self.path.receive(data, self.address, now)
                self.path.flush(now)
            if not (ours or fresh):
                return
