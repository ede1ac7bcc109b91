"""What stands in our Via and Contact when a router is in between (RFC 3581 §4, RFC 3261 §18.2.1)."""

from __future__ import annotations

import pytest

from tests.support.sip_agents import ALICE, BOB, Agent, FarSide, agent_and_far_side, call_to, field, response_to, uri
from tests.support.wire import Wire
from voipnode.sipstack.config import OutsideRequest
from voipnode.sipstack.endpoint import EndpointConfig
from voipnode.sipstack.events import AddressLearnt, RequestFinished
from voipnode.sipstack.headers import NameAddr, Via
from voipnode.sipstack.own_address import MAX_LEARNT, OwnAddresses
from voipnode.sipstack.transport import Address, Hop

PUBLIC = Address("203.0.113.9", 31337)
LOCAL = Address("192.168.1.5", 5060)
TO_BOB = Hop("UDP", BOB)


def register(wire: Wire, agent: Agent) -> None:
    """As the layer above would: with the Contact that the endpoint gives."""
    request = OutsideRequest(
        "REGISTER",
        uri("sip:192.0.2.2"),
        NameAddr.parse("<sip:alice@192.0.2.2>"),
        headers=(("Contact", agent.endpoint.contact("alice", TO_BOB)),),
    )
    agent.endpoint.request(request, wire.now)
    wire.flush()


def behind(public: Address, data: bytes) -> bytes:
    """The request as it left the router: the far side notes where it came from."""
    return data.replace(b";rport", f";rport={public.port};received={public.host}".encode(), 1)


def registrar(far: FarSide, public: list[Address], status: str = "200 OK") -> None:
    far.on_message = lambda data, source: far.say(response_to(behind(public[0], data), status), ALICE)


def seen(far: FarSide) -> list[tuple[str, str]]:
    """Sent-by of Via and address of Contact in each request."""
    return [
        (field(data, "Via").split()[1].partition(";")[0], field(data, "Contact").partition("@")[2].rstrip(">"))
        for data in far.got
    ]


def test_after_the_first_answer_via_and_contact_say_what_the_server_sees() -> None:
    wire, alice, far = agent_and_far_side()
    registrar(far, [PUBLIC])
    register(wire, alice)
    wire.run(until=1.0)
    assert alice.told(AddressLearnt) == [AddressLearnt(TO_BOB, PUBLIC)]
    assert alice.endpoint.learnt_address(TO_BOB) == PUBLIC
    register(wire, alice)
    wire.run(until=100.0)
    local, public = "192.0.2.1:5060", "203.0.113.9:31337"
    assert seen(far) == [(local, local), (public, public)]
    assert [event.status for event in alice.told(RequestFinished)] == [200, 200]  # the second answer was known as ours
    assert len(alice.told(AddressLearnt)) == 1


@pytest.mark.parametrize(
    ("config", "second"),
    [
        (EndpointConfig(keep_local_via=True), ("192.0.2.1:5060", "203.0.113.9:31337")),
        (EndpointConfig(keep_local_contact=True), ("203.0.113.9:31337", "192.0.2.1:5060")),
        (EndpointConfig(keep_local_via=True, keep_local_contact=True), ("192.0.2.1:5060", "192.0.2.1:5060")),
    ],
)
def test_the_local_address_is_kept_where_that_is_wanted(config: EndpointConfig, second: tuple[str, str]) -> None:
    wire, alice, far = agent_and_far_side(config)
    registrar(far, [PUBLIC])
    register(wire, alice)
    wire.run(until=1.0)
    register(wire, alice)
    wire.run(until=2.0)
    assert seen(far)[1] == second
    assert bool(alice.told(AddressLearnt)) is not config.keep_local_contact


def test_an_address_set_by_hand_is_used_from_the_first_request_on() -> None:
    wire, alice, far = agent_and_far_side(EndpointConfig(public_address=Address("198.51.100.1", 0)))
    registrar(far, [PUBLIC])
    register(wire, alice)
    wire.run(until=1.0)
    register(wire, alice)
    wire.run(until=2.0)
    assert seen(far) == [("198.51.100.1:5060", "198.51.100.1:5060")] * 2
    assert [event.status for event in alice.told(RequestFinished)] == [200, 200]
    assert alice.told(AddressLearnt) == []


