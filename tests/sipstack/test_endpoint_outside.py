"""Requests outside a dialog, alone and in series; the far side checks the digests with hashlib."""

from __future__ import annotations

import re
from hashlib import md5

import pytest

from tests.support.sip_agents import (
    ALICE,
    BOB,
    CAROL,
    Agent,
    FarSide,
    address,
    agent_and_far_side,
    field,
    has_field,
    response_to,
    tag_of,
    uri,
)
from tests.support.wire import Wire
from voipnode.sipstack.config import OutsideRequest
from voipnode.sipstack.digest import Credentials
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.events import RequestFinished
from voipnode.sipstack.series import Series
from voipnode.sipstack.transport import Address, Hop

SECRET = Credentials("alice", "wonderland")
REALM = uri("sip:192.0.2.2")
AOR = address('"Door" <sip:alice@192.0.2.2>')


class Asker:
    """Asks for a password once or more, and counts how often each nonce served."""

    def __init__(self, far: FarSide, *askers: tuple[str, str, str]) -> None:
        """Each asker is a field of the response, a realm and the only user that it takes."""
        self.far = far
        self.askers = askers or (("WWW-Authenticate", "door", "alice"),)
        self.nonces = {realm: f"{realm}-1" for _, realm, _ in self.askers}
        self.uses: dict[str, list[int]] = {}
        self.stale = False
        self.more: tuple[str, ...] = ()
        self.extra_challenges: tuple[str, ...] = ()
        far.on_message = self.heard

    def heard(self, data: bytes, source: object) -> None:
        for name, realm, user in self.askers:
            if not self._satisfied(
                data, name.replace("Authenticate", "Authorization").removeprefix("WWW-"), realm, user
            ):
                stale = ", stale=true" if self.stale else ""
                self.stale = False
                nonce = f'nonce="{self.nonces[realm]}"'
                challenge = f'{name}: Digest realm="{realm}", {nonce}, qop="auth", algorithm=MD5{stale}'
                status = "401 Unauthorized" if name.startswith("WWW") else "407 Proxy Authentication Required"
                self.far.say(response_to(data, status, *self.extra_challenges, challenge), ALICE)
                return
        self.far.say(response_to(data, "200 OK", *self.more), ALICE)

    def _satisfied(self, data: bytes, name: str, realm: str, user: str) -> bool:
        for value in re.findall(rf"(?m)^{name}: Digest (.*?)\r$", data.decode()):
            given = dict(re.findall(r'(\w+)="?([^",]*)"?', value))
            if given["realm"] != realm or given["nonce"] != self.nonces[realm]:
                continue
            self.uses.setdefault(given["nonce"], []).append(int(given["nc"], 16))
            method, target, _ = data.decode().split(" ", 2)
            a1 = md5(f"{user}:{realm}:wonderland".encode()).hexdigest()
            a2 = md5(f"{method}:{target}".encode()).hexdigest()
            count = f"{given['nonce']}:{given['nc']}:{given['cnonce']}:auth"
            return given["response"] == md5(f"{a1}:{count}:{a2}".encode()).hexdigest()
        return False


def rig(*askers: tuple[str, str, str]) -> tuple[Wire, Agent, FarSide, Asker]:
    wire, alice, far = agent_and_far_side()
    return wire, alice, far, Asker(far, *askers)


def register(alice: Agent, series: Series, now: float) -> str:
    hop = Hop("UDP", BOB)
    contact = alice.endpoint.contact("alice", hop, (("expires", "60"),))
    call = OutsideRequest("REGISTER", REALM, AOR, AOR, hop, headers=(("Contact", contact),), series=series)
    return alice.endpoint.request(call, now)


def test_registers_of_a_series_share_call_id_and_tag_and_count_cseq_and_nonce() -> None:
    wire, alice, far, asker = rig()
    series = alice.endpoint.series((SECRET,))
    tokens = [register(alice, series, 0.0)]
    wire.run(until=30.0)
    tokens.append(register(alice, series, 30.0))
    wire.run(until=60.0)
    tokens.append(register(alice, series, 60.0))
    wire.run(until=100.0)
    assert [(event.token, event.status) for event in alice.told(RequestFinished)] == [(each, 200) for each in tokens]
    assert wire.ladder.times("REGISTER") == [0.0, 0.0, 30.0, 60.0]  # asked for the password once
    assert [field(data, "CSeq") for data in far.got] == [f"{number} REGISTER" for number in (1, 2, 3, 4)]
    assert len({field(data, "Call-ID") for data in far.got}) == 1
    assert len({tag_of(field(data, "From")) for data in far.got}) == 1
    assert asker.uses == {"door-1": [1, 2, 3]}
    assert field(far.got[0], "Contact") == "<sip:alice@192.0.2.1:5060>;expires=60"
    assert far.got_first_lines()[0] == "REGISTER sip:192.0.2.2 SIP/2.0"
    assert field(far.got[0], "To") == '"Door" <sip:alice@192.0.2.2>'
    assert alice.forgot_all()


