"""`[sip.stun]`, `[[sip.turn]]` and `[sip.upnp]`: what is read, and what is refused, in words."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from voipnode.calls.settings import SipSettings
from voipnode.calls.traversal_settings import Place, TurnSettings


def turn(**values: Any) -> TurnSettings:
    return TurnSettings.model_validate({"username": "user", "password": "pass", **values})


def test_nothing_is_asked_of_anybody_by_default() -> None:
    sip = SipSettings()
    assert (sip.stun.servers, sip.turn, sip.upnp.enabled) == ((), (), False)


@pytest.mark.parametrize(
    ("server", "place", "wanted"),
    [
        ("turn.example.com", Place("", "turn.example.com", 0, ""), "udp"),
        ("192.0.2.1:3478", Place("", "192.0.2.1", 3478, ""), "udp"),
        ("[2001:db8::1]:3478", Place("", "2001:db8::1", 3478, ""), "udp"),
        ("turn:turn.example.com?transport=tcp", Place("turn", "turn.example.com", 0, "tcp"), "tcp"),
        ("turns:turn.example.com:443", Place("turns", "turn.example.com", 443, ""), "tls"),
        ("turns:turn.example.com?transport=tcp", Place("turns", "turn.example.com", 0, "tcp"), "tls"),
    ],
)
def test_a_turn_server_is_a_host_or_a_uri(server: str, place: Place, wanted: str) -> None:
    settings = turn(server=server)
    assert (settings.place, settings.wanted) == (place, wanted)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"stun": {"servers": ["stun server"]}}, r'"stun server": write "stun\.example\.com"'),
        ({"stun": {"servers": ["turn:a.example"]}}, r'"turn:a\.example": write "stun\.example\.com"'),
        ({"stun": {"servers": ["a.example:70000"]}}, "a port is 1 to 65535"),
        ({"stun": {"servers": ["stun:a.example?transport=tcp"]}}, "STUN servers are asked by UDP"),
        ({"stun": {"servers": ["[2001:zz]"]}}, 'write "stun'),
        ({"stun": {"servers": ["[2001:1]"]}}, "no IPv6 address"),
        ({"stun": {"servers": ["a", "b", "c", "d", "e"]}}, "at most 4 items"),
        ({"turn": [{"server": "a.example", "username": "u"}]}, r"turn\.0\.password\n +Field required"),
        ({"turn": [{"server": "a.example", "username": "", "password": "p"}]}, "at least 1 character"),
        ({"turn": [{"server": "http://a", "username": "u", "password": "p"}]}, 'write "turn'),
        (
            {"turn": [{"server": "turns:a.example", "username": "u", "password": "p", "transport": "udp"}]},
            'transport = "udp", but the server\'s URI says "tls"',
        ),
        (
            {"turn": [{"server": "turns:a.example?transport=udp", "username": "u", "password": "p"}]},
            "TURN by DTLS is not spoken here",
        ),
        ({"turn": [{"server": "a.example", "username": "u", "password": "p", "ca": "ca.pem"}]}, "ca is of use with"),
        ({"nat": {"gather_timeout_s": 60}}, "less than or equal to 10"),
        ({"upnp": {"lease_s": 1}}, "greater than or equal to 120"),
        ({"upnp": {"enabled": True}, "max_calls": 9}, r"upnp\.rtp_pairs = 8: a call has a pair"),
        ({"nat": {"local_networks": ["here"]}}, "an address or network is needed"),
    ],
)
def test_what_cannot_be_is_refused_in_words(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SipSettings.model_validate(values)


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(turn(server="a.example", password="secret"))