def test_a_call_says_it_too_and_its_cancel_matches() -> None:
    wire, alice, far = agent_and_far_side()
    public = [PUBLIC]
    registrar(far, public)
    register(wire, alice)
    wire.run(until=1.0)
    registrar(far, public, "180 Ringing")
    session = alice.endpoint.invite(call_to(BOB), 1.0)
    wire.run(until=2.0)
    alice.endpoint.hang_up(session, 2.0)
    wire.run(until=2.0)
    invite, cancel = far.last("INVITE"), far.last("CANCEL")
    assert field(invite, "Contact") == "<sip:alice@203.0.113.9:31337>"
    assert field(invite, "Via") == field(cancel, "Via")


def test_a_router_that_changes_its_mind_is_followed_but_told_once_a_minute() -> None:
    wire, alice, far = agent_and_far_side()
    public = [PUBLIC]
    registrar(far, public)
    for second in range(0, 121, 10):
        public[0] = Address("203.0.113.9", 40_000 + second)
        wire.at(float(second), lambda: register(wire, alice))
        wire.run(until=float(second))
    wire.run(until=200.0)
    assert alice.endpoint.learnt_address(TO_BOB) == Address("203.0.113.9", 40_120)
    assert alice.when(AddressLearnt) == [0.0, 60.0, 120.0]


def test_only_an_answer_to_a_request_of_ours_is_believed() -> None:
    wire, alice, far = agent_and_far_side()
    register(wire, alice)
    wire.run(until=0.0)
    request = far.last("REGISTER")
    for forged in (
        response_to(behind(PUBLIC, request), "200 OK").replace(b"branch=z9hG4bK-", b"branch=z9hG4bK+"),
        response_to(behind(PUBLIC, request), "200 OK").replace(b"SIP/2.0/UDP 192.0.2.1:5060", b"SIP/2.0/UDP 1.2.3.4"),
        response_to(behind(PUBLIC, request), "200 OK").replace(b"REGISTER\r\n", b"OPTIONS\r\n"),
    ):
        assert forged != response_to(behind(PUBLIC, request), "200 OK")
        far.say(forged, ALICE)
    wire.run(until=0.1)
    assert alice.endpoint.learnt_address(TO_BOB) is None
    assert alice.told(RequestFinished) == []


# ---- the choice itself


def addresses(local: Address = LOCAL, **config: object) -> OwnAddresses:
    return OwnAddresses(EndpointConfig(**config), lambda hop: local)  # type: ignore[arg-type]  # a test names its fields


def answered(own: OwnAddresses, hop: Hop, params: str, now: float = 0.0) -> Address | None:
    at = own.via(hop)
    return own.learn(hop, Via.parse(f"SIP/2.0/{hop.transport} {at};branch=z9hG4bKx{params}"), now)


@pytest.mark.parametrize(
    ("params", "contact"),
    [
        (";received=203.0.113.9;rport=31337", "203.0.113.9:31337"),
        (";received=203.0.113.9;rport", "203.0.113.9:5060"),  # the port is not known: as RFC 3261 §18.2.2 has it
        (";received=203.0.113.9", "203.0.113.9:5060"),
        (";rport=31337", "192.168.1.5:31337"),
        (";received=[2001:DB8::9];rport=5", "[2001:db8::9]:5"),
        (";rport", "192.168.1.5:5060"),
        ("", "192.168.1.5:5060"),
        (";received=evil.example;rport=1", "192.168.1.5:5060"),
        (";received=0.0.0.0;rport=1", "192.168.1.5:5060"),
        (";received=224.0.0.1;rport=1", "192.168.1.5:5060"),
        (";received=255.255.255.255;rport=1", "192.168.1.5:5060"),
        (";received=203.0.113.9;rport=0", "203.0.113.9:5060"),
        (";received=203.0.113.9;rport=99999", "203.0.113.9:5060"),
    ],
)
def test_what_is_learnt_from_a_via(params: str, contact: str) -> None:
    own = addresses()
    answered(own, TO_BOB, params)
    assert str(own.contact(TO_BOB)) == contact


