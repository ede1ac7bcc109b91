"""SRTP: the RFCs' vectors through a reference, the reference against ours, then what an attacker or a change does."""

from __future__ import annotations

import re
import struct

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.support.corpora import corpora
from tests.support.srtp_reference import (
    RTP_AUTH,
    RTP_KEY,
    RTP_SALT,
    Reference,
    aes_cm,
    counter_mode,
    derive,
    gcm_iv,
)
from voipnode.media.errors import LocalError
from voipnode.media.protection import ProtectionError
from voipnode.media.srtp import OVERLAP_PACKETS, SUITES, ReceiveKey, SrtpProtection

SSRC = 0xCAFEBABE


def key_of(suite: str, first: int) -> bytes:
    size = SUITES[suite].key_bytes + SUITES[suite].salt_bytes
    return bytes((first + n * 7) & 0xFF for n in range(size))


def pair(suite: str = "AES_CM_128_HMAC_SHA1_80") -> tuple[SrtpProtection, SrtpProtection]:
    """Two ends that know each other's keys."""
    a, b = SrtpProtection(), SrtpProtection()
    a.key(suite, key_of(suite, 1), [ReceiveKey(key_of(suite, 2))])
    b.key(suite, key_of(suite, 2), [ReceiveKey(key_of(suite, 1))])
    return a, b


def rtp(sequence: int, ssrc: int = SSRC, payload: bytes = b"payload of some length") -> bytes:
    return struct.pack("!BBHII", 0x80, 0, sequence & 0xFFFF, sequence * 160 & 0xFFFFFFFF, ssrc) + payload


def rtcp(ssrc: int = SSRC, *, words: int = 3) -> bytes:
    return struct.pack("!BBHI", 0x80, 201, words - 1, ssrc) + bytes(4 * (words - 2))


def fault(end: SrtpProtection, packet: bytes, *, is_rtcp: bool = False) -> str:
    with pytest.raises(ProtectionError) as caught:
        end.unprotect(packet, rtcp=is_rtcp)
    return caught.value.fault


# --- vectors -------------------------------------------------------------------------------------------------------


def test_rfc_3711_b_2_and_rfc_6188_7_1_keystreams() -> None:
    salt = bytes.fromhex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD")
    for key, first, last in (
        ("2B7E151628AED2A6ABF7158809CF4F3C", "E03EAD0935C95E80E166B16DD92B4EB4", "6A2CC3787889374FBEB4C81B17BA6C44"),
        (
            "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98",
            "92bdd28a93c3f52511c677d08b5515a4",
            "6eb246913062a16891433e97dd01a57f",
        ),
    ):
        stream = counter_mode(bytes.fromhex(key), salt, 0, 0, bytes(1044512))
        assert stream[:16] == bytes.fromhex(first)
        assert stream[0xFF01 * 16 : 0xFF02 * 16] == bytes.fromhex(last)
        assert stream == aes_cm(bytes.fromhex(key), salt + b"\0\0", 1044512)


