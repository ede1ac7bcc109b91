"""Challenges answered by the endpoint; the far side checks the digests with hashlib and the formula of RFC 2617."""

from __future__ import annotations

import re
from hashlib import md5

import pytest

from tests.support.sip_agents import (
    ALICE,
    ANSWER,
    BOB,
    Agent,
    FarSide,
    agent_and_far_side,
    call_to,
    field,
    has_field,
    response_to,
)
from tests.support.wire import Wire
from voipnode.sipstack.digest import Credentials
from voipnode.sipstack.events import CallAnswered, CallProgress, EndCause, RequestFinished, SessionEnded

SECRET = (Credentials("alice", "wonderland"),)
CONTACT = "Contact: <sip:bob@192.0.2.2:5060>"


class Registrar:
    """Challenges everything but ACK and CANCEL, and checks what comes back."""

    def __init__(self, far: FarSide, *, proxy: bool = False) -> None:
        self.far = far
        self.proxy = proxy
        self.nonce = "nonce1"
        self.counts: dict[str, int] = {}
        self.accepted: list[bytes] = []
        self.answer: dict[str, tuple[str, ...]] = {}
        self.stale_once = False
        far.on_message = self.heard

    def heard(self, data: bytes, source: object) -> None:
        method = data.split(b" ", 1)[0].decode()
        if method in ("ACK", "CANCEL") or data.startswith(b"SIP/2.0"):
            return
        name = "Proxy-Authorization" if self.proxy else "Authorization"
        if has_field(data, name) and self._right(field(data, name), data):
            if self.stale_once:
                self.stale_once = False
                self.nonce = "nonce2"
                self._challenge(data, ", stale=true")
                return
            self.accepted.append(data)
            status, *fields = self.answer.get(method, ("200 OK", CONTACT))
            body = ANSWER if method == "INVITE" and status.startswith("2") else b""
            self.far.say(response_to(data, status, *fields, body=body), ALICE)
        else:
            self._challenge(data, "")

    def _challenge(self, data: bytes, more: str) -> None:
        status, name = (
            ("407 Proxy Authentication Required", "Proxy-Authenticate")
            if self.proxy
            else ("401 Unauthorized", "WWW-Authenticate")
        )
        value = f'{name}: Digest realm="door", nonce="{self.nonce}", qop="auth", algorithm=MD5{more}'
        self.far.say(response_to(data, status, value), ALICE)

    def _right(self, value: str, data: bytes) -> bool:
        given = dict(re.findall(r'(\w+)="?([^",]*)"?', value.partition(" ")[2]))
        first_line = data.split(b" ", 2)
        assert given["uri"] == first_line[1].decode()
        number = int(given["nc"], 16)
        assert number > self.counts.get(given["nonce"], 0), "a nonce count came twice"
        self.counts[given["nonce"]] = number
        a1 = md5(b"alice:door:wonderland").hexdigest()
        a2 = md5(first_line[0] + b":" + first_line[1]).hexdigest()
        expected = md5(f"{a1}:{given['nonce']}:{given['nc']}:{given['cnonce']}:auth:{a2}".encode()).hexdigest()
        return given["response"] == expected and given["nonce"] == self.nonce


def challenged(*, proxy: bool = False) -> tuple[Wire, Agent, FarSide, Registrar]:
    wire, alice, far = agent_and_far_side()
    return wire, alice, far, Registrar(far, proxy=proxy)


@pytest.mark.parametrize("proxy", [False, True])
def test_a_challenged_call_is_placed_again_with_credentials(proxy: bool) -> None:
    wire, alice, far, registrar = challenged(proxy=proxy)
    session = alice.endpoint.invite(call_to(BOB, credentials=SECRET), 0.0)
    wire.run(until=0.1)
    first, second = (data for data in far.got if data.startswith(b"INVITE"))
    for name in ("From", "To", "Call-ID", "Contact", "Content-Type"):
        assert field(first, name) == field(second, name)
    assert (field(first, "CSeq"), field(second, "CSeq")) == ("1 INVITE", "2 INVITE")  # RFC 3261 §22.2
    assert field(first, "Via") != field(second, "Via")
    assert alice.one(CallAnswered).body == ANSWER
    name = "Proxy-Authorization" if proxy else "Authorization"
    ack = next(data for data in far.got if data.startswith(b"ACK sip:bob@192.0.2.2:5060") and has_field(data, name))
    assert field(ack, name) == field(second, name)  # §22.1: the same as the INVITE's
    assert field(ack, "CSeq") == "2 ACK"
    alice.endpoint.hang_up(session, 0.1)
    wire.run(until=100)
    assert [data.split(b" ", 1)[0] for data in registrar.accepted] == [b"INVITE", b"BYE"]
    assert alice.forgot_all()


