"""The locator against a real DNS server: names lead where its zone says."""

from __future__ import annotations

import socket

import pytest

from tests.support.aio import run_test
from tests.support.peers.dnsmasq import dnsmasq
from voipnode.net.dns import Dns
from voipnode.net.dns_servers import DnsServers
from voipnode.net.locator import Locator
from voipnode.net.resolver import Resolver
from voipnode.sipstack.transport import Address
from voipnode.sipstack.uri import SipUri

pytestmark = pytest.mark.interop

ZONE = (
    "naptr-record=pbx.test,30,50,s,SIP+D2U,,_sip._udp.pbx.test",
    "naptr-record=pbx.test,20,50,s,SIP+D2T,,_sip._tcp.pbx.test",
    "naptr-record=pbx.test,10,50,s,SIPS+D2T,,_sips._tcp.pbx.test",
    "srv-host=_sip._udp.pbx.test,a.pbx.test,5070,10,60",
    "srv-host=_sip._udp.pbx.test,b.pbx.test,5071,20,0",
    "srv-host=_sip._tcp.pbx.test,b.pbx.test,5072,10,0",
    "srv-host=_sip._udp.srv.test,b.pbx.test,5073,10,0",
    "srv-host=_sip._tcp.none.test",
    "host-record=a.pbx.test,127.0.0.1",
    "host-record=b.pbx.test,127.0.0.2,::1",
    "cname=alias.test,b.pbx.test",
)


def test_names_lead_where_a_real_zone_says() -> None:
    async def main() -> None:
        async with dnsmasq(*ZONE) as server:
            dns = Dns(DnsServers(lambda: (Address("127.0.0.1", 1), server)).ask)  # the first is dead
            resolver = Resolver((socket.AF_INET, socket.AF_INET6), dns, system=False)
            locator = Locator(resolver, dns, lambda most: 0)

            async def found(host: str, **asked: object) -> list[str]:
                hops = await locator.locate(SipUri(user="anna", host=host), **asked)  # type: ignore[arg-type]  # a table
                return [f"{hop.transport} {hop.remote}" for hop in hops]

            assert await found("pbx.test") == ["TCP 127.0.0.2:5072", "TCP [::1]:5072"]
            assert await found("pbx.test", prefer_ipv6=True) == ["TCP [::1]:5072", "TCP 127.0.0.2:5072"]
            by_udp = ["UDP 127.0.0.1:5070", "UDP 127.0.0.2:5071", "UDP [::1]:5071"]
            assert await found("pbx.test", transport="UDP") == by_udp
            assert await found("srv.test") == ["UDP 127.0.0.2:5073", "UDP [::1]:5073"]
            assert await found("a.pbx.test") == ["UDP 127.0.0.1:5060"]
            assert await found("alias.test") == ["UDP 127.0.0.2:5060", "UDP [::1]:5060"]
            assert await found("none.test", transport="TCP") == []
            assert await found("nowhere.test") == []
            assert await found("localhost") == ["UDP 127.0.0.1:5060", "UDP [::1]:5060"]
        assert await found("a.pbx.test") == ["UDP 127.0.0.1:5060"]  # the server is gone, what it said is known
        await resolver.close()

    run_test(main())
