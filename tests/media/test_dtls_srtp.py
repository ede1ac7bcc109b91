"""DTLS-SRTP: two ends shake hands by their SDP's terms, and everything that goes wrong between them."""

from __future__ import annotations

import datetime
import hashlib
import random
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from tests.media.test_srtp import rtcp, rtp
from voipnode.media.dtls import MTU, DtlsIdentity, PeerPrint
from voipnode.media.dtls_srtp import HANDSHAKE_S, DtlsSrtp, Terms
from voipnode.media.events import HandshakeFailed, KeysMade, MediaEvent
from voipnode.media.protection import ProtectionError
from voipnode.media.values import Addr, MediaPacket

A, B = ("192.0.2.1", 4000), ("192.0.2.2", 5000)
A_RTCP, B_RTCP = ("192.0.2.1", 4001), ("192.0.2.2", 5001)
Meddle = Callable[[MediaPacket], list[MediaPacket]]


@cache
def key_and_certificate(name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2002, 1, 1, tzinfo=datetime.UTC))  # nobody looks
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def identity(name: str) -> DtlsIdentity:
    """What a node of that name shows."""
    key, certificate = key_and_certificate(name)
    return DtlsIdentity(certificate, key, name.encode() * 16)


def prints_of(certificate: x509.Certificate, hash_name: str = "sha-256") -> tuple[PeerPrint, ...]:
    der = certificate.public_bytes(serialization.Encoding.DER)
    return (PeerPrint(hash_name, hashlib.new(hash_name.replace("-", ""), der).digest()),)


def prints(name: str, hash_name: str = "sha-256") -> tuple[PeerPrint, ...]:
    return prints_of(key_and_certificate(name)[1], hash_name)


class Pair:
    """Two ends and what is between them: `a` begins the handshake, `b` waits for it."""

    def __init__(self, *, mux: bool = True, a_prints: tuple[PeerPrint, ...] = (), **changes: object) -> None:
        self.a, self.b = DtlsSrtp(identity("a")), DtlsSrtp(identity("b"))
        a_terms = {"active": True, "prints": a_prints or prints("b"), "rtp": B, "rtcp": None if mux else B_RTCP}
        b_terms = {"active": False, "prints": prints("a"), "rtp": A, "rtcp": None if mux else A_RTCP, **changes}
        self.a_terms, self.b_terms = Terms(**a_terms), Terms(**b_terms)  # type: ignore[arg-type]
        self.now = 0.0
        self.datagrams: list[MediaPacket] = []

    def begin(self) -> None:
        for end, terms in ((self.a, self.a_terms), (self.b, self.b_terms)):
            end.agree(terms, self.now)
            end.begin(self.now)

    def run(self, meddle: Meddle = lambda packet: [packet]) -> None:
        """Carry datagrams until nobody has any more."""
        for _ in range(100):
            sent = [(self.b, packet, A) for packet in self.a.outbox(self.now)]
            sent += [(self.a, packet, B) for packet in self.b.outbox(self.now)]
            if not sent:
                return
            for to, packet, source in sent:
                self.datagrams.append(packet)
                for carried in meddle(packet):
                    port = source[1] + carried.rtcp
                    to.receive(carried.data, (source[0], port), self.now, rtcp=carried.rtcp)
        raise AssertionError("they never stop")


def events(end: DtlsSrtp) -> list[MediaEvent]:
    found = []
    while (event := end.next_event()) is not None:
        found.append(event)
    return found


def passes(one: DtlsSrtp, other: DtlsSrtp, sequence: int) -> bool:
    """Both kinds of packets, both ways."""
    try:
        for end, far in ((one, other), (other, one)):
            assert far.unprotect(end.protect(rtp(sequence), rtcp=False), rtcp=False) == rtp(sequence)
            assert far.unprotect(end.protect(rtcp(), rtcp=True), rtcp=True) == rtcp()
    except ProtectionError:
        return False
    return True


@pytest.mark.parametrize("mux", [True, False])
def test_two_ends_make_keys_and_packets_pass_both_ways(mux: bool) -> None:
    pair = Pair(mux=mux)
    pair.begin()
    assert not passes(pair.a, pair.b, 1)
    pair.run()
    for end in (pair.a, pair.b):
        assert events(end) == [KeysMade(0.0, "AEAD_AES_256_GCM")]
        assert end.suite == "AEAD_AES_256_GCM"
        assert end.next_deadline() is None
    assert passes(pair.a, pair.b, 2)
    assert {packet.rtcp for packet in pair.datagrams} == ({False} if mux else {False, True})
    assert max(len(packet.data) for packet in pair.datagrams) <= MTU