def test_rfc_3711_b_3_and_rfc_6188_7_2_key_derivation() -> None:
    for master_key, master_salt, key, salt, auth in (
        (
            "E1F97A0D3E018BE0D64FA32C06DE4139",
            "0EC675AD498AFEEBB6960B3AABE6",
            "C61E7A93744F39EE10734AFE3FF7A087",
            "30CBBC08863D8C85D49DB34A9AE1",
            "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4",
        ),
        (
            "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6",
            "3b04803de51ee7c96423ab5b78d2",
            "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
            "fa31791685ca444a9e07c6c64e93",
            "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
        ),
    ):
        master = bytes.fromhex(master_key), bytes.fromhex(master_salt)
        assert derive(*master, RTP_KEY, len(key) // 2) == bytes.fromhex(key)
        assert derive(*master, RTP_SALT, 14) == bytes.fromhex(salt)
        assert derive(*master, RTP_AUTH, 20) == bytes.fromhex(auth)


def labelled(section: str, label: str) -> bytes | None:
    """The value behind a label of RFC 7714: hexadecimal digits, over as many lines as it takes."""
    found = re.search(rf"^ +{label}:((?: *[0-9a-f]+(?: [0-9a-f]+)*\n)+)", section, re.MULTILINE)
    return None if found is None else bytes.fromhex(re.sub(r"\s", "", found[1]))


@pytest.mark.parametrize(("name", "examples"), [("rtp-vectors.txt", 6), ("rtcp-vectors.txt", 3)])
def test_rfc_7714_packets(name: str, examples: int) -> None:
    """§16 and §17 give session keys: they hold the reference's IV, associated data and cipher to account."""
    text = corpora("vectors", "rfc7714", name).read_text()
    done = 0
    for section in re.split(r"^(?=1[67]\.[\d.]+  )", text, flags=re.MULTILINE):
        key, aad, iv, plain, sent = (labelled(section, label) for label in ("Key", "AAD", "IV", "PT", "CT"))
        if key is None or aad is None or iv is None or not (plain or sent):
            continue
        salt = bytes.fromhex("517569642070726f2071756f")
        if aad[1] == 200:  # SRTCP: SSRC, and the index behind the E bit
            index = int.from_bytes(aad[8:12], "big") & 0x7FFFFFFF if len(aad) == 12 else 0x5D4
            assert gcm_iv(salt, int.from_bytes(aad[4:8], "big"), index) == iv
        else:
            assert gcm_iv(salt, int.from_bytes(aad[8:12], "big"), int.from_bytes(aad[2:4], "big")) == iv
        if plain:
            assert AESGCM(key).encrypt(iv, plain, aad).hex() in re.sub(r"\s", "", section)
        elif sent:
            AESGCM(key).decrypt(iv, sent, aad)  # raises where a tag is wrong
        done += 1
    assert done >= examples


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_protects_as_the_reference_does(suite: str) -> None:
    spec = SUITES[suite]
    key = key_of(suite, 1)
    reference = Reference(key[: spec.key_bytes], key[spec.key_bytes :], spec.rtp_tag_bytes)
    ours, _ = pair(suite)
    for sequence in (65533, 65534, 65535, 65536, 65537):
        assert ours.protect(rtp(sequence), rtcp=False) == reference.rtp(rtp(sequence), sequence >> 16)
    for index in (1, 2, 3):
        assert ours.protect(rtcp(words=5), rtcp=True) == reference.rtcp(rtcp(words=5), index)


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_reads_what_the_reference_wrote(suite: str) -> None:
    spec = SUITES[suite]
    key = key_of(suite, 1)
    reference = Reference(key[: spec.key_bytes], key[spec.key_bytes :], spec.rtp_tag_bytes)
    _, ours = pair(suite)
    for sequence in (65534, 65535, 65536, 65537):
        assert ours.unprotect(reference.rtp(rtp(sequence), sequence >> 16), rtcp=False) == rtp(sequence)
    assert ours.unprotect(reference.rtcp(rtcp(words=7), 1), rtcp=True) == rtcp(words=7)


# --- attackers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suite", SUITES)
def test_a_changed_bit_anywhere_is_forged_and_the_true_packet_is_still_taken(suite: str) -> None:
    a, b = pair(suite)
    for is_rtcp, packet in ((False, rtp(1)), (True, rtcp(words=4))):
        sent = a.protect(packet, rtcp=is_rtcp)
        for at in range(len(sent)):
            if is_rtcp and at == 0:
                continue  # version and count are covered below, where they make it another kind of packet
            changed = sent[:at] + bytes([sent[at] ^ 1]) + sent[at + 1 :]
            assert fault(b, changed, is_rtcp=is_rtcp) in ("forged", "malformed"), at
        assert b.unprotect(sent, rtcp=is_rtcp) == packet


def test_a_packet_is_taken_once() -> None:
    a, b = pair()
    sent = [a.protect(rtp(n), rtcp=False) for n in range(1, 300)]
    control = a.protect(rtcp(), rtcp=True)
    for packet in (sent[0], sent[2], sent[1]):  # reordering is no replay
        b.unprotect(packet, rtcp=False)
    for packet in (sent[0], sent[1], sent[2]):
        assert fault(b, packet) == "replayed"
    b.unprotect(sent[298], rtcp=False)
    assert fault(b, sent[100]) == "replayed"  # too old to tell (RFC 3711 §3.3.2)
    b.unprotect(control, rtcp=True)
    assert fault(b, control, is_rtcp=True) == "replayed"


@pytest.mark.parametrize(
    "data", [b"", b"\x80", bytes(11), bytes(12), b"\x80" * 12, b"\x80\x00" + bytes(2000), b"\x9f" * 60]
)
def test_garbage_is_counted_as_such_and_nothing_else_happens(data: bytes) -> None:
    a, b = pair()
    for is_rtcp in (False, True):
        assert fault(b, data, is_rtcp=is_rtcp) in ("forged", "malformed")
    assert b.unprotect(a.protect(rtp(1), rtcp=False), rtcp=False) == rtp(1)


def test_without_keys_nothing_passes() -> None:
    end = SrtpProtection()
    assert fault(end, rtp(1)) == "unkeyed"
    with pytest.raises(ProtectionError):
        end.protect(rtp(1), rtcp=False)


def test_wrong_keys_are_refused_before_they_do_anything() -> None:
    a, b = pair()
    for suite, send, receive in (
        ("F8_128_HMAC_SHA1_80", bytes(30), bytes(30)),
        ("AES_CM_128_HMAC_SHA1_80", bytes(29), bytes(30)),
        ("AES_CM_128_HMAC_SHA1_80", bytes(30), bytes(31)),
    ):
        with pytest.raises(LocalError):
            a.key(suite, send, [ReceiveKey(receive)])
    assert b.unprotect(a.protect(rtp(1), rtcp=False), rtcp=False) == rtp(1)


# --- several sources, long calls, changes --------------------------------------------------------------------------


def test_several_sources_share_the_keys_and_not_the_index() -> None:
    a, b = pair()
    for ssrc in (1, 2, 3):
        assert b.unprotect(a.protect(rtp(40000, ssrc), rtcp=False), rtcp=False) == rtp(40000, ssrc)


def test_the_rollover_counter_survives_a_hold_that_tells_the_same_keys_again() -> None:
    a, b = pair()
    suite = "AES_CM_128_HMAC_SHA1_80"
    early = a.protect(rtp(1), rtcp=False)
    b.unprotect(early, rtcp=False)
    for sequence in range(501, 70000, 500):  # past 65535
        b.unprotect(a.protect(rtp(sequence), rtcp=False), rtcp=False)
    a.key(suite, key_of(suite, 1), [ReceiveKey(key_of(suite, 2))])
    b.key(suite, key_of(suite, 2), [ReceiveKey(key_of(suite, 1))])
    sent = a.protect(rtp(70000), rtcp=False)
    assert sent == Reference(key_of(suite, 1)[:16], key_of(suite, 1)[16:], 10).rtp(rtp(70000), 1)
    with pytest.raises(ProtectionError):  # what a window that had been forgotten would take for the first packet
        b.unprotect(early, rtcp=False)
    assert b.unprotect(sent, rtcp=False) == rtp(70000)
    assert fault(b, sent) == "replayed"


def test_new_keys_are_taken_at_once_and_the_old_ones_for_as_long_as_their_packets_may_be_on_the_way() -> None:
    a, b = pair()
    new = "AEAD_AES_256_GCM"
    late = [a.protect(rtp(n), rtcp=False) for n in (1, 2, 3, 2000)]
    b.unprotect(late[0], rtcp=False)
    b.key(new, key_of(new, 2), [ReceiveKey(key_of(new, 1))])
    assert b.unprotect(late[1], rtcp=False) == rtp(2)  # before the far side has changed
    a.key(new, key_of(new, 1), [ReceiveKey(key_of(new, 2))])
    assert b.unprotect(a.protect(rtp(6), rtcp=False), rtcp=False) == rtp(6)
    assert b.unprotect(late[2], rtcp=False) == rtp(3)
    assert fault(b, late[2]) == "replayed"  # by the old keys too
    for n in range(7, 8 + OVERLAP_PACKETS):
        b.unprotect(a.protect(rtp(n), rtcp=False), rtcp=False)
    assert fault(b, late[3]) == "forged"  # nobody reads the old keys any more


def test_a_key_that_comes_back_goes_on_where_it_was() -> None:
    """Beginning its index again would use the keystream of the first packets a second time."""
    a, _ = pair()
    suite, other = "AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM"
    for sequence in range(65000, 66000, 500):
        a.protect(rtp(sequence), rtcp=False)
    a.key(other, key_of(other, 1), [ReceiveKey(key_of(other, 2))])
    a.protect(rtp(66000), rtcp=False)
    a.key(suite, key_of(suite, 1), [ReceiveKey(key_of(suite, 2))])
    key = key_of(suite, 1)
    assert a.protect(rtp(66001), rtcp=False) == Reference(key[:16], key[16:], 10).rtp(rtp(66001), 1)
    with pytest.raises(ProtectionError):  # nor is a number used twice
        a.protect(rtp(66001), rtcp=False)


def test_a_lifetime_is_obeyed() -> None:
    a, _ = pair()
    suite = "AES_CM_128_HMAC_SHA1_80"
    b = SrtpProtection()
    b.key(suite, key_of(suite, 2), [ReceiveKey(key_of(suite, 1), lifetime=3)])
    for n in range(1, 4):
        b.unprotect(a.protect(rtp(n), rtcp=False), rtcp=False)
    assert fault(b, a.protect(rtp(4), rtcp=False)) == "expired"
    b.unprotect(a.protect(rtcp(), rtcp=True), rtcp=True)  # counted apart


@pytest.mark.parametrize("suite", SUITES)
def test_an_mki_tells_which_key_a_packet_has(suite: str) -> None:
    spec = SUITES[suite]
    keys = {b"\0\1": key_of(suite, 1), b"\0\2": key_of(suite, 9)}
    b = SrtpProtection()
    b.key(suite, key_of(suite, 2), [ReceiveKey(key, mki=mki) for mki, key in keys.items()])
    for mki, key in keys.items():
        far = Reference(key[: spec.key_bytes], key[spec.key_bytes :], spec.rtp_tag_bytes)
        sent = far.rtp(rtp(5))
        cut = len(sent) - spec.rtp_tag_bytes
        assert b.unprotect(sent[:cut] + mki + sent[cut:], rtcp=False) == rtp(5)
        assert fault(b, sent[:cut] + b"\0\3" + sent[cut:]) == "malformed"
        assert fault(b, b"") == "malformed"
        control = far.rtcp(rtcp(words=4), 1)
        cut = len(control) - spec.rtcp_tag_bytes
        assert b.unprotect(control[:cut] + mki + control[cut:], rtcp=True) == rtcp(words=4)
