"""Settings of the network under SIP."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from voipnode.calls.network_settings import DnsSettings, NatSettings


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.168.1.1", ("192.168.1.1", 53)),
        ("127.0.0.1:8053", ("127.0.0.1", 8053)),
        ("::1", ("::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
        ("[::1]", ("::1", 53)),
    ],
)
def test_a_dns_server_is_an_address_with_or_without_a_port(text: str, server: tuple[str, int]) -> None:
    assert DnsSettings(servers=(text,)).addresses == (server,)


@pytest.mark.parametrize("text", ["", "dns.example", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:70000", "[::1", "1.2"])
def test_anything_else_is_refused_with_the_value_and_an_example(text: str) -> None:
    with pytest.raises(
        ValidationError, match=r"write an IP address, like 192\.168\.1\.1|a port is 1 to 65535"
    ) as caught:
        DnsSettings(servers=(text,))
    assert f'"{text}"' in str(caught.value)


@pytest.mark.parametrize(
    ("text", "public"),
    [("203.0.113.5", ("203.0.113.5", 0)), ("203.0.113.5:5062", ("203.0.113.5", 5062)), (None, None)],
)
def test_a_public_address_without_a_port_has_ours(text: str | None, public: tuple[str, int] | None) -> None:
    assert NatSettings(public_address=text).public == public


def test_a_public_address_is_no_name() -> None:
    with pytest.raises(ValidationError, match="write an IP address"):
        NatSettings(public_address="door.example")
