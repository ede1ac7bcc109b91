"""Encrypted calls: the account's policy against every kind of far side, keys that change, packets of others."""

from __future__ import annotations

import pytest

from tests.media.test_dtls_srtp import identity
from tests.support.crypto_phone import (
    CM80,
    HandshakeEar,
    SecureEar,
    crypto,
    handshake_sdp,
    offered_keys,
    secure_sdp,
)
from tests.support.switchboard import DOOR, Path, Phone, Switchboard, sdp
from tests.support.wire import Link
from voipnode.calls.errors import NotNowError
from voipnode.calls.settings import AccountSettings, complete_accounts
from voipnode.sipstack import events as sip
from voipnode.sipstack.transport import Hop

ANNA = "192.168.1.20"


def account(policy: str, **more: object) -> AccountSettings:
    return AccountSettings(media_encryption=policy, sdes_in_clear_signalling=True, auto_answer=True, **more)  # type: ignore[arg-type]


def answering(body: bytes):  # type: ignore[no-untyped-def]
    """A plan: answer calls and re-INVITEs with this description."""

    def plan(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            phone.endpoint.accept(event.session, body, phone.wire.now)
        elif isinstance(event, sip.ReinviteReceived):
            phone.endpoint.accept_reinvite(event.session, body, phone.wire.now)

    return plan


def called(policy: str, answer: bytes, **more: object) -> tuple[Switchboard, Phone]:
    """The node calls a phone that answers so; a second later."""
    board = Switchboard(account=account(policy, **more))
    phone = board.phone("anna", ANNA, plan=answering(answer))
    board.ring(phone)
    board.wire.run(1.0)
    return board, phone


def calling(policy: str, offer: bytes, **more: object) -> tuple[Switchboard, Phone]:
    """A phone calls the node with this offer; a second later."""
    board = Switchboard(account=account(policy, **more))
    phone = board.phone("anna", ANNA)
    phone.call(DOOR, offer=offer)
    board.wire.run(1.0)
    return board, phone


def outcome(board: Switchboard) -> str:
    return f"{board.last.state.value} {board.last.encryption} {board.last.cipher}".strip()


# --- the policy, both directions -----------------------------------------------------------------------------------

PLAIN = sdp(ANNA)
KEYS = crypto(4)  # the tag of our fourth line, which has this suite
SECURE, OPPORTUNISTIC = secure_sdp(ANNA, KEYS), secure_sdp(ANNA, KEYS, profile="RTP/AVP")
BROKEN = secure_sdp(ANNA, "a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:c2hvcnQ=\r\n")
ENCRYPTED = f"Active sdes {CM80}"


@pytest.mark.parametrize(
    ("offer", "none", "best_effort", "mandatory"),
    [
        (PLAIN, "Active none", "Active none", "488"),
        (OPPORTUNISTIC, "Active none", ENCRYPTED, ENCRYPTED),
        (SECURE, "488", ENCRYPTED, ENCRYPTED),
        (BROKEN, "488", "488", "488"),
    ],
)
def test_who_calls_the_door(offer: bytes, none: str, best_effort: str, mandatory: str) -> None:
    for policy, expected in (("none", none), ("best_effort", best_effort), ("mandatory", mandatory)):
        board, phone = calling(policy, offer)
        if expected == "488":
            assert phone.of(sip.SessionEnded)[0].status == 488
            board.wire.run(100.0)
            board.assert_quiet()
        else:
            assert outcome(board) == expected


@pytest.mark.parametrize(
    ("answer", "none", "best_effort", "mandatory"),
    [
        (PLAIN, "Active none", "Active none", "Terminated"),
        (OPPORTUNISTIC, "Active none", ENCRYPTED, ENCRYPTED),
        (SECURE, "Terminated", ENCRYPTED, ENCRYPTED),
        (BROKEN, "Terminated", "Terminated", "Terminated"),
    ],
)
def test_whom_the_door_calls(answer: bytes, none: str, best_effort: str, mandatory: str) -> None:
    for policy, expected in (("none", none), ("best_effort", best_effort), ("mandatory", mandatory)):
        board, phone = called(policy, answer)
        assert outcome(board).startswith(expected), policy
        if expected == "Terminated":
            assert "no common audio" in board.last.detail
            assert not board.paths.open_now
            assert not board.paths.all[0].sent  # not a packet left
            assert phone.of(sip.SessionEnded)


def test_mandatory_says_why() -> None:
    board, _ = called("mandatory", PLAIN)
    assert board.last.detail == "no common audio: media must be encrypted, and the answer has no keys"
    board, phone = calling("mandatory", PLAIN)
    assert board.last.detail == "no common audio: media must be encrypted, and the offer has no keys that can be used"
    assert phone.of(sip.SessionEnded)[0].status == 488


def test_what_the_policy_offers() -> None:
    for policy, profile, lines in (
        ("none", b"RTP/AVP", 0),
        ("best_effort", b"RTP/AVP", 4),
        ("mandatory", b"RTP/SAVP", 4),
    ):
        _, phone = called(policy, PLAIN)
        (call,) = phone.of(sip.IncomingCall)
        assert b" %s " % profile in call.offer
        assert call.offer.count(b"a=crypto:") == lines


# --- sound ---------------------------------------------------------------------------------------------------------


def test_sound_passes_both_ways_and_nobody_else_reads_or_speaks() -> None:
    board, phone = called("mandatory", SECURE)
    (call,) = phone.of(sip.IncomingCall)
    (path,) = board.paths.all
    ear = SecureEar(path, ANNA, call.offer)
    assert ear.hears(1.0) > 20
    sent = ear.says(1.0)
    assert path.engine.stream.stats().packets_received == 5
    for data in sent:  # a recording of it
        path.receive(data, ear.address, 1.1)
    path.receive(sent[0][:-1] + b"\0", ear.address, 1.1)
    path.receive(b"\x80\x00" + bytes(170), ear.address, 1.1)  # in the clear
    assert path.engine.stream.stats().packets_received == 5
    assert (path.engine.dropped.replayed, path.engine.dropped.forged) == (6, 1) or path.engine.dropped.suspicious == 7
    board.switch.hang_up(board.last.call, 1.2)
    board.wire.run(2.0)
    assert board.last.rejected_packets == 7


def test_early_sound_is_encrypted_too() -> None:
    board = Switchboard(account=account("mandatory"))

    def plan(who: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            who.endpoint.ring(event.session, who.wire.now, status=183, body=SECURE)

    phone = board.phone("anna", ANNA, plan=plan)
    board.ring(phone)
    board.wire.run(1.0)
    (path,) = board.paths.all
    ear = SecureEar(path, ANNA, phone.of(sip.IncomingCall)[0].offer)
    assert ear.hears(1.0) > 20  # silence, which opens the way back
    ear.says(1.0)
    assert path.engine.stream.stats().packets_received == 5


# --- changes -------------------------------------------------------------------------------------------------------


def test_hold_and_resume_keep_the_keys_and_the_index() -> None:
    board, phone = called("mandatory", SECURE)
    (path,) = board.paths.all
    ear = SecureEar(path, ANNA, phone.of(sip.IncomingCall)[0].offer)
    first = ear.says(1.0)
    call = board.last.call
    board.switch.hold(call, 1.0, held=True)
    board.wire.run(2.0)
    board.switch.hold(call, 2.0, held=False)
    board.wire.run(3.0)
    offers = [event.offer for event in phone.of(sip.ReinviteReceived)]
    assert [offered_keys(offer) for offer in offers] == [
        {CM80: offered_keys(phone.of(sip.IncomingCall)[0].offer)[CM80]}
    ] * 2
    ear.hears(3.0)
    board.wire.run(3.5)
    assert ear.hears(3.5) > 20
    for data in first:
        path.receive(data, ear.address, 3.6)
    assert path.engine.dropped.replayed == len(first)  # the window was not forgotten


def test_new_keys_by_re_invite_and_another_suite() -> None:
    board, phone = called("mandatory", SECURE)
    (path,) = board.paths.all
    ear = SecureEar(path, ANNA, phone.of(sip.IncomingCall)[0].offer)
    ear.says(1.0)
    for at, suite, fill in ((2.0, CM80, b"m"), (3.0, "AEAD_AES_256_GCM", b"n")):
        phone.endpoint.reinvite(phone.session, secure_sdp(ANNA, crypto(9, suite, fill)), board.wire.now)
        board.wire.run(at)
        answer = phone.of(sip.ReinviteAnswered)[-1].body
        ear.rekey(answer, suite, fill)
        ear.hears(at)
        before = path.engine.stream.stats().packets_received
        ear.says(at)
        assert path.engine.stream.stats().packets_received == before + 5
        board.wire.run(at + 0.5)
        assert ear.hears(at + 0.5) > 20
    assert board.last.cipher == "AEAD_AES_256_GCM"  # told at once
    assert board.last.detail == "encrypted (AEAD_AES_256_GCM, SDES)"


def test_an_offer_in_the_clear_is_refused_in_mid_call_and_changes_nothing() -> None:
    board, phone = called("mandatory", SECURE)
    (path,) = board.paths.all
    ear = SecureEar(path, ANNA, phone.of(sip.IncomingCall)[0].offer)
    phone.endpoint.reinvite(phone.session, PLAIN, 1.0)
    board.wire.run(2.0)
    assert phone.of(sip.ReinviteAnswered)[0].status == 488
    ear.hears(2.0)
    board.wire.run(3.0)
    assert ear.hears(3.0) > 40
    assert outcome(board) == ENCRYPTED


def test_a_refused_re_invite_of_ours_goes_back_to_the_old_keys() -> None:
    board, phone = called("mandatory", SECURE)
    (path,) = board.paths.all
    ear = SecureEar(path, ANNA, phone.of(sip.IncomingCall)[0].offer)

    def refuses(who: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.ReinviteReceived):
            who.endpoint.reject_reinvite(event.session, 488, who.wire.now)

    phone.plan = refuses
    board.switch.hold(board.last.call, 1.0, held=True)
    board.wire.run(2.0)
    ear.hears(2.0)
    board.wire.run(3.0)
    assert ear.hears(3.0) > 40
    ear.says(3.0)
    assert path.engine.stream.stats().packets_received == 5


def test_best_effort_tells_when_a_call_becomes_clear_and_encrypted_again() -> None:
    board, phone = called("best_effort", OPPORTUNISTIC)
    for at, offer in ((2.0, PLAIN), (3.0, OPPORTUNISTIC)):
        phone.endpoint.reinvite(phone.session, offer, board.wire.now)
        board.wire.run(at)
    told = [(event.encryption, event.detail) for event in board.events if getattr(event, "state", "") == "Active"]
    assert told[1:] == [("none", "in the clear"), ("sdes", f"encrypted ({CM80}, SDES)")]


# --- forks ---------------------------------------------------------------------------------------------------------


def test_of_several_phones_each_has_keys_of_its_own() -> None:
    board = Switchboard(account=account("mandatory"))
    anna = board.phone("anna", ANNA)
    berta = board.phone("berta", "192.168.1.21", plan=answering(secure_sdp("192.168.1.21", crypto(4, fill=b"b"))))
    board.ring(anna, berta)
    board.wire.run(1.0)
    assert outcome(board) == ENCRYPTED
    ear = SecureEar(board.paths.all[1], "192.168.1.21", berta.of(sip.IncomingCall)[0].offer, fill=b"b")
    assert ear.hears(1.0) > 20
    assert not board.paths.all[0].sent


def test_the_answer_of_another_fork_brings_other_keys() -> None:
    """A 183 with keys, then the 200 of somebody else with his own: his are in force."""
    board = Switchboard(account=account("mandatory"))
    phone = board.phone("anna", ANNA)
    board.ring(phone)
    board.wire.run(0.5)
    (path,) = board.paths.all
    offer = phone.of(sip.IncomingCall)[0].offer
    phone.endpoint.ring(phone.session, 0.5, status=183, body=SECURE)
    board.wire.run(1.0)
    phone.endpoint.accept(phone.session, secure_sdp(ANNA, crypto(1, "AEAD_AES_256_GCM", b"z")), 1.0)
    board.wire.run(2.0)
    assert board.last.cipher == "AEAD_AES_256_GCM"
    ear = SecureEar(path, ANNA, offer, "AEAD_AES_256_GCM", b"z")
    ear.says(2.0)
    assert path.engine.stream.stats().packets_received == 5


# --- DTLS ----------------------------------------------------------------------------------------------------------

THEIRS = identity("anna")


def with_hands(policy: str = "mandatory", **more: object) -> Switchboard:
    chosen = AccountSettings(media_encryption=policy, media_keying=("dtls",), auto_answer=True, **more)  # type: ignore[arg-type]
    return Switchboard(account=chosen, dtls=identity("door"))


def only_handshakes(path: Path) -> bool:
    return all(20 <= packet.data[0] < 64 for packet in path.sent)


@pytest.mark.parametrize(
    ("setup", "profile"), [("active", "UDP/TLS/RTP/SAVP"), ("passive", "UDP/TLS/RTP/SAVP"), ("active", "RTP/AVP")]
)
def test_the_door_calls_and_shakes_hands(setup: str, profile: str) -> None:
    board = with_hands("best_effort" if profile == "RTP/AVP" else "mandatory")
    phone = board.phone("anna", ANNA, plan=answering(handshake_sdp(ANNA, THEIRS.fingerprint, setup, profile)))
    board.ring(phone)
    board.wire.run(1.0)
    (path,) = board.paths.all
    offer = phone.of(sip.IncomingCall)[0].offer
    assert f" {profile} ".encode() in offer
    assert (board.last.state, board.last.encryption, board.last.cipher) == ("Active", "dtls", "")  # under way
    assert only_handshakes(path)
    ear = HandshakeEar(path, ANNA, offer, THEIRS, active=setup == "active")
    ear.shake(1.0)
    assert (board.last.encryption, board.last.cipher) == ("dtls", "AEAD_AES_256_GCM")
    ear.says(1.1)
    assert path.engine.stream.stats().packets_received == 5
    board.wire.run(2.0)
    assert ear.hears(2.0) > 20


def test_a_hello_that_is_faster_than_the_answer_waits_for_it() -> None:
    board = with_hands()
    phone = board.phone("anna", ANNA)
    board.ring(phone)
    board.wire.run(0.5)
    (path,) = board.paths.all
    ear = HandshakeEar(path, ANNA, phone.of(sip.IncomingCall)[0].offer, THEIRS, active=True)
    ear.shake(0.5)
    assert not path.sent
    phone.endpoint.accept(phone.session, handshake_sdp(ANNA, THEIRS.fingerprint, "active"), 0.5)
    board.wire.run(1.0)
    ear.shake(1.0)  # with what was said already: it repeats nothing in this time
    assert board.last.cipher == "AEAD_AES_256_GCM"


@pytest.mark.parametrize("setup", ["actpass", "active", "passive"])
def test_the_door_is_called_and_shakes_hands_once_the_caller_is_proven(setup: str) -> None:
    board = with_hands()
    phone = board.phone("anna", ANNA)
    phone.call(DOOR, offer=handshake_sdp(ANNA, THEIRS.fingerprint, setup))
    board.wire.run(1.0)
    (path,) = board.paths.all
    body = phone.of(sip.CallAnswered)[0].body
    ear = HandshakeEar(path, ANNA, body, THEIRS, active=b"a=setup:passive" in body)
    ear.shake(1.0)
    ear.says(1.1)
    assert path.engine.stream.stats().packets_received == 5
    held = handshake_sdp(ANNA, THEIRS.fingerprint, setup, more="a=sendonly\r\n")
    phone.endpoint.reinvite(phone.session, held, 1.5)
    before = len(path.sent)
    board.wire.run(3.0)  # the same association
    assert not [packet for packet in path.sent[before:] if 20 <= packet.data[0] < 64]
    ear.says(3.0)
    assert path.engine.stream.stats().packets_received == 10


def test_nobody_is_sent_a_handshake_before_he_has_shown_that_he_is_there() -> None:
    """A forged INVITE with somebody else's address in it."""
    board = with_hands()
    phone = board.phone("anna", ANNA)
    phone.call(DOOR, offer=handshake_sdp("192.168.1.66", THEIRS.fingerprint, "passive"))
    board.wire.set_link("anna", "door", Link(loss=1.0))
    board.wire.run(1.0)
    assert board.last.state == "Active"
    assert not board.paths.all[0].sent


def test_another_certificate_ends_the_call_in_words() -> None:
    board = with_hands()
    phone = board.phone("anna", ANNA, plan=answering(handshake_sdp(ANNA, identity("mallory").fingerprint, "active")))
    board.ring(phone)
    board.wire.run(1.0)
    (path,) = board.paths.all
    HandshakeEar(path, ANNA, phone.of(sip.IncomingCall)[0].offer, THEIRS, active=True).shake(1.0)
    board.wire.run(2.0)
    assert board.last.state == "Terminated"
    assert board.last.detail == "the far side's certificate is not the one that its signalling announced (fingerprint)"
    assert only_handshakes(path)  # not a packet of sound
    board.wire.run(100.0)
    board.assert_quiet()


def test_a_handshake_that_never_comes_ends_the_call_in_words() -> None:
    board = with_hands()
    phone = board.phone("anna", ANNA, plan=answering(handshake_sdp(ANNA, THEIRS.fingerprint, "active")))
    board.ring(phone)
    board.wire.run(20.0)
    assert board.last.detail == "no DTLS handshake within 15 s"


# --- keys in signalling that anybody can read ----------------------------------------------------------------------


def test_sdes_keys_do_not_travel_over_udp() -> None:
    for policy, answer, expected in (
        ("best_effort", OPPORTUNISTIC, "Active none"),
        ("best_effort", PLAIN, "Active none"),
    ):
        board = Switchboard(account=AccountSettings(media_encryption=policy, auto_answer=True, media_keying=("sdes",)))  # type: ignore[arg-type]
        phone = board.phone("anna", ANNA, plan=answering(answer))
        board.ring(phone)
        board.wire.run(1.0)
        assert b"a=crypto" not in phone.of(sip.IncomingCall)[0].offer
        assert outcome(board) == expected
    board = Switchboard(account=AccountSettings(media_encryption="mandatory", auto_answer=True, media_keying=("sdes",)))
    phone = board.phone("anna", ANNA)
    with pytest.raises(NotNowError, match="only over TLS"):
        board.ring(phone)
    assert not board.paths.open_now
    phone.call(DOOR, offer=SECURE)
    board.wire.run(1.0)
    assert phone.of(sip.SessionEnded)[0].status == 488
    phone.call(DOOR, offer=b"")
    board.wire.run(2.0)
    assert phone.of(sip.SessionEnded)[1].status == 488
    board.wire.run(100.0)
    board.assert_quiet()


def test_over_tls_sdes_keys_are_given_and_taken_and_one_hop_without_it_is_enough_to_keep_them() -> None:
    chosen = AccountSettings(media_encryption="mandatory", auto_answer=True, media_keying=("sdes",))
    board = Switchboard(account=chosen)
    phone = board.phone("anna", ANNA)
    hop = Hop("TLS", phone.address, domain=ANNA)
    for transport in ("UDP", "TCP", "WS"):
        with pytest.raises(NotNowError, match="only over TLS"):
            board.switch.ring([board.way(phone, hop, Hop(transport, phone.address))], 0.0, authorised=True)
    call = board.switch.ring([board.way(phone, hop)], 0.0, authorised=True)
    (leg,) = board.switch.call(call).legs.values()
    assert leg.security.local is not None
    assert len(leg.security.local.lines) == 6


def test_settings_that_could_only_fail_are_refused() -> None:
    given = {"type": "registered", "domain": "pbx.example.com", "media_encryption": "mandatory"}
    for transport in ("udp", "tcp", "ws"):
        with pytest.raises(ValueError, match="for everybody to read"):
            AccountSettings(**given, transport=transport, media_keying=("sdes",), sdes_in_clear_signalling=False)  # type: ignore[arg-type]
        AccountSettings(**given, transport=transport)  # type: ignore[arg-type]
    AccountSettings(**given, transport="tls", media_keying=("sdes",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="once"):
        AccountSettings(media_keying=("sdes", "sdes"))


def test_the_strictest_encryption_holds_for_all_active_peer_to_peer_accounts() -> None:
    accounts = complete_accounts(
        (
            AccountSettings(name="a"),
            AccountSettings(name="b", media_encryption="best_effort"),
            AccountSettings(name="c", media_encryption="mandatory", active=False),
            AccountSettings(name="d", type="registered", domain="pbx.example.com", media_encryption="mandatory"),
            AccountSettings(name="e", type="registered", domain="pbx.example.com"),
        )
    )
    assert [each.media_encryption for each in accounts] == [
        "best_effort",
        "best_effort",
        "mandatory",
        "mandatory",
        "none",
    ]
    assert [each.id for each in accounts] == ["a", "b", "c", "d", "e"]