def numbers(data: bytes, ahead: int = 0) -> tuple[list[int], bytes]:
    """The numbers of the records in the clear, and the datagram with these so much higher."""
    found, written, at = [], b"", 0
    while at < len(data):
        end = at + 13 + int.from_bytes(data[at + 11 : at + 13], "big")
        number = int.from_bytes(data[at + 5 : at + 11], "big")
        if data[at + 3 : at + 5] == b"\0\0":
            found.append(number + ahead)
            written += data[at : at + 5] + (number + ahead).to_bytes(6, "big") + data[at + 11 : end]
        else:
            written += data[at:end]
        at = end
    return found, written


def test_no_record_number_is_used_twice_however_often_the_hello_came() -> None:
    """RFC 6347 §4.2.1; browsers take the second record of a number for a repeated one."""
    pair, used = Pair(), list[int]()
    pair.begin()

    def exchange(sent: list[MediaPacket], ahead: int) -> list[MediaPacket]:
        """What the server answers to what the client sends with its numbers so much higher."""
        for packet in sent:
            pair.b.receive(numbers(packet.data, ahead)[1], A, 0.0, rtcp=False)
        answered = list(pair.b.outbox(0.0))
        used.extend(number for packet in answered for number in numbers(packet.data)[0])
        return answered

    hello = list(pair.a.outbox(0.0))
    for ahead in (0, 1, 2):  # the question for a cookie arrives the third time
        answered = exchange(hello, ahead)
    assert used == [0, 1, 2]
    for _ in range(3):
        for packet in answered:
            pair.a.receive(packet.data, B, 0.0, rtcp=False)
        answered = exchange(list(pair.a.outbox(0.0)), 2)
    assert used[3] == 3, "the number of the ClientHello with the cookie"
    assert len(set(used)) == len(used)
    assert passes(pair.a, pair.b, 1)


@pytest.mark.parametrize("hash_name", ["sha-1", "sha-224", "sha-256", "sha-384", "sha-512"])
def test_fingerprints_by_every_hash(hash_name: str) -> None:
    pair = Pair(a_prints=prints("b", hash_name))
    pair.begin()
    pair.run()
    assert passes(pair.a, pair.b, 1)


def test_one_of_several_fingerprints_is_enough() -> None:
    pair = Pair(a_prints=(*prints("stranger"), *prints("b", "sha-512")))
    pair.begin()
    pair.run()
    assert passes(pair.a, pair.b, 1)


@pytest.mark.parametrize("mux", [True, False])
def test_another_certificate_than_was_announced_ends_it_and_nothing_passes(mux: bool) -> None:
    pair = Pair(mux=mux, a_prints=prints("stranger"))
    pair.begin()
    pair.run()
    (failed,) = events(pair.a)
    assert isinstance(failed, HandshakeFailed)
    assert "fingerprint" in failed.why
    with pytest.raises(ProtectionError):
        pair.a.protect(rtp(1), rtcp=False)
    assert pair.a.next_deadline() is None


def test_hello_before_the_answer_waits_for_it() -> None:
    """RFC 8842 §5.2: whoever offered must be prepared for it."""
    pair = Pair()
    pair.a.agree(pair.a_terms, 0.0)
    pair.a.begin(0.0)
    for packet in pair.a.outbox(0.0):
        pair.b.receive(packet.data, A, 0.0, rtcp=False)
    assert not list(pair.b.outbox(0.0))
    pair.b.agree(pair.b_terms, 0.5)
    assert not list(pair.b.outbox(0.5))
    pair.b.begin(0.5)
    pair.run()
    assert passes(pair.a, pair.b, 1)


def test_a_hello_costs_nothing_before_its_sender_has_shown_that_he_is_there() -> None:
    pair = Pair(hosts=frozenset({"192.0.2.77"}))
    pair.begin()
    (hello,) = pair.a.outbox(0.0)
    for port in range(50):  # the same from anywhere, each answered by less than was sent
        pair.b.receive(hello.data, ("192.0.2.77", 1024 + port), 0.0, rtcp=False)
        (answer,) = pair.b.outbox(0.0)
        assert answer.remote == ("192.0.2.77", 1024 + port)
        assert len(answer.data) < len(hello.data) / 2
    pair.b.receive(hello.data, ("198.51.100.1", 4000), 0.0, rtcp=False)
    assert not list(pair.b.outbox(0.0))
    assert pair.b.strangers == 1
    pair.b.receive(hello.data, A, 0.0, rtcp=False)
    pair.run()
    assert passes(pair.a, pair.b, 1)