def test_a_stale_nonce_is_replaced_and_costs_the_password_nothing() -> None:
    wire, alice, _, asker = rig()
    series = alice.endpoint.series((SECRET,))
    register(alice, series, 0.0)
    wire.run(until=1.0)
    for number in (2, 3, 4, 5, 6, 7, 8):  # more often than one request may be repeated
        asker.nonces["door"], asker.stale = f"door-{number}", True
        register(alice, series, float(number))
        wire.run(until=number + 0.9)
    assert [event.status for event in alice.told(RequestFinished)] == [200] * 8
    assert asker.uses == {f"door-{number}": [1] for number in range(1, 9)}


def test_the_next_nonce_that_a_200_announces_is_used_without_being_asked() -> None:
    wire, alice, _, asker = rig()
    series = alice.endpoint.series((SECRET,))
    asker.more = ('Authentication-Info: nextnonce="door-2"',)
    register(alice, series, 0.0)
    wire.run(until=1.0)
    asker.nonces["door"] = "door-2"
    register(alice, series, 1.0)
    wire.run(until=2.0)
    assert wire.ladder.times("REGISTER") == [0.0, 0.0, 1.0]
    assert asker.uses == {"door-1": [1], "door-2": [1]}


def test_a_wrong_password_is_sent_once_for_each_register() -> None:
    wire, alice, far, _ = rig()
    series = alice.endpoint.series((Credentials("alice", "wrong"),))
    register(alice, series, 0.0)
    wire.run(until=1.0)
    register(alice, series, 1.0)
    wire.run(until=2.0)
    assert [event.status for event in alice.told(RequestFinished)] == [401, 401]
    assert [has_field(data, "Authorization") for data in far.got] == [False, True, False, True]


def test_each_asker_gets_the_credentials_of_its_realm() -> None:
    wire, alice, far, _ = rig(("Proxy-Authenticate", "edge", "proxyuser"), ("WWW-Authenticate", "door", "alice"))
    series = alice.endpoint.series((SECRET, Credentials("proxyuser", "wonderland", realm="edge")))
    register(alice, series, 0.0)
    wire.run(until=1.0)
    register(alice, series, 1.0)
    wire.run(until=2.0)
    assert [event.status for event in alice.told(RequestFinished)] == [200, 200]
    assert wire.ladder.times("REGISTER") == [0.0, 0.0, 0.0, 1.0]
    assert b'username="proxyuser", realm="edge"' in far.got[-1]
    assert b'username="alice", realm="door"' in far.got[-1]


def test_credentials_that_one_realm_refused_give_way_to_the_next_ones() -> None:
    wire, alice, far, asker = rig(("Proxy-Authenticate", "edge", "second"))
    both = Credentials("first", "wonderland"), Credentials("second", "wonderland")
    series = alice.endpoint.series(both)
    register(alice, series, 0.0)
    wire.run(until=1.0)
    assert alice.one(RequestFinished).status == 200
    users = [re.search(rb'username="(\w+)"', data) for data in far.got]
    assert [user and user[1] for user in users] == [None, b"first", b"second"]
    assert asker.uses == {"edge-1": [1, 2]}  # nc counts the nonce's uses, whoever used it
    register(alice, series, 1.0)
    wire.run(until=2.0)
    assert asker.uses == {"edge-1": [1, 2, 3]}


def test_a_challenge_that_nobody_knows_is_skipped_for_one_that_can_be_answered() -> None:
    wire, alice, _, asker = rig()
    asker.extra_challenges = (
        'WWW-Authenticate: Digest realm="door", nonce="x", qop="auth", algorithm=SHA-1024',
        'WWW-Authenticate: AKAv1 realm="door", nonce="x"',
    )
    register(alice, alice.endpoint.series((SECRET,)), 0.0)
    wire.run(until=1.0)
    assert alice.one(RequestFinished).status == 200


def test_a_request_without_a_series_has_credentials_of_its_own() -> None:
    wire, alice, far, _ = rig()
    for method in ("MESSAGE", "OPTIONS"):
        alice.endpoint.request(
            OutsideRequest(method, REALM, AOR, credentials=(SECRET,), body=b"hi", content_type="text/plain"), 0.0
        )
        wire.run(until=1.0)
    assert [event.status for event in alice.told(RequestFinished)] == [200, 200]
    assert [field(data, "CSeq") for data in far.got] == ["1 MESSAGE", "2 MESSAGE", "1 OPTIONS", "2 OPTIONS"]
    assert far.got[1].endswith(b"\r\n\r\nhi")
    assert field(far.got[0], "Call-ID") != field(far.got[2], "Call-ID")


