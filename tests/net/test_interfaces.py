"""Which of a host's addresses a far side is told."""

from __future__ import annotations

from pathlib import Path

import ifaddr

from voipnode.net.interfaces import Interfaces, _flags, chosen

TEMPORARY, DEPRECATED, TENTATIVE, PERMANENT = 0x01, 0x20, 0x40, 0x80


def test_loopback_and_link_local_addresses_are_nobody_s_business() -> None:
    own = [("127.0.0.1", 8), ("::1", 128), ("192.168.1.5", 24), ("169.254.3.4", 16), ("fe80::1", 64), ("fd00::2", 64)]
    assert chosen(own, {}) == ("192.168.1.5", "fd00::2")
    assert chosen(own[:2], {}) == ("127.0.0.1", "::1")  # a machine without a network, as in tests


def test_an_address_against_tracking_keeps_the_others_of_its_network_back() -> None:
    own = [("2001:db8:1::5", 64), ("2001:db8:1::99", 64), ("2001:db8:2::5", 64), ("2001:db8:1::77", 64)]
    flags = {"2001:db8:1::99": TEMPORARY, "2001:db8:1::5": PERMANENT, "2001:db8:1::77": TEMPORARY | DEPRECATED}
    assert chosen(own, flags) == ("2001:db8:1::99", "2001:db8:2::5")


def test_addresses_that_nobody_should_use_any_more_or_yet_stay_out() -> None:
    own = [("2001:db8::1", 64), ("2001:db8::2", 64), ("::ffff:10.0.0.1", 96), ("fec0::1", 64)]
    assert chosen(own, {"2001:db8::1": DEPRECATED, "2001:db8::2": TENTATIVE}) == ()


def test_they_are_few() -> None:
    assert len(chosen([(f"10.0.{n}.1", 24) for n in range(9)], {})) == 4


def test_the_kernel_s_table_is_read(tmp_path: Path) -> None:
    file = tmp_path / "if_inet6"
    file.write_text(
        "fe8000000000000000fc00fffe000001 02 40 20 80     eth0\n20010db8000000000000000000000001 02 40 00 01     eth0\n"
    )
    assert _flags(file) == {"fe80::fc:ff:fe00:1": 0x80, "2001:db8::1": 0x01}
    assert _flags(tmp_path / "nowhere") == {}


def test_this_host_s_addresses_are_its_own_and_remembered_for_a_while() -> None:
    now = [0.0]
    interfaces = Interfaces(lambda: now[0])
    found = interfaces.addresses()
    own = {ip.ip if isinstance(ip.ip, str) else ip.ip[0] for adapter in ifaddr.get_adapters() for ip in adapter.ips}
    assert set(found) <= own
    assert found
    assert interfaces.addresses() is found
    now[0] = 11.0
    assert interfaces.addresses() == found