def test_what_one_server_says_is_told_to_nobody_else() -> None:
    own = addresses()
    answered(own, TO_BOB, ";received=203.0.113.9;rport=31337")
    for other in (Hop("UDP", Address("192.0.2.3", 5060)), Hop("TCP", BOB), Hop("UDP", Address(BOB.host, 5061))):
        assert own.contact(other) == Address("192.168.1.5", 5060)


def test_the_port_of_a_connection_is_no_address_unless_a_router_gave_it() -> None:
    own = addresses()
    hop = Hop("TLS", BOB)
    assert answered(own, hop, ";received=192.168.1.5;rport=45678") is None
    assert own.contact(hop) == Address("192.168.1.5", 5060)
    assert answered(own, hop, ";received=203.0.113.9;rport=45678") == Address("203.0.113.9", 45678)


def test_where_only_the_connection_leads_to_us_nothing_else_is_said() -> None:
    own = addresses(Address("192.168.1.5", 0), public_address=Address("203.0.113.9", 5060))
    hop = Hop("WSS", BOB)
    answered(own, hop, ";received=203.0.113.9;rport=45678")
    assert own.contact(hop) == Address("voipnode.invalid", 0)
    assert own.is_ours(Via.parse("SIP/2.0/WSS voipnode.invalid;branch=z9hG4bKx"))


@pytest.mark.parametrize(
    ("remote", "contact"),
    [
        ("198.51.100.7", "203.0.113.9:5060"),
        ("pbx.example.com", "203.0.113.9:5060"),
        ("192.168.1.20", "192.168.1.5:5060"),
        ("10.1.2.3", "192.168.1.5:5060"),
        ("127.0.0.1", "192.168.1.5:5060"),
        ("fd00::1", "192.168.1.5:5060"),
        ("2001:db8::7", "192.168.1.5:5060"),  # the public address is of the other family
    ],
)
def test_a_public_address_is_for_those_outside(remote: str, contact: str) -> None:
    own = addresses(public_address=Address("203.0.113.9", 0))
    assert str(own.contact(Hop("UDP", Address(remote, 5060)))) == contact


def test_what_is_learnt_is_bounded_and_what_is_ours_stays_known() -> None:
    own = addresses()
    own.via(TO_BOB)
    for number in range(2 * MAX_LEARNT):
        hop = Hop("UDP", Address("192.0.2.9", 1 + number))
        answered(own, hop, f";received=203.0.113.9;rport={1 + number}")
        own.via(hop)
    assert len(own) == MAX_LEARNT
    assert own.is_ours(Via.parse("SIP/2.0/UDP 192.168.1.5:5060;branch=z9hG4bKx"))
    assert own.is_ours(Via.parse(f"SIP/2.0/UDP 203.0.113.9:{2 * MAX_LEARNT};branch=z9hG4bKx"))
    assert not own.is_ours(Via.parse("SIP/2.0/UDP 203.0.113.9:1;branch=z9hG4bKx"))


def test_a_router_that_forwards_our_ports_is_our_address_outside_until_it_stops() -> None:
    own = addresses()
    inside = Hop("UDP", Address("192.168.1.77", 5060))
    answered(own, TO_BOB, ";received=203.0.113.9;rport=31337")
    own.forwarded = "203.0.113.9"
    assert str(own.contact(TO_BOB)) == "203.0.113.9:5060"
    assert str(own.contact(inside)) == "192.168.1.5:5060"
    own.forwarded = ""
    assert str(own.contact(TO_BOB)) == "203.0.113.9:31337"


def test_the_networks_on_our_side_of_the_router_are_a_setting() -> None:
    hop = Hop("UDP", Address("192.168.1.77", 5060))
    own = addresses(public_address=Address("203.0.113.9", 0), local_networks=("10.0.0.0/8",))
    assert str(own.contact(hop)) == "203.0.113.9:5060"
