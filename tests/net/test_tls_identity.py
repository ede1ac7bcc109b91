"""Whose certificate it is (RFC 5922 §7): each kind of name, and what is no name of SIP."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.certificates import Authority, der_of
from voipnode.net.tls_identity import Certificate
from voipnode.net.tls_words import name_words


def certificate(folder: Path, *names: str, common: str = "") -> Certificate:
    return Certificate(der_of(Authority(folder).issue(*names, common=common)))


@pytest.mark.parametrize(
    ("names", "common", "domain", "proven"),
    [
        (("pbx.example",), "", "pbx.example", True),
        (("PBX.Example",), "", "pbx.example.", True),  # §7.2: DNS names have no case
        (("sip:pbx.example",), "", "pbx.example", True),
        (("SIP:pbx.example",), "", "pbx.example", True),  # §7.1: nor do schemes
        (("sip:pbx.example;transport=tls",), "", "pbx.example", True),  # §7.2: parameters say nothing
        (("sips:pbx.example",), "", "pbx.example", False),  # §7.1: no other scheme
        (("https://pbx.example/",), "", "pbx.example", False),
        (("sip:anna@pbx.example",), "", "pbx.example", False),  # a user, no domain
        (("sip:other.example", "pbx.example"), "", "pbx.example", False),  # DNS names count without sip URIs alone
        (("sip:other.example", "pbx.example"), "", "other.example", True),
        (("sip:anna@pbx.example", "pbx.example"), "", "pbx.example", True),
        (("*.example",), "", "pbx.example", False),  # §7.2: no wildcards
        (("*.example",), "", "*.example", True),
        (("example",), "", "pbx.example", False),  # nor suffixes
        ((), "pbx.example", "pbx.example", True),  # the common name, where there is no alternative name
        (("other.example",), "pbx.example", "pbx.example", False),
        (("192.0.2.7",), "pbx.example", "pbx.example", False),
        (("192.0.2.7",), "", "192.0.2.7", True),
        (("192.0.2.7",), "", "192.0.2.8", False),
        (("2001:db8::1",), "", "2001:DB8:0::1", True),
        (("sip:192.0.2.7",), "", "192.0.2.7", True),
        (("sip:[2001:db8::1]",), "", "2001:db8::1", True),
        ((), "192.0.2.7", "192.0.2.7", False),  # no DNS name
        (("pbx.example",), "", "", False),
    ],
)
def test_a_name_is_proven_as_rfc_5922_says(
    tmp_path: Path, names: tuple[str, ...], common: str, domain: str, proven: bool
) -> None:
    assert certificate(tmp_path, *names, common=common).proves(domain) is proven


def test_a_wrong_name_is_told_with_the_names_that_there_are(tmp_path: Path) -> None:
    words = name_words(certificate(tmp_path, "*.example", "door.example", "192.0.2.7"), "pbx.example")
    assert words == (
        'the peer\'s certificate is not for "pbx.example" but for *.example, door.example, 192.0.2.7;'
        " names with * are not valid in SIP (RFC 5922)"
    )
    many = certificate(tmp_path, *(f"n{number}.example" for number in range(50)))
    assert many.names_told().endswith("n7.example and 42 more")


@pytest.mark.parametrize("data", [b"", b"\x30\x03\x02\x01\x01", b"\x00" * 100])
def test_what_is_no_certificate_is_said(data: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        Certificate(data)