def test_a_stale_nonce_is_answered_again() -> None:
    wire, alice, _, registrar = challenged()
    registrar.stale_once = True
    alice.endpoint.invite(call_to(BOB, credentials=SECRET), 0.0)
    wire.run(until=1.0)
    alice.one(CallAnswered)
    assert len(wire.ladder.pick("INVITE")) == 3


def test_a_wrong_password_ends_the_call_with_401_and_no_endless_loop() -> None:
    wire, alice, _, _ = challenged()
    alice.endpoint.invite(call_to(BOB, credentials=(Credentials("alice", "wrong"),)), 0.0)
    wire.run(until=1.0)
    assert len(wire.ladder.pick("INVITE")) == 2
    assert alice.one(SessionEnded) == SessionEnded("s1", EndCause.REJECTED, 401, "Unauthorized")


def test_a_server_that_calls_every_nonce_stale_is_given_up_on() -> None:
    wire, alice, far = agent_and_far_side()
    count = 0

    def heard(data: bytes, source: object) -> None:
        nonlocal count
        if data.startswith(b"INVITE"):
            count += 1
            value = f'WWW-Authenticate: Digest realm="door", nonce="n{count}", stale=true, qop="auth"'
            far.say(response_to(data, "401 Unauthorized", value), ALICE)

    far.on_message = heard
    alice.endpoint.invite(call_to(BOB, credentials=SECRET), 0.0)
    wire.run(until=1.0)
    assert count == 4
    assert alice.one(SessionEnded).status == 401


def test_a_challenge_without_credentials_ends_the_call() -> None:
    wire, alice, _, _ = challenged()
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=1.0)
    assert len(wire.ladder.pick("INVITE")) == 1
    assert alice.one(SessionEnded).status == 401


def test_requests_in_the_dialog_carry_credentials_from_the_start() -> None:
    wire, alice, far, registrar = challenged()
    session = alice.endpoint.invite(call_to(BOB, credentials=SECRET), 0.0)
    wire.run(until=1.0)
    alice.endpoint.info(session, "application/dtmf", b"1", 1.0)
    alice.endpoint.reinvite(session, ANSWER, 1.0)
    wire.run(until=2.0)
    assert alice.one(RequestFinished).status == 200
    assert [data.split(b" ", 1)[0] for data in registrar.accepted] == [b"INVITE", b"INFO", b"INVITE"]
    registrar.nonce = "another"
    alice.endpoint.hang_up(session, 2.0)
    wire.run(until=2.1)
    byes = [data for data in far.got if data.startswith(b"BYE")]
    assert len(byes) == 2  # challenged with a new nonce, and sent again though the session is over
    assert field(byes[1], "CSeq") == "6 BYE"  # after 2 INVITE, 3 INFO, 4 INVITE, and 5 which was challenged


def test_hanging_up_while_the_challenge_is_on_its_way_does_not_place_the_call_again() -> None:
    wire, alice, far = agent_and_far_side()
    session = alice.endpoint.invite(call_to(BOB, credentials=SECRET), 0.0)
    wire.run(until=0.0)
    alice.endpoint.hang_up(session, 0.0)
    value = 'WWW-Authenticate: Digest realm="door", nonce="n", qop="auth"'
    far.say(response_to(far.last("INVITE"), "401 Unauthorized", value), ALICE)
    wire.run(until=100)
    assert len(wire.ladder.pick("INVITE")) == 1
    assert alice.one(SessionEnded).cause is EndCause.LOCAL_HANGUP
    assert alice.forgot_all()


def test_after_a_challenge_cancel_waits_for_word_on_the_repeated_invite() -> None:
    wire, alice, far = agent_and_far_side()
    session = alice.endpoint.invite(call_to(BOB, credentials=SECRET), 0.0)
    wire.run(until=0.0)
    first = far.last("INVITE")
    far.say(response_to(first, "100 Trying", tag=""), ALICE)
    value = 'WWW-Authenticate: Digest realm="door", nonce="n", qop="auth"'
    far.say(response_to(first, "401 Unauthorized", value), ALICE)
    wire.run(until=0.1)
    alice.endpoint.hang_up(session, 0.1)
    wire.run(until=0.2)
    assert wire.ladder.pick("CANCEL") == []
    second = far.last("INVITE")
    assert second != first
    far.say(response_to(second, "180 Ringing", CONTACT), ALICE)
    wire.run(until=0.3)
    assert field(far.last("CANCEL"), "Via") == field(second, "Via")
    assert alice.told(CallProgress) == []
