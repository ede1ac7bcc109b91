"""`[sip.tls]` and `[sip.websocket]`: defaults, and what is refused, in words."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from voipnode.calls.settings import SipSettings


def test_tls_is_listened_to_and_websocket_is_not() -> None:
    sip = SipSettings()
    assert (sip.tls.enabled, sip.tls.port, sip.tls.version, sip.tls.verify_clients) == (True, 5061, "auto", "no")
    assert (sip.websocket.enabled, sip.websocket.origins) == (False, ())


@pytest.mark.parametrize(
    ("section", "values", "words"),
    [
        ("tls", {"version": "1.1"}, "'auto', '1.2' or '1.3'"),
        ("tls", {"port": 443}, "greater than or equal to 1024"),
        ("tls", {"private_key": "key.pem"}, "set certificate too"),
        ("tls", {"verify_clients": "required"}, "verify_clients needs client_ca"),
        ("tls", {"port": 5060}, r"sip\.tls\.port = 5060: this is sip\.port too"),
        ("websocket", {"enabled": True, "port": 5061}, r"sip\.websocket\.port = 5061: this is sip\.tls\.port too"),
        ("websocket", {"enabled": True, "secure_port": 5066}, r"secure_port = 5066: this is sip\.websocket\.port too"),
        ("websocket", {"origins": ["pbx.example.com"]}, "write scheme and host of the page"),
        ("websocket", {"origins": ["https://pbx.example.com/phone"]}, "write scheme and host of the page"),
    ],
)
def test_what_cannot_be_is_refused_in_words(section: str, values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SipSettings.model_validate({section: values})


@pytest.mark.parametrize(
    "values",
    [
        {"tls": {"enabled": False, "port": 5060}},
        {"websocket": {"port": 5061}},
        {"websocket": {"enabled": True, "origins": ["https://pbx.example.com:8443", "*"]}},
        {"tls": {"certificate": "c.pem", "private_key": "k.pem", "verify_clients": "optional", "client_ca": "ca.pem"}},
    ],
)
def test_what_can_be_is_taken(values: dict[str, Any]) -> None:
    SipSettings.model_validate(values)
