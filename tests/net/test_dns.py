"""The memory for DNS records, in virtual time: how long answers count, and what is done when nobody answers."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tests.support.virtual_loop import run_virtual
from voipnode.net.dns import Dns
from voipnode.net.dns_servers import Found, NoDnsAnswerError

HOUR = 3600.0


class Servers:
    """Stands for the DNS servers: `found` is what they say, None that they are silent; asking takes `delay_s`."""

    def __init__(self, *records: str, ttl_s: float = 60.0, delay_s: float = 0.0) -> None:
        self.found: Found | None = Found(records, ttl_s)
        self.delay_s = delay_s
        self.asked: list[tuple[float, str, str]] = []

    async def __call__(self, name: str, kind: str) -> Found:
        loop = asyncio.get_running_loop()
        self.asked.append((round(loop.time(), 3), name, kind))
        found = self.found
        await asyncio.sleep(self.delay_s if found is not None else 2.0)
        if found is None:
            raise NoDnsAnswerError(name)
        return found

    @property
    def times(self) -> list[float]:
        return [at for at, _, _ in self.asked]


async def at(second: float) -> None:
    await asyncio.sleep(second - asyncio.get_running_loop().time())


@pytest.mark.parametrize(("ttl_s", "kept_s"), [(60.0, 60.0), (0.0, 5.0), (1e9, HOUR)])
def test_an_answer_is_kept_for_its_ttl_within_limits(ttl_s: float, kept_s: float) -> None:
    async def main() -> None:
        servers = Servers("192.0.2.1", ttl_s=ttl_s)
        dns = Dns(servers)
        assert dns.remembered("pbx.test", "A") is None
        assert await dns.look_up("pbx.test", "A") == ("192.0.2.1",)
        await at(kept_s - 0.1)
        assert await dns.look_up("PBX.test.", "A") == ("192.0.2.1",)
        assert dns.remembered("pbx.test", "A") == ("192.0.2.1",)
        assert len(servers.asked) == 1
        await at(kept_s + 0.1)
        assert dns.remembered("pbx.test", "A") is None
        await dns.look_up("pbx.test", "A")
        assert servers.times == [0.0, kept_s + 0.1]

    run_virtual(main(), limit_s=2 * HOUR)


def test_several_who_ask_at_once_share_a_lookup_and_kinds_are_apart() -> None:
    async def main() -> None:
        servers = Servers("192.0.2.1", delay_s=0.2)
        dns = Dns(servers)
        kinds = ("A", "A", "AAAA", "A")
        assert await asyncio.gather(*(dns.look_up("pbx.test", kind) for kind in kinds)) == [("192.0.2.1",)] * 4
        assert [kind for _, _, kind in servers.asked] == ["A", "AAAA"]

    run_virtual(main())


def test_a_failure_is_remembered_for_five_seconds_and_one_of_naptr_for_a_minute() -> None:
    async def main() -> None:
        servers = Servers()
        servers.found = None
        dns = Dns(servers)
        for kind in ("A", "NAPTR"):
            with pytest.raises(NoDnsAnswerError):
                await dns.look_up("pbx.test", kind)
        assert dns.remembered("pbx.test", "A") == ()
        with pytest.raises(NoDnsAnswerError):
            await dns.look_up("pbx.test", "A")
        assert asyncio.get_running_loop().time() == 4.0  # the second time it cost nothing
        await at(10.0)
        for kind in ("NAPTR", "A"):
            with pytest.raises(NoDnsAnswerError):
                await dns.look_up("pbx.test", kind)
        assert [(when, kind) for when, _, kind in servers.asked] == [(0.0, "A"), (2.0, "NAPTR"), (10.0, "A")]

    run_virtual(main())


def test_a_stale_answer_rings_the_phone_while_dns_is_dead_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """RFC 8767: a second's patience, then what was known; while nobody answers, without any."""
    caplog.set_level(logging.INFO)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        servers = Servers("192.0.2.1")
        dns = Dns(servers)
        for name in ("pbx.test", "spare.test"):
            await dns.look_up(name, "A")
        servers.found = None
        await at(100.0)
        assert await dns.look_up("pbx.test", "A") == ("192.0.2.1",)
        assert loop.time() == 101.0
        assert await dns.look_up("spare.test", "A") == ("192.0.2.1",)
        assert loop.time() == 101.0
        await at(110.0)  # both were asked for and gave no answer: not again for half a minute
        assert await dns.look_up("pbx.test", "A") == ("192.0.2.1",)
        assert servers.times == [0.0, 0.0, 100.0, 101.0]
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "pbx.test is used, 40 s after it ran out" in caplog.text
        servers.found, servers.delay_s = Found(("192.0.2.9",), 60.0), 0.1
        await at(140.0)
        assert await dns.look_up("pbx.test", "A") == ("192.0.2.1",)  # no patience, but a question under way
        await at(140.5)
        assert await dns.look_up("pbx.test", "A") == ("192.0.2.9",)
        assert caplog.messages[-1] == "DNS answers again"

    run_virtual(main())


def test_a_stale_answer_is_used_for_a_day_and_no_longer() -> None:
    async def main() -> None:
        servers = Servers("192.0.2.1")
        dns = Dns(servers)
        await dns.look_up("pbx.test", "A")
        servers.found = None
        await at(60 + 86_400 - 10)
        assert await dns.look_up("pbx.test", "A") == ("192.0.2.1",)
        await at(60 + 86_400 + 40)
        with pytest.raises(NoDnsAnswerError):
            await dns.look_up("pbx.test", "A")

    run_virtual(main(), limit_s=100_000.0)


def test_names_and_waiting_lookups_are_bounded() -> None:
    async def main() -> None:
        servers = Servers("192.0.2.1", delay_s=1.0)
        dns = Dns(servers, max_names=10, max_pending=4)
        results = await asyncio.gather(
            *(dns.look_up(f"n{number}.test", "A") for number in range(6)), return_exceptions=True
        )
        assert [type(result) for result in results] == [tuple] * 4 + [NoDnsAnswerError] * 2
        for number in range(30):
            await dns.look_up("n0.test", "A")  # in use: stays
            await dns.look_up(f"m{number}.test", "A")
        assert len(dns._entries) == 10
        assert dns.remembered("n0.test", "A") == ("192.0.2.1",)
        assert dns.remembered("m0.test", "A") is None
        assert await dns.look_up("x" * 300, "A") == ()
        assert await dns.look_up("", "A") == ()

    run_virtual(main())


def test_closing_ends_what_waits() -> None:
    async def main() -> None:
        dns = Dns(Servers("192.0.2.1", delay_s=100.0))
        waiting = asyncio.create_task(dns.look_up("pbx.test", "A"))
        await asyncio.sleep(1.0)
        await dns.close()
        with pytest.raises(NoDnsAnswerError):
            await waiting
        assert asyncio.get_running_loop().time() == 1.0

    run_virtual(main())