GARBAGE = (
    b"\x16",
    b"\x16" * 60,
    b"\x16\xfe\xfd" + bytes(10),
    b"\x16\xfe\xfd" + bytes(8) + b"\x00\x40" + bytes(64),
    b"\x14\xfe\xfd" + bytes(8) + b"\x00\x01\x01",
    b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x28",  # a fatal alert in the clear
    b"\x17\xfe\xfd" + bytes(8) + b"\x00\x04data",
    bytes([63]) * 1400,
    bytes([22]) * 65_000,
)


@pytest.mark.parametrize("when", ["before", "between", "after"])
def test_garbage_at_any_time_is_borne(when: str) -> None:
    pair = Pair()

    def pelt() -> None:
        for data in GARBAGE:
            pair.a.receive(data, B, pair.now, rtcp=False)
            pair.b.receive(data, A, pair.now, rtcp=False)
            pair.a.receive(data, B, pair.now, rtcp=True)  # no association there

    pair.begin()
    if when == "before":
        pelt()
    flights = 0

    def meddle(packet: MediaPacket) -> list[MediaPacket]:
        nonlocal flights
        flights += 1
        if when == "between" and flights == 3:
            alert_and_noise = [MediaPacket(data, packet.remote) for data in GARBAGE]
            return [*alert_and_noise, packet]
        return [packet]

    pair.run(meddle)
    if when == "after":
        pelt()
        pair.run()
    assert passes(pair.a, pair.b, 1)


@pytest.mark.parametrize("seed", range(5))
def test_nothing_that_a_datagram_can_hold_escapes(seed: int) -> None:
    """Datagrams of a handshake cut, doubled, exchanged or with bytes changed: it fails in words, or comes about."""
    dice = random.Random(seed)

    def meddle(packet: MediaPacket) -> list[MediaPacket]:
        data = bytearray(packet.data)
        if dice.random() < 0.5:
            return [packet]
        for _ in range(dice.randint(1, 4)):
            match dice.randint(0, 3):
                case 0 if data:
                    data[dice.randrange(len(data))] = dice.randrange(256)
                case 1:
                    del data[dice.randint(0, len(data)) :]
                case 2:
                    data += data[: dice.randint(0, 2000)]
                case _:
                    data[13:13] = dice.randbytes(dice.randint(0, 40))
        changed = packet._replace(data=bytes(data))
        return [changed, packet] if dice.random() < 0.5 else [packet, changed]

    came_about = 0
    for _ in range(40):
        pair = Pair(mux=dice.random() < 0.5)
        pair.begin()
        pair.run(meddle)
        for end in (pair.a, pair.b):
            end.on_deadline(HANDSHAKE_S)
        told = [event for end in (pair.a, pair.b) for event in events(end)]
        if passes(pair.a, pair.b, 1):
            came_about += 1
        else:
            assert any(isinstance(event, HandshakeFailed) for event in told) or pair.a.suite
    assert came_about > 0


@pytest.mark.parametrize(
    ("version", "srtp", "why"),
    [(0xFEFD, True, ""), (0xFEFD, False, "the far side shook hands, and wants no SRTP"), (0xFEFF, True, "unsupported")],
)
def test_a_client_without_srtp_or_with_dtls_1_0_is_refused(version: int, srtp: bool, why: str) -> None:
    """OpenSSL as the far side, without ours in between."""
    key, certificate = key_and_certificate("a")
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    context.set_cipher_list(b"DEFAULT@SECLEVEL=0")
    context.set_options(SSL.OP_NO_QUERY_MTU)
    context.use_certificate(certificate)
    context.use_privatekey(key)
    if srtp:
        context.set_tlsext_use_srtp(b"SRTP_AES128_CM_SHA1_32")
    client = SSL.Connection(context, None)
    client.set_ciphertext_mtu(MTU)
    client.set_connect_state()
    pair = Pair()
    pair.b.agree(Terms(active=False, prints=prints_of(certificate), rtp=A), 0.0)
    pair.b.begin(0.0)
    for _ in range(8):
        with suppress(SSL.Error):
            client.do_handshake()
        with suppress(SSL.Error):
            pair.b.receive(client.bio_read(5000), A, 0.0, rtcp=False)
        for packet in pair.b.outbox(0.0):
            client.bio_write(packet.data)
    found = events(pair.b)
    if not why:
        assert found == [KeysMade(0.0, "AES_CM_128_HMAC_SHA1_32")]
        return
    for _ in range(20):  # who repeats a hello that cannot be served is told so, and given up
        found += events(pair.b)
        if found or (at := pair.b.next_deadline()) is None:
            break
        pair.b.on_deadline(at)
    (failed,) = found
    assert isinstance(failed, HandshakeFailed)
    assert why in failed.why or "no DTLS handshake" in failed.why
    with pytest.raises(ProtectionError):
        pair.b.protect(rtp(1), rtcp=False)


