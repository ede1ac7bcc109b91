"""Where requests of a dialog go: along the open connection, or by themselves to where the peer says that it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.sip_agents import uri
from voipnode.sipstack.flow import Flow
from voipnode.sipstack.transport import Address, Hop

PUBLIC = Address("8.8.4.4", 40123)
LAN = Address("192.168.1.20", 40123)
SERVER = Hop("TLS", Address("8.8.4.4", 5061), 3, domain="sip.example.com", profile="office")


def way(flow: Flow, target: str, *, alive: bool = True, secure: bool = False) -> Hop:
    return flow.way_to(uri(target), alive=alive, secure=secure)


def opened(transport: str, remote: Address = LAN, *, direct: bool = True) -> Flow:
    """What a peer opened to us."""
    return Flow(Hop(transport, remote, None if transport == "UDP" else 3), theirs=True, direct=direct)


@pytest.mark.parametrize(
    ("transport", "target"),
    [
        ("TCP", "sip:bob@192.168.1.20:5060;transport=tcp"),  # the same host by another port: the open one serves
        ("TCP", "sip:bob@172.17.0.2:5060;transport=tcp"),  # behind a NAT
        ("TCP", "sip:bob@xyz.invalid;transport=tcp"),
        ("TLS", "sip:bob@192.168.1.20:5061;transport=tls"),
        ("TLS", "sip:bob@phone.example.com;transport=tls"),  # RFC 5923 §1: a telephone has no certificate
        ("WS", "sip:bob@df7jal23ls0d.invalid;transport=ws"),  # RFC 7118 §5.3
        ("WSS", "sip:bob@192.168.1.20;transport=ws"),
        ("TCP", "sip:bob@192.168.1.20;transport=sctp"),  # which we do not speak
    ],
)
def test_what_a_peer_opened_carries_our_requests_while_it_lives(transport: str, target: str) -> None:
    flow = opened(transport)
    assert way(flow, target) == flow.hop


@pytest.mark.parametrize(
    ("target", "hop"),
    [
        ("sip:bob@192.168.1.20:5070;transport=tcp", Hop("TCP", Address("192.168.1.20", 5070))),
        ("sip:bob@172.17.0.2;transport=tcp", Hop("TCP", Address("172.17.0.2", 5060))),
        ("sip:bob@192.168.1.20", Hop("UDP", Address("192.168.1.20", 5060))),
    ],
)
def test_when_it_is_gone_requests_go_to_where_the_peer_says_that_it_is(target: str, hop: Hop) -> None:
    assert way(opened("TCP"), target, alive=False) == hop


def test_a_proxy_that_wants_to_hear_no_more_leaves_the_way_to_the_telephone_free() -> None:
    """Two Vias and no Record-Route: the connection is the proxy's, and the Contact is a telephone's."""
    flow = opened("TCP", direct=False)
    assert way(flow, "sip:bob@192.168.1.33;transport=tcp") == Hop("TCP", Address("192.168.1.33", 5060))


def test_another_transport_is_the_peers_to_choose() -> None:
    flow = Flow(Hop("TCP", LAN, 3), theirs=True, direct=False)
    assert way(flow, "sip:bob@192.168.1.20") == Hop("UDP", Address("192.168.1.20", 5060))


@pytest.mark.parametrize("alive", [True, False])
@pytest.mark.parametrize(
    "route",
    [
        "sip:8.8.4.4:5061;transport=tls;lr",
        "sip:8.8.4.4;transport=tls;lr",
        "sip:SIP.example.com;transport=tls;lr",  # the name that was asked for, whatever its address is today
        "sip:10.0.0.7:5061;transport=tls;lr",  # a private address of somebody at a public one
        "sip:0.0.0.0;transport=tls",
        "sips:sip.example.com;lr",
    ],
)
def test_a_server_that_we_called_is_reached_over_the_connection_or_a_new_one_to_the_same_place(
    route: str, alive: bool
) -> None:
    hop = way(Flow(SERVER, theirs=False), route, alive=alive)
    assert hop == (SERVER if alive else replace(SERVER, connection=None))


def test_a_secure_websocket_is_meant_by_ws_in_a_route() -> None:
    server = Hop("WSS", Address("8.8.4.4", 5067), 3, domain="sip.example.com", profile="office")
    flow = Flow(server, theirs=False)
    assert way(flow, "sip:8.8.4.4:5067;transport=ws;r2=on;lr") == server
    assert way(flow, "sip:sip.example.com:5067;transport=ws;lr", alive=False) == replace(server, connection=None)
    plain = Flow(replace(server, transport="WS"), theirs=False)
    assert way(plain, "sips:8.8.4.4:5067;transport=ws;lr").transport == "WSS"


def test_a_server_on_another_port_is_reached_over_the_open_connection_and_else_there() -> None:
    flow, route = Flow(SERVER, theirs=False), "sip:sip.example.com:5071;transport=tls;lr"
    assert way(flow, route) == SERVER
    there = Hop("TLS", Address("sip.example.com", 5071), domain="sip.example.com", profile="office")
    assert way(flow, route, alive=False) == there


def test_a_host_elsewhere_is_proven_by_its_own_name_under_the_same_profile() -> None:
    there = Hop("TLS", Address("edge.example.net", 5061), domain="edge.example.net", profile="office")
    assert way(Flow(SERVER, theirs=False), "sip:edge.example.net;transport=tls;lr") == there


def test_a_sips_call_leaves_tls_nowhere() -> None:
    flow = Flow(SERVER, theirs=False)
    assert way(flow, "sip:bob@8.8.8.8", secure=True) == SERVER
    assert not way(flow, "sip:bob@8.8.8.8").secure


@pytest.mark.parametrize(
    ("seen", "contact", "goes_to"),
    [
        (PUBLIC, "192.168.1.5:5060", PUBLIC),  # its NAT lets us in where it let itself out
        (PUBLIC, "8.8.4.4:5060", Address("8.8.4.4", 5060)),
        (LAN, "192.168.1.5:5060", Address("192.168.1.5", 5060)),
        (LAN, "xyz.invalid", LAN),
    ],
)
def test_a_datagram_goes_to_the_contact_unless_that_leads_nowhere(
    seen: Address, contact: str, goes_to: Address
) -> None:
    assert way(opened("UDP", seen), f"sip:bob@{contact}", alive=False) == Hop("UDP", goes_to)
