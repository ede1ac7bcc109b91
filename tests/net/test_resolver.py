"""Who is asked for the addresses of a name: hosts file, DNS, the system, in this order."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from tests.support.virtual_loop import run_virtual
from voipnode.net.dns import Dns
from voipnode.net.dns_servers import Found, NoDnsAnswerError
from voipnode.net.hosts_file import HostsFile, parse_hosts
from voipnode.net.resolver import Resolver

HOSTS = """
127.0.0.1 localhost door  # comment
192.0.2.1\tPBX.test. pbx
2001:db8::1 pbx.test
not-an-address x.test
192.0.2.2
"""


def test_a_hosts_file_is_read_as_hosts_5_says() -> None:
    names = parse_hosts(HOSTS)
    assert names == {
        "localhost": ("127.0.0.1",),
        "door": ("127.0.0.1",),
        "pbx.test": ("192.0.2.1", "2001:db8::1"),
        "pbx": ("192.0.2.1",),
    }


def test_a_changed_hosts_file_is_seen_after_five_seconds(tmp_path: Path) -> None:
    path, now = tmp_path / "hosts", [0.0]
    file = HostsFile(lambda: now[0], path)
    assert file.addresses("pbx.test") == ()
    path.write_text(HOSTS)
    now[0] = 5.0
    assert file.addresses("pbx.test") == ("192.0.2.1", "2001:db8::1")
    path.write_text("192.0.2.9 pbx.test\n")
    os.utime(path, (1, 1))
    assert file.addresses("pbx.test") == ("192.0.2.1", "2001:db8::1")
    now[0] = 10.0
    assert file.addresses("pbx.test") == ("192.0.2.9",)
    path.unlink()
    now[0] = 15.0
    assert file.addresses("pbx.test") == ()


class World:
    """DNS and the system, each with names of its own; `asked` is who was asked for what."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, system: bool) -> None:
        self.asked: list[str] = []
        self.dead = False
        (tmp_path / "hosts").write_text(HOSTS)

        async def ask(name: str, kind: str) -> Found:
            self.asked.append(f"dns {name} {kind}")
            if self.dead:
                raise NoDnsAnswerError(name)
            has = name == "dns.test" and kind == "A"
            return Found(("192.0.2.10",) if has else (), 60.0)

        async def getaddrinfo(name: str) -> list[object]:
            self.asked.append(f"system {name}")
            if name == "nowhere.test":
                raise socket.gaierror(socket.EAI_NONAME, "unknown")
            return [(socket.AF_INET, 0, 0, "", ("192.0.2.20", 0))]

        monkeypatch.setattr(Resolver, "_getaddrinfo", staticmethod(getaddrinfo))
        hosts = HostsFile(lambda: asyncio.get_running_loop().time(), tmp_path / "hosts")
        self.resolver = Resolver(dns=Dns(ask), hosts=hosts, system=system)


@pytest.mark.parametrize(
    ("name", "addresses", "asked"),
    [
        ("192.0.2.7", ("192.0.2.7",), []),
        ("localhost", ("127.0.0.1", "::1"), []),
        ("pbx.test", ("192.0.2.1", "2001:db8::1"), []),
        ("DNS.test.", ("192.0.2.10",), ["dns dns.test A", "dns dns.test AAAA"]),
        ("other.test", ("192.0.2.20",), ["dns other.test A", "dns other.test AAAA", "system other.test"]),
        ("nowhere.test", (), ["dns nowhere.test A", "dns nowhere.test AAAA", "system nowhere.test"]),
        ("printer", ("192.0.2.20",), ["system printer"]),
        ("phone.local", ("192.0.2.20",), ["system phone.local"]),
    ],
)
def test_who_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, addresses: tuple[str, ...], asked: list[str]
) -> None:
    async def main() -> None:
        world = World(monkeypatch, tmp_path, system=True)
        for _ in range(3):  # whoever knows is asked once
            assert await world.resolver.addresses(name) == addresses
            assert world.asked == asked
            assert world.resolver.known(name) == addresses
        await world.resolver.close()

    run_virtual(main())


def test_with_servers_of_its_own_the_system_is_asked_only_for_what_dns_does_not_have(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def main() -> None:
        world = World(monkeypatch, tmp_path, system=False)
        assert await world.resolver.addresses("other.test") == ()
        assert await world.resolver.addresses("printer") == ("192.0.2.20",)
        assert await world.resolver.addresses("phone.local") == ("192.0.2.20",)
        assert world.asked == ["dns other.test A", "dns other.test AAAA", "system printer", "system phone.local"]
        assert world.resolver.known("other.test") == ()
        await world.resolver.close()

    run_virtual(main())


def test_where_dns_is_dead_the_system_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def main() -> None:
        world = World(monkeypatch, tmp_path, system=True)
        world.dead = True
        assert await world.resolver.addresses("dns.test") == ("192.0.2.20",)
        await world.resolver.close()

    run_virtual(main())
