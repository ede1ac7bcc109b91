"""Ports forwarded by a router: by rounds in virtual time, and with a router that is found and asked over loopback."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.aio import run_test, within
from tests.support.igd_router import IgdRouter
from tests.support.virtual_loop import run_virtual
from voipnode.net.igd import Forwarding, Igd, RouterError, find_igd
from voipnode.net.port_mapping import PortMapping

SIP, RTP = Forwarding("UDP", 5060), Forwarding("UDP", 4000)
GLOBAL = "9.9.9.9"  # an address that is somebody's: those for examples are not global


class Paper:
    """A router that is a list of what it was asked, with the times."""

    host = "192.168.1.1"

    def __init__(self) -> None:
        self.outer = GLOBAL
        self.asked: list[str] = []
        self.missing = False
        self.refuse: dict[Forwarding, int] = {}

    async def find(self) -> Paper:
        self._note("found")
        if self.missing:
            raise RouterError("no router that forwards ports has answered within 3 s")
        return self

    async def outer_address(self) -> str:
        return self.outer

    async def forward(self, forwarding: Forwarding, to_host: str, lease_s: int) -> None:
        self._note(f"{forwarding} to {to_host} for {lease_s}")
        code = self.refuse.get(forwarding, 0)
        if code and not (code == 725 and not lease_s):
            raise RouterError(f"refused ({code})", code)

    async def remove(self, forwarding: Forwarding) -> None:
        self._note(f"remove {forwarding}")

    def _note(self, what: str) -> None:
        self.asked.append(f"{asyncio.get_running_loop().time():g} {what}")


def mapping(router: Paper, told: list[str]) -> PortMapping:
    return PortMapping(
        [SIP, RTP],
        find=router.find,
        own_address=lambda host: "192.168.1.10",
        lease_s=600,
        tell=told.append,
    )


def test_leases_are_renewed_at_half_their_time_and_taken_back_at_the_end() -> None:
    async def main() -> None:
        router, told = Paper(), list[str]()
        ports = mapping(router, told)
        ports.start()
        await asyncio.sleep(301.0)
        await ports.close()
        assert router.asked == [
            "0 found",
            "0 UDP port 5060 to 192.168.1.10 for 600",
            "0 UDP port 4000 to 192.168.1.10 for 600",
            "300 UDP port 5060 to 192.168.1.10 for 600",
            "300 UDP port 4000 to 192.168.1.10 for 600",
            "301 remove UDP port 4000",
            "301 remove UDP port 5060",
        ]
        assert (ports.outer, told) == (GLOBAL, [])

    run_virtual(main())


def test_a_router_that_is_not_there_is_told_once_and_sought_ever_more_seldom() -> None:
    async def main() -> None:
        router, told = Paper(), list[str]()
        router.missing = True
        ports = mapping(router, told)
        ports.start()
        await asyncio.sleep(1000.0)
        assert router.asked == ["0 found", "30 found", "90 found", "390 found", "690 found", "990 found"]
        assert told == ["no router that forwards ports has answered within 3 s"]
        router.missing = False
        await asyncio.sleep(300.0)
        assert ports.outer == GLOBAL
        await ports.close()

    run_virtual(main())


def test_one_port_that_is_refused_does_not_keep_the_others_from_being_forwarded() -> None:
    async def main() -> None:
        router, told = Paper(), list[str]()
        router.refuse[SIP] = 718
        ports = mapping(router, told)
        ports.start()
        await asyncio.sleep(100.0)
        assert told == ["the router 192.168.1.1 does not forward UDP port 5060: it refused (718)"]
        await ports.close()
        assert router.asked[-1] == "100 remove UDP port 4000"

    run_virtual(main())


def test_an_old_router_is_asked_without_an_end() -> None:
    async def main() -> None:
        router, told = Paper(), list[str]()
        router.refuse = {SIP: 725, RTP: 725}
        ports = mapping(router, told)
        ports.start()
        await asyncio.sleep(1.0)
        assert "0 UDP port 5060 to 192.168.1.10 for 0" in router.asked
        assert told == []
        await ports.close()

    run_virtual(main())


@pytest.mark.parametrize("outer", ["192.168.0.2", "100.64.1.1", "0.0.0.0"])
def test_a_router_behind_another_one_gives_no_address_and_says_so(outer: str) -> None:
    async def main() -> None:
        router, told = Paper(), list[str]()
        router.outer = outer
        ports = mapping(router, told)
        ports.start()
        await asyncio.sleep(1.0)
        assert ports.outer == ""
        assert told == [
            f"the router 192.168.1.1 is behind another one: its outer address is {outer}, which the world does not"
            " reach; forward the ports there too, or use STUN or TURN"
        ]
        await ports.close()

    run_virtual(main())


# With the library, over sockets


async def found(seconds: float = 5.0) -> Igd:
    pytest.importorskip("async_upnp_client", reason='the extra "upnp" is not installed')
    async with within(30.0, "router"):
        return await find_igd("127.0.0.1", seconds)


def test_a_router_is_found_asked_and_left_as_it_was() -> None:
    async def play() -> None:
        router = await IgdRouter.start(outer=GLOBAL)
        igd = await found()
        assert igd.host == "127.0.0.1"
        assert await igd.outer_address() == GLOBAL
        await igd.forward(SIP, "127.0.0.1", 600)
        assert router.mappings == {("UDP", 5060): ("127.0.0.1", 5060, 600)}
        await igd.remove(SIP)
        assert router.mappings == {}

    run_test(play())


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (606, "does not let this machine forward ports (606)"),
        (718, "forwards this port to another machine already (718)"),
        (899, "refused (No) (899)"),
    ],
)
def test_refusals_in_words(code: int, words: str) -> None:
    async def play() -> None:
        router = await IgdRouter.start()
        router.refuse[5060] = code
        igd = await found()
        with pytest.raises(RouterError) as caught:
            await igd.forward(SIP, "127.0.0.1", 600)
        assert (str(caught.value), caught.value.code) == (words, code)

    run_test(play())


def test_a_device_that_describes_somebody_else_is_not_looked_at() -> None:
    async def play() -> None:
        router = await IgdRouter.start()
        router.location_host = "127.0.0.2"
        with pytest.raises(RouterError, match="no router that forwards ports has answered within 1 s"):
            await found(1.0)
        assert router.visits == 0

    run_test(play())


def test_a_node_without_a_router_hears_so() -> None:
    async def play() -> None:
        with pytest.raises(RouterError, match="no router that forwards ports has answered within 1 s"):
            await found(1.0)

    run_test(play())


def test_the_whole_of_it_on_loopback() -> None:
    async def play() -> None:
        router = await IgdRouter.start(outer=GLOBAL)
        pytest.importorskip("async_upnp_client", reason='the extra "upnp" is not installed')
        told: list[str] = []
        ports = PortMapping(
            [SIP, RTP],
            find=lambda: find_igd("127.0.0.1", 5.0),
            own_address=lambda host: "127.0.0.1",
            lease_s=600,
            tell=told.append,
        )
        ports.start()
        async with within(30.0, "forwarded ports", lambda: (router.asked, told)):
            await router.until(3)
        await ports.close()
        assert router.asked == [
            "outer address",
            "forward UDP 5060 for 600",
            "forward UDP 4000 for 600",
            "remove UDP 4000",
            "remove UDP 5060",
        ]
        assert (router.mappings, told, ports.outer) == ({}, [], GLOBAL)

    run_test(play())