def test_silence_is_given_up_in_words() -> None:
    for end, terms in ((DtlsSrtp(identity("a")), Pair().a_terms), (DtlsSrtp(identity("b")), Pair().b_terms)):
        end.agree(terms, 5.0)
        assert end.next_deadline() is None  # not yet our turn
        end.begin(5.0)
        for _ in range(100):
            at = end.next_deadline()
            if at is None:
                break
            end.on_deadline(at)
        assert events(end) == [HandshakeFailed(5.0 + HANDSHAKE_S, "no DTLS handshake within 15 s")]


def test_an_alert_that_is_followed_by_nothing_is_believed_soon() -> None:
    pair = Pair()
    pair.begin()
    list(pair.a.outbox(0.0))
    pair.a.receive(GARBAGE[5], B, 0.5, rtcp=False)
    assert pair.a.next_deadline() is not None
    pair.a.on_deadline(2.5)
    assert events(pair.a) == [HandshakeFailed(2.5, "the far side broke the DTLS handshake off")]


def test_a_far_side_that_never_shakes_hands_for_rtcp_is_heard_all_the_same() -> None:
    pair = Pair(mux=False)
    pair.begin()
    pair.run(lambda packet: [] if packet.rtcp else [packet])
    pair.a.on_deadline(HANDSHAKE_S)
    assert events(pair.a) == [KeysMade(0.0, "AEAD_AES_256_GCM")]
    assert pair.b.unprotect(pair.a.protect(rtp(1), rtcp=False), rtcp=False) == rtp(1)
    with pytest.raises(ProtectionError):
        pair.a.protect(rtcp(), rtcp=True)


@pytest.mark.parametrize("lost", [0, 3, 5])
def test_every_lost_flight_is_repeated(lost: int) -> None:
    """The hello, the server's flight, its last one: on the real clock, which is OpenSSL's, and repeats after 1 s."""
    pair = Pair()
    pair.begin()
    count = 0

    def meddle(packet: MediaPacket) -> list[MediaPacket]:
        nonlocal count
        count += 1
        return [] if count == lost + 1 else [packet]

    pair.run(meddle)
    until = time.monotonic() + 3.0
    while not (pair.a.suite and pair.b.suite) and time.monotonic() < until:
        deadlines = [at for end in (pair.a, pair.b) if (at := end.next_deadline()) is not None]
        time.sleep(max(0.0, min(deadlines) - pair.now))
        pair.now = min(deadlines)
        for end in (pair.a, pair.b):
            end.on_deadline(pair.now)
        pair.run(meddle)
    assert passes(pair.a, pair.b, 1)


def test_the_same_terms_again_change_nothing_and_others_make_new_keys() -> None:
    pair = Pair()
    pair.begin()
    pair.run()
    assert passes(pair.a, pair.b, 1)
    before = len(pair.datagrams)
    pair.begin()  # a hold: the same terms, told again
    pair.run()
    assert len(pair.datagrams) == before
    assert passes(pair.a, pair.b, 2)

    pair.a_terms = Terms(active=True, prints=prints("b"), rtp=B, name="another-association-0")
    pair.b_terms = Terms(active=False, prints=prints("a"), rtp=A, name="another-association-1")
    pair.a.agree(pair.a_terms, 1.0)
    pair.b.agree(pair.b_terms, 1.0)
    assert passes(pair.a, pair.b, 3)  # the old keys, until there are new ones
    pair.run()
    assert len(pair.datagrams) > before
    assert passes(pair.a, pair.b, 4)


def test_roles_or_addresses_that_change_are_another_association_where_names_are_missing() -> None:
    terms = Pair().a_terms
    assert terms.same_association(terms)
    assert not terms.same_association(None)
    for other in (
        Terms(active=False, prints=terms.prints, rtp=B),
        Terms(active=True, prints=prints("a"), rtp=B),
        Terms(active=True, prints=terms.prints, rtp=A),
        Terms(active=True, prints=terms.prints, rtp=B, name="x"),
    ):
        assert not terms.same_association(other)
    named = Terms(active=True, prints=terms.prints, rtp=A, name="x")
    assert named.same_association(Terms(active=True, prints=terms.prints, rtp=B, name="x"))


def test_a_router_that_gave_the_far_side_another_port() -> None:
    pair = Pair(hosts=frozenset({"203.0.113.9"}))
    pair.begin()
    outside: Addr = ("203.0.113.9", 61000)
    for _ in range(10):
        for packet in pair.a.outbox(0.0):
            pair.b.receive(packet.data, outside, 0.0, rtcp=False)
        for packet in pair.b.outbox(0.0):
            assert packet.remote == outside
            pair.a.receive(packet.data, B, 0.0, rtcp=False)
    assert passes(pair.a, pair.b, 1)
