"""Groups on the loopback interface: joined, heard, left, and tried again where they cannot be joined."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.aio import PATIENCE_S, run_test, within
from tests.support.free_ports import free_port
from voipnode.net.media_sockets import MediaSockets
from voipnode.net.multicast import RENEW_S, Group, MulticastSockets

GROUP, OTHER = "239.255.77.1", "239.255.77.2"


def say(data: bytes, address: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        sock.sendto(data, (address, port))


def memberships() -> str:
    """Linux's list of groups, each as the hexadecimal number that it is in memory."""
    return Path("/proc/net/igmp").read_text(encoding="ascii").upper()


def in_memory(address: str) -> str:
    return f"{int.from_bytes(socket.inet_aton(address), 'little'):08X}"


class Later:
    """A loop's `call_later` whose time somebody turns by hand."""

    def __init__(self) -> None:
        self.delays_s: list[float] = []
        self._work: list[Callable[[], Any]] = []

    def __call__(self, delay_s: float, work: Callable[[Group], None], group: Group) -> asyncio.TimerHandle:
        self.delays_s.append(delay_s)
        self._work.append(lambda: work(group))
        return asyncio.get_running_loop().call_later(3600, lambda: None)

    def fire(self) -> None:
        self._work.pop()()


class Ear:
    """Groups on one port, and what is heard of each."""

    def __init__(
        self, port: int, *addresses: str, interface: str = "lo", sender: str = "", later: Later | None = None
    ) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.more = asyncio.Event()
        self.problems: list[str] = []
        groups = []
        for address in addresses:

            def take(data: bytes, source: tuple[str, int], at: float, address: str = address) -> None:
                assert source[0] == "127.0.0.1"
                self.heard.append((address, data))
                self.more.set()

            groups.append(Group(address, port, take, sender))
        self.groups = groups
        self.sockets = MulticastSockets(
            groups,
            MediaSockets(),
            interface=interface,
            on_problem=lambda group, words: self.problems.append(words),
            later=later,
        )

    async def hear(self) -> None:
        self.more.clear()
        async with within(PATIENCE_S, "datagram of a group"):
            await self.more.wait()


def test_each_group_hears_its_own_and_is_left_at_the_end() -> None:
    async def main() -> None:
        port = free_port()
        ear = Ear(port, GROUP, OTHER)
        ear.sockets.open()
        assert ear.problems == []
        assert in_memory(GROUP) in memberships()
        say(b"for the other", OTHER, port)
        await ear.hear()
        say(b"for the first", GROUP, port)
        await ear.hear()
        assert ear.heard == [(OTHER, b"for the other"), (GROUP, b"for the first")]
        ear.sockets.close()
        ear.sockets.close()
        assert in_memory(GROUP) not in memberships()

    run_test(main())


def test_what_the_taker_raises_stops_nothing() -> None:
    async def main() -> None:
        port = free_port()
        ear = Ear(port, GROUP)
        take = ear.groups[0].take

        def fail_once(data: bytes, source: tuple[str, int], at: float) -> None:
            ear.groups[0].take = take
            raise ValueError("as a bug would")

        ear.groups[0].take = fail_once
        ear.sockets.open()
        say(b"first", GROUP, port)
        say(b"second", GROUP, port)
        await ear.hear()
        assert (ear.heard, ear.sockets.mishaps.count) == ([(GROUP, b"second")], 1)
        ear.sockets.close()

    run_test(main())


def test_a_source_specific_group_is_joined_for_its_sender() -> None:
    async def main() -> None:
        port = free_port()
        ear = Ear(port, "232.1.1.1", sender="127.0.0.1")
        ear.sockets.open()
        say(b"from the named one", "232.1.1.1", port)
        await ear.hear()
        assert (ear.problems, ear.heard) == ([], [("232.1.1.1", b"from the named one")])
        ear.sockets.close()

    run_test(main())


def test_an_interface_that_is_not_there_is_told_once_and_tried_again_ever_less_often() -> None:
    async def main() -> None:
        later = Later()
        ear = Ear(free_port(), GROUP, interface="nowhere0", later=later)
        ear.sockets.open()
        for _ in range(6):
            later.fire()
        assert later.delays_s == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
        assert len(ear.problems) == 1
        assert "tried again" in ear.problems[0]
        ear.sockets.close()

    run_test(main())


def test_a_membership_is_renewed() -> None:
    async def main() -> None:
        later = Later()
        ear = Ear(free_port(), GROUP, later=later)
        ear.sockets.open()
        later.fire()
        assert later.delays_s == [RENEW_S, RENEW_S]
        assert in_memory(GROUP) in memberships()
        ear.sockets.close()

    run_test(main())
