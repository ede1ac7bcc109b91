"""Where URIs lead (RFC 3263 §4), by zones written as tables; real servers are in the interop tests."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

from tests.support.virtual_loop import run_virtual
from voipnode.net.dns import Dns
from voipnode.net.dns_servers import Found, Naptr, NoDnsAnswerError, Record, Srv
from voipnode.net.locator import Locator
from voipnode.net.resolver import Resolver
from voipnode.sipstack.transport import Address, Hop
from voipnode.sipstack.uri import SipUri, parse_uri

Zone = dict[tuple[str, str], list[Record] | None]  # None: nobody answers
ALL = ("UDP", "TCP", "TLS", "WS", "WSS")


def naptr(
    order: int, service: str, replacement: str, *, preference: int = 50, flags: str = "S", regexp: str = ""
) -> Naptr:
    return Naptr(order, preference, flags, service, regexp, replacement)


# The example of RFC 3263 §4.1, with addresses.
EXAMPLE: Zone = {
    ("example.com", "NAPTR"): [
        naptr(100, "SIP+D2U", "_sip._udp.example.com"),
        naptr(50, "SIPS+D2T", "_sips._tcp.example.com"),
        naptr(90, "SIP+D2T", "_sip._tcp.example.com"),
    ],
    ("_sip._tcp.example.com", "SRV"): [Srv(0, 1, 5060, "server1.example.com"), Srv(0, 2, 5060, "server2.example.com")],
    ("_sips._tcp.example.com", "SRV"): [Srv(0, 0, 5061, "server1.example.com")],
    ("_sip._udp.example.com", "SRV"): [Srv(0, 0, 5070, "server2.example.com")],
    ("server1.example.com", "A"): ["192.0.2.1"],
    ("server2.example.com", "A"): ["192.0.2.2"],
    ("example.com", "A"): ["192.0.2.9"],
    # No NAPTR: UDP is not served, TCP is.
    ("_sip._tcp.only-srv.test", "SRV"): [Srv(0, 0, 5080, "a.only-srv.test")],
    ("a.only-srv.test", "A"): ["192.0.2.20"],
    ("only-a.test", "A"): ["192.0.2.30", "192.0.2.31"],
    ("only-a.test", "AAAA"): ["2001:db8::30"],
    ("only-four.test", "A"): ["192.0.2.33"],
    # NAPTR for WebSocket (RFC 7118 §5.5).
    ("ws.test", "NAPTR"): [naptr(10, "SIPS+D2W", "_sips._ws.ws.test"), naptr(20, "SIP+D2W", "_sip._ws.ws.test")],
    ("_sips._ws.ws.test", "SRV"): [Srv(0, 0, 8443, "a.ws.test")],
    ("_sip._ws.ws.test", "SRV"): [Srv(0, 0, 8080, "a.ws.test")],
    ("a.ws.test", "A"): ["192.0.2.40"],
    ("ws.test", "A"): ["192.0.2.41"],
    # Records that are of no use, and one that is.
    ("odd.test", "NAPTR"): [
        naptr(1, "E2U+SIP", "", flags="U", regexp="!^.*$!sip:x@odd.test!"),
        naptr(2, "SIP+D2S", "_sip._sctp.odd.test"),
        naptr(3, "SIP+D2U", "a.odd.test", flags="A"),
        naptr(4, "SIP+D2U", "_sip._udp.odd.test", regexp="!.*!x!"),
        naptr(5, "SIP+D2U", ""),
        naptr(6, "SIP+D2T", "_nothing.odd.test", preference=1),
        naptr(6, "SIP+D2U", "_really.odd.test", preference=2),
    ],
    ("_really.odd.test", "SRV"): [Srv(0, 0, 5090, "a.odd.test")],
    ("_sip._tcp.odd.test", "SRV"): [Srv(0, 0, 1, "never.odd.test")],
    ("a.odd.test", "A"): ["192.0.2.50"],
    # Services that the domain says it has not.
    ("_sip._udp.none.test", "SRV"): [Srv(0, 0, 0, "")],
    ("none.test", "A"): ["192.0.2.60"],
    ("_sip._udp.partly.test", "SRV"): [Srv(0, 0, 0, "")],
    ("_sip._tcp.partly.test", "SRV"): [Srv(0, 0, 5060, "none.test")],
    # Answers that must not be followed.
    ("evil.test", "A"): ["0.0.0.0", "224.0.0.1", "255.255.255.255", "192.0.2.66"],
    ("evil.test", "AAAA"): ["::", "ff02::1"],
    # A server that is gone beside one that lives.
    ("_sip._udp.half.test", "SRV"): [Srv(0, 0, 5060, "gone.half.test"), Srv(1, 0, 5060, "here.half.test")],
    ("gone.half.test", "A"): None,
    ("here.half.test", "A"): ["192.0.2.70"],
    # A router that swallows questions for NAPTR; names that nobody can tell anything about.
    ("swallowed.test", "NAPTR"): None,
    ("_sip._udp.swallowed.test", "SRV"): [Srv(0, 0, 5060, "here.half.test")],
    ("dead.test", "NAPTR"): None, ("dead.test", "A"): None, ("dead.test", "AAAA"): None,
    ("_sip._udp.dead.test", "SRV"): None, ("_sip._tcp.dead.test", "SRV"): None,
}  # fmt: skip


def locator(
    zone: Zone = EXAMPLE,
    transports: tuple[str, ...] = ("UDP", "TCP"),
    draw: Callable[[int], int] = lambda most: 0,
    families: tuple[int, ...] = (socket.AF_INET, socket.AF_INET6),
) -> Locator:
    async def ask(name: str, kind: str) -> Found:
        records = zone.get((name, kind), [])
        if records is None:
            await asyncio.sleep(2.0)
            raise NoDnsAnswerError(name)
        return Found(tuple(records), 60.0)

    dns = Dns(ask)
    return Locator(Resolver(families, dns, system=False), dns, draw, transports)


def uri(text: str) -> SipUri:
    parsed = parse_uri(text)
    assert isinstance(parsed, SipUri)
    return parsed


def found(text: str, where: Locator | None = None, **asked: object) -> list[str]:
    hops = run_virtual((where or locator()).locate(uri(text), **asked))  # type: ignore[arg-type]  # a table's columns
    return [f"{hop.transport} {hop.remote}" for hop in hops]


@pytest.mark.parametrize(
    ("text", "hops"),
    [
        # Numeric: nobody is asked; UDP, and the port or the transport's own (§4.1, §4.2).
        ("sip:anna@192.0.2.7", ["UDP 192.0.2.7:5060"]),
        ("sip:anna@192.0.2.7:5070;transport=tcp", ["TCP 192.0.2.7:5070"]),
        ("sip:anna@[2001:db8::7]", ["UDP [2001:db8::7]:5060"]),
        ("sip:anna@[::ffff:192.0.2.7]", ["UDP 192.0.2.7:5060"]),
        # A name with a port: addresses only, UDP, although NAPTR says otherwise.
        ("sip:anna@example.com:5060", ["UDP 192.0.2.9:5060"]),
        ("sip:anna@example.com:5070;transport=tcp", ["TCP 192.0.2.9:5070"]),
        # A name alone: "Since the client supports TCP and UDP, TCP will be used" (§4.1).
        ("sip:anna@example.com", ["TCP 192.0.2.1:5060", "TCP 192.0.2.2:5060"]),
        ("sip:anna@EXAMPLE.com.", ["TCP 192.0.2.1:5060", "TCP 192.0.2.2:5060"]),
        # A name with a transport: SRV for it.
        ("sip:anna@example.com;transport=udp", ["UDP 192.0.2.2:5070"]),
        # No NAPTR: SRV for what we speak; no SRV: addresses.
        ("sip:anna@only-srv.test", ["TCP 192.0.2.20:5080"]),
        ("sip:anna@only-a.test", ["UDP 192.0.2.30:5060", "UDP 192.0.2.31:5060", "UDP [2001:db8::30]:5060"]),
        ("sip:anna@only-four.test;transport=tcp", ["TCP 192.0.2.33:5060"]),
        ("sip:anna@nowhere.test", []),
        ("sip:anna@odd.test", ["UDP 192.0.2.50:5090"]),
        # Withdrawn services are not called by way of the addresses (RFC 2782).
        ("sip:anna@none.test", []),
        ("sip:anna@none.test;transport=udp", []),
        ("sip:anna@none.test;transport=tcp", ["TCP 192.0.2.60:5060"]),
        ("sip:anna@partly.test", ["TCP 192.0.2.60:5060"]),
        # maddr is the target; nobody's and everybody's addresses are not.
        ("sip:anna@example.com;maddr=192.0.2.77", ["UDP 192.0.2.77:5060"]),
        ("sip:anna@example.com;maddr=only-four.test", ["UDP 192.0.2.33:5060"]),
        ("sip:anna@example.com;maddr=224.0.1.75", []),
        ("sip:anna@255.255.255.255", []),
        ("sip:anna@[ff02::1]", []),
        ("sip:anna@evil.test", ["UDP 192.0.2.66:5060"]),
        # What is not spoken here.
        ("sip:anna@example.com;transport=sctp", []),
        ("sip:anna@192.0.2.7;transport=tls", []),
        ("sips:anna@192.0.2.7", []),
        ("sips:anna@example.com", []),
        ("sip:anna@half.test", ["UDP 192.0.2.70:5060"]),
        ("sip:anna@swallowed.test", ["UDP 192.0.2.70:5060"]),
    ],
)  # fmt: skip
def test_where_a_uri_leads(text: str, hops: list[str]) -> None:
    assert found(text) == hops


@pytest.mark.parametrize(
    ("text", "hops"),
    [
        ("sip:anna@example.com", ["TLS 192.0.2.1:5061"]),
        ("sips:anna@example.com", ["TLS 192.0.2.1:5061"]),
        ("sips:anna@example.com;transport=tcp", ["TLS 192.0.2.1:5061"]),
        ("sip:anna@example.com;transport=tls", ["TLS 192.0.2.1:5061"]),
        ("sips:anna@example.com;transport=udp", []),
        ("sips:anna@192.0.2.7", ["TLS 192.0.2.7:5061"]),
        ("sips:anna@only-four.test", ["TLS 192.0.2.33:5061"]),
        ("sips:anna@only-srv.test", []),
        ("sip:anna@ws.test", ["WSS 192.0.2.40:8443"]),
        ("sips:anna@ws.test", ["WSS 192.0.2.40:8443"]),
        ("sip:anna@ws.test;transport=ws", ["WS 192.0.2.40:8080"]),
        ("sip:anna@only-four.test;transport=ws", ["WS 192.0.2.33:80"]),
        ("sips:anna@only-four.test;transport=ws", ["WSS 192.0.2.33:443"]),
    ],
)
def test_where_a_uri_leads_when_every_transport_is_spoken(text: str, hops: list[str]) -> None:
    assert found(text, locator(transports=ALL)) == hops


def test_the_account_says_the_transport_where_the_uri_does_not() -> None:
    assert found("sip:anna@example.com", transport="UDP") == ["UDP 192.0.2.2:5070"]
    assert found("sip:anna@example.com;transport=tcp", transport="UDP")[0] == "TCP 192.0.2.1:5060"
    assert found("sip:anna@192.0.2.7", transport="TCP") == ["TCP 192.0.2.7:5060"]


def test_ipv6_comes_first_where_it_is_preferred_and_the_name_has_it() -> None:
    six_first = ["UDP [2001:db8::30]:5060", "UDP 192.0.2.30:5060", "UDP 192.0.2.31:5060"]
    assert found("sip:anna@only-a.test", prefer_ipv6=True) == six_first
    assert found("sip:anna@only-four.test", prefer_ipv6=True) == ["UDP 192.0.2.33:5060"]
    only_four = locator(families=(socket.AF_INET,))
    assert found("sip:anna@only-a.test", only_four, prefer_ipv6=True) == six_first[1:]
    assert found("sip:anna@[2001:db8::7]", only_four) == []


def test_hops_carry_the_name_that_tls_must_prove_and_the_profile() -> None:
    async def main() -> None:
        where = locator(transports=ALL)
        (hop,) = await where.locate(uri("sips:anna@example.com"), profile="office")
        assert hop == Hop("TLS", Address("192.0.2.1", 5061), None, "example.com", "office")
        (hop,) = await where.locate(uri("sips:anna@example.com;maddr=192.0.2.77"))
        assert hop.domain == "example.com"
        (hop,) = await where.locate(uri("sips:anna@192.0.2.7"))
        assert hop.domain == ""

    run_virtual(main())


def test_weights_are_drawn_anew_at_each_call() -> None:
    async def main() -> None:
        drawn = iter([1, 0, 2, 0])
        where = locator(draw=lambda most: next(drawn))
        firsts = [(await where.locate(uri("sip:anna@example.com")))[0].remote.host for _ in range(2)]
        assert firsts == ["192.0.2.1", "192.0.2.2"]

    run_virtual(main())


def test_a_thousand_servers_are_bounded() -> None:
    zone: Zone = {("_sip._udp.many.test", "SRV"): [Srv(0, 0, 5060, f"s{n}.many.test") for n in range(64)]}
    zone |= {(f"s{n}.many.test", "A"): [f"198.51.100.{k}" for k in range(1, 60)] for n in range(64)}
    assert len(found("sip:anna@many.test", locator(zone))) == 16


def test_it_takes_no_longer_than_five_seconds_to_find_nothing() -> None:
    async def main() -> None:
        assert await locator().locate(uri("sip:anna@dead.test")) == []
        assert asyncio.get_running_loop().time() == 4.0  # two seconds for the services, two for the addresses

    run_virtual(main())


def test_when_dns_dies_what_was_found_before_is_found_within_a_second() -> None:
    async def main() -> None:
        zone = dict(EXAMPLE)
        where = locator(zone)
        before = await where.locate(uri("sip:anna@example.com"))
        await asyncio.sleep(600.0)
        zone |= dict.fromkeys([*zone, ("_sip._udp.example.com", "SRV"), ("server1.example.com", "AAAA"),
                               ("server2.example.com", "AAAA")])  # fmt: skip
        started_at = asyncio.get_running_loop().time()
        assert await where.locate(uri("sip:anna@example.com")) == before
        assert asyncio.get_running_loop().time() - started_at == 1.0

    run_virtual(main())
