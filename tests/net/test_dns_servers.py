"""Real questions to servers that answer well, badly, or not at all, over real sockets on loopback."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from tests.net.conftest import Run
from tests.support.dns_server import DnsServer, Reply, answer, failure, truncated
from voipnode.net.dns_servers import HEDGE_S, MAX_RECORDS, DnsServers, Naptr, NoDnsAnswerError, Srv, system_servers
from voipnode.sipstack.transport import Address


def silent(query: dns.message.Message) -> Iterable[bytes]:
    return ()


def says(*lines: str) -> Reply:
    return lambda query: (answer(query, *lines),)


class Stopwatch:
    def __init__(self) -> None:
        self._started_at = asyncio.get_running_loop().time()

    def s(self) -> float:
        return asyncio.get_running_loop().time() - self._started_at


def test_the_four_kinds_of_records_are_read(run: Run) -> None:
    async def main() -> None:
        async with DnsServer.serving(
            says(
                "pbx.test 300 A 192.0.2.1",
                "pbx.test 60 AAAA 2001:db8::1",
                'pbx.test 90 NAPTR 50 10 "s" "sips+d2t" "" _sips._tcp.pbx.test.',
                "pbx.test 30 SRV 10 60 5061 A.pbx.test.",
            )
        ) as server:
            servers = DnsServers(lambda: (server.address,))
            assert (await servers.ask("pbx.test", "A")).records == ("192.0.2.1",)
            assert (await servers.ask("pbx.test", "AAAA")).records == ("2001:db8::1",)
            assert (await servers.ask("pbx.test", "NAPTR")).records == (
                Naptr(50, 10, "S", "SIPS+D2T", "", "_sips._tcp.pbx.test"),
            )
            found = await servers.ask("pbx.test", "SRV")
            assert found.records == (Srv(10, 60, 5061, "a.pbx.test"),)
            assert found.ttl_s == 30.0

    run(main())


def test_the_shortest_ttl_of_a_chain_of_aliases_counts(run: Run) -> None:
    async def main() -> None:
        chain = says("pbx.test 20 CNAME a.test.", "a.test 300 CNAME b.test.", "b.test 400 A 192.0.2.1")
        async with DnsServer.serving(chain) as server:
            found = await DnsServers(lambda: (server.address,)).ask("pbx.test", "A")
            assert (found.records, found.ttl_s) == (("192.0.2.1",), 20.0)

    run(main())


@pytest.mark.parametrize("code", [dns.rcode.NXDOMAIN, dns.rcode.NOERROR])
def test_no_such_name_and_no_such_record_are_answers(run: Run, code: dns.rcode.Rcode) -> None:
    async def main() -> None:
        async with DnsServer.serving(lambda query: (failure(query, code),)) as server:
            found = await DnsServers(lambda: (server.address,)).ask("pbx.test", "A")
            assert (found.records, found.ttl_s) == ((), 30.0)

    run(main())


@pytest.mark.parametrize(
    "reply",
    [
        lambda query: (failure(query),),
        lambda query: (failure(query, dns.rcode.REFUSED),),
        lambda query: (b"nonsense",),
        lambda query: (os.urandom(600),),
        lambda query: (b"",),
        lambda query: (answer(query, "pbx.test 9 A 192.0.2.66")[2:],),  # the identifier is missing
        says("pbx.test 60 CNAME a.test.", "a.test 60 CNAME pbx.test."),
        lambda query: (truncated(query),),  # and nothing comes over TCP
    ],
    ids=["SERVFAIL", "REFUSED", "text", "random", "empty", "shifted", "CNAME loop", "truncated"],
)
def test_a_bad_answer_is_no_answer_and_the_next_server_is_asked(run: Run, reply: Reply) -> None:
    async def main() -> None:
        good = says("pbx.test 60 A 192.0.2.1")
        async with DnsServer.serving(reply) as bad, DnsServer.serving(good) as other:
            alone = DnsServers(lambda: (bad.address,), timeout_s=0.6)
            with pytest.raises(NoDnsAnswerError):
                await alone.ask("pbx.test", "A")
            both = DnsServers(lambda: (bad.address, other.address))
            assert (await both.ask("pbx.test", "A")).records == ("192.0.2.1",)

    run(main())


def test_answers_to_other_questions_are_passed_over(run: Run) -> None:
    def forged(query: dns.message.Message) -> Iterable[bytes]:
        wrong = dns.message.make_query("bank.test", "A", id=query.id)
        stale = dns.message.make_query("pbx.test", "A", id=(query.id + 1) % 65536)
        yield answer(wrong, "bank.test 60 A 192.0.2.66")
        yield answer(stale, "pbx.test 60 A 192.0.2.66")
        yield answer(query, "pbx.test 60 A 192.0.2.1")

    async def main() -> None:
        async with DnsServer.serving(forged) as server:
            found = await DnsServers(lambda: (server.address,)).ask("pbx.test", "A")
            assert found.records == ("192.0.2.1",)

    run(main())


def test_thousands_of_records_come_over_tcp_and_are_cut_to_the_most_wanted(run: Run) -> None:
    # Put together beforehand: the server lives in the loop of the one who asks, whose time it would use up.
    response = dns.message.make_response(dns.message.make_query("_sip._udp.pbx.test.", "SRV"))
    lines = [f"{2000 - n} 0 5060 s{n}.pbx.test." for n in range(1500)]
    response.answer.append(dns.rrset.from_text("_sip._udp.pbx.test.", 60, "IN", "SRV", *lines))
    wire = response.to_wire(max_size=65535)

    def thousands(query: dns.message.Message) -> Iterable[bytes]:
        yield query.id.to_bytes(2, "big") + wire[2:]

    async def main() -> None:
        async with DnsServer.serving(lambda query: (truncated(query),), thousands) as server:
            found = await DnsServers(lambda: (server.address,), timeout_s=9.0).ask("_sip._udp.pbx.test", "SRV")
            assert len(found.records) == MAX_RECORDS
            assert [record.priority for record in found.records if isinstance(record, Srv)] == [*range(501, 565)]
            # At least once each: a question is repeated after a second without an answer (TRY_S).
            assert server.asked[:2] == ["_sip._udp.pbx.test. IN SRV", "_sip._udp.pbx.test. IN SRV TCP"]

    run(main())


def test_a_dead_server_costs_a_moment_once_and_then_nothing(run: Run) -> None:
    async def main() -> None:
        good = says("pbx.test 60 A 192.0.2.1")
        async with DnsServer.serving(silent) as dead, DnsServer.serving(good) as alive:
            servers = DnsServers(lambda: (dead.address, alive.address), timeout_s=8.0)
            watch = Stopwatch()
            assert (await servers.ask("pbx.test", "A")).records == ("192.0.2.1",)
            assert HEDGE_S * 0.9 < watch.s() < servers.timeout_s / 2, "a moment, not the time the dead one is given"
            watch = Stopwatch()
            for _ in range(10):
                await servers.ask("pbx.test", "A")
            assert watch.s() < 10 * HEDGE_S, "which it would cost if the dead one were asked first each time"
            assert len(dead.asked) == 1

    run(main())


def test_nobody_answers_within_the_time_that_is_given(run: Run) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            dead = [(await stack.enter_async_context(DnsServer.serving(silent))).address for _ in range(3)]
            watch = Stopwatch()
            with pytest.raises(NoDnsAnswerError):
                await DnsServers(lambda: dead, timeout_s=0.5).ask("pbx.test", "A")
            assert watch.s() < 2 * HEDGE_S + 0.5, "the third is asked after 0.8 s, and each by itself is given 0.5 s"
        with pytest.raises(NoDnsAnswerError):
            await DnsServers(lambda: ()).ask("pbx.test", "A")

    run(main())


def test_a_lost_datagram_is_repeated(run: Run) -> None:
    async def main() -> None:
        first: list[int] = []

        def loses_one(query: dns.message.Message) -> Iterable[bytes]:
            first.append(query.id)
            return () if len(first) == 1 else (answer(query, "pbx.test 60 A 192.0.2.1"),)

        async with DnsServer.serving(loses_one) as server:
            assert (await DnsServers(lambda: (server.address,)).ask("pbx.test", "A")).records == ("192.0.2.1",)

    run(main())


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".test", "\udcff.test", "ü" * 80, "a\x00b."])
def test_what_is_no_name_has_no_records(run: Run, name: str) -> None:
    async def main() -> None:
        async with DnsServer.serving(lambda query: (failure(query, dns.rcode.NXDOMAIN),)) as server:
            assert (await DnsServers(lambda: (server.address,)).ask(name, "A")).records == ()

    run(main())


def test_the_systems_servers_are_those_of_resolv_conf(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("# by hand\nnameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch test\nnonsense\n")
    assert system_servers(path) == (Address("192.0.2.53", 53), Address("2001:db8::53", 53))
    assert system_servers(tmp_path / "none") == ()
