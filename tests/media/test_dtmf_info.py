from __future__ import annotations

import pytest

from voipnode.media.dtmf import DIGITS
from voipnode.media.dtmf_info import build_info, parse_info
from voipnode.media.errors import LocalError


@pytest.mark.parametrize(
    ("kind", "body", "digit"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", "5"),
        ("application/dtmf-relay", b"Signal= 5\r\nDuration= 160", "5"),
        ("Application/DTMF-Relay; charset=utf-8", b"Signal = 5\nDuration = 160", "5"),
        ("application/dtmf-relay", b"SIGNAL=a\r\n", "A"),
        ("application/dtmf-relay", b"signal=#", "#"),
        ("application/dtmf-relay", b"\r\nDuration=160\r\nSignal=*\r\n", "*"),
        ("application/dtmf-relay", b"Signal=10\r\nDuration=100", "*"),
        ("application/dtmf-relay", b"Signal=11\r\nDuration=100", "#"),
        ("application/dtmf-relay", b"Signal=\r\n", None),
        ("application/dtmf-relay", b"Signal=55", None),
        ("application/dtmf-relay", b"Signal=16", None),
        ("application/dtmf-relay", b"5", None),
        ("application/dtmf-relay", b"", None),
        ("application/dtmf-relay", b"Signal=5" + b" " * 300, None),
        ("application/dtmf", b"5", "5"),
        ("application/dtmf", b" 5\r\n", "5"),
        ("application/dtmf", b"d", "D"),
        ("application/dtmf", b"11", "#"),
        ("application/dtmf", b"Signal=7\r\nDuration=250\r\n", "7"),
        ("application/dtmf", b"hello", None),
        ("application/dtmf", b"\xff\xfe\x00", None),
        ("text/plain", b"5", None),
        ("", b"5", None),
    ],
)
def test_bodies_as_telephones_write_them(kind: str, body: bytes, digit: str | None) -> None:
    assert parse_info(kind, body) == digit


def test_what_we_build_is_the_form_that_others_read() -> None:
    assert build_info("5", 160) == ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n")
    for digit in DIGITS:
        assert parse_info(*build_info(digit.lower(), 100)) == digit
    with pytest.raises(LocalError):
        build_info("55", 100)