def test_a_request_is_given_up_when_its_own_time_is_over_and_repeated_no_more() -> None:
    wire, alice, far = agent_and_far_side()
    token = alice.endpoint.request(OutsideRequest("OPTIONS", REALM, AOR, timeout_s=2.0), 0.0)
    wire.run(until=60.0)
    assert wire.ladder.times("OPTIONS") == [0.0, 0.5, 1.5]
    assert alice.one(RequestFinished) == RequestFinished(token, "OPTIONS", 408, "Request Timeout")
    assert alice.one(RequestFinished).response is None
    assert alice.when(RequestFinished) == [2.0]
    far.say(response_to(far.got[0], "200 OK"), ALICE)
    wire.run(until=61.0)
    alice.one(RequestFinished)
    assert alice.forgot_all()


def test_time_spent_on_challenges_counts() -> None:
    wire, alice, far = agent_and_far_side()

    def challenge_once(data: bytes, source: object) -> None:
        if not has_field(data, "Authorization"):
            value = 'WWW-Authenticate: Digest realm="door", nonce="n", qop="auth"'
            wire.at(1.0, lambda: far.say(response_to(data, "401 Unauthorized", value), ALICE))

    far.on_message = challenge_once
    call = OutsideRequest("OPTIONS", REALM, AOR, credentials=(SECRET,), timeout_s=2.0)
    alice.endpoint.request(call, 0.0)
    wire.run(until=60.0)
    assert wire.ladder.times("OPTIONS") == [0.0, 0.5, 1.0, 1.5]
    assert alice.when(RequestFinished) == [2.0]
    assert alice.forgot_all()


def test_an_answer_in_time_ends_the_wait() -> None:
    wire, alice, _, _ = rig()
    alice.endpoint.request(OutsideRequest("OPTIONS", REALM, AOR, credentials=(SECRET,), timeout_s=2.0), 0.0)
    wire.run(until=100.0)
    assert alice.one(RequestFinished).status == 200
    assert alice.forgot_all()


def test_a_refused_packet_is_told_as_503_without_a_response() -> None:
    wire, alice, _ = agent_and_far_side()
    wire.refused = lambda packet: wire.at(0.0, lambda: alice.endpoint.send_failed(packet.transaction, wire.now))
    hop = Hop("UDP", Address("192.0.2.99", 5060))
    token = alice.endpoint.request(OutsideRequest("OPTIONS", REALM, AOR, hop=hop, timeout_s=4.0), 0.0)
    wire.run(until=10.0)
    assert alice.one(RequestFinished) == RequestFinished(token, "OPTIONS", 503, "Service Unavailable")
    assert alice.one(RequestFinished).response is None
    assert alice.forgot_all()


def test_of_several_answers_of_a_forked_request_the_first_counts() -> None:
    wire, alice, far = agent_and_far_side()
    alice.endpoint.request(OutsideRequest("OPTIONS", REALM, AOR), 0.0)
    wire.run(until=0.0)
    for tag in ("one", "two"):
        far.say(response_to(far.got[0], "200 OK", tag=tag), ALICE)
    wire.run(until=1.0)
    finished = alice.one(RequestFinished)
    assert finished.response is not None
    assert finished.response.to_tag == "one"


def test_requests_go_through_routes_and_to_the_hop_that_was_given() -> None:
    wire, alice, far = agent_and_far_side()
    carol = FarSide(CAROL)
    wire.attach("carol", CAROL, carol)
    routes = (f"<sip:{CAROL};lr>",)
    alice.endpoint.request(OutsideRequest("MESSAGE", REALM, AOR, routes=routes), 0.0)
    alice.endpoint.request(OutsideRequest("MESSAGE", REALM, AOR, hop=Hop("UDP", BOB), routes=routes), 0.0)
    wire.run(until=0.0)
    for data in (carol.got[0], far.got[0]):
        assert field(data, "Route") == f"<sip:{CAROL};lr>"


@pytest.mark.parametrize("method", ["INVITE", "ACK", "CANCEL", "BYE"])
def test_requests_that_need_a_session_are_refused(method: str) -> None:
    _, alice, _ = agent_and_far_side()
    with pytest.raises(LocalError, match=method):
        alice.endpoint.request(OutsideRequest(method, REALM, AOR), 0.0)


def test_fields_that_cannot_be_written_leave_nothing_behind() -> None:
    _, alice, _ = agent_and_far_side()
    with pytest.raises(LocalError):
        alice.endpoint.request(OutsideRequest("MESSAGE", REALM, AOR, headers=(("X", "a\r\nb"),), timeout_s=1.0), 0.0)
    assert alice.forgot_all()
