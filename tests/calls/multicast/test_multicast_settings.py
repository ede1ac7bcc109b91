"""What `[multicast]` takes, and what it says of what it does not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from voipnode.calls.multicast.settings import MulticastSettings, MulticastSourceSettings
from voipnode.media.srtp import SUITES

SOURCE = {"label": "Bell", "address": "239.0.1.1", "port": 5004}
RFC_4568_KEY = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"


def refused(**given: Any) -> str:
    with pytest.raises(ValidationError) as told:
        MulticastSourceSettings(**{**SOURCE, **given})
    return str(told.value)


def test_a_source_as_an_installer_writes_it() -> None:
    source = MulticastSourceSettings(**SOURCE, profile="SAVP", srtp_key=RFC_4568_KEY)
    assert len(source.key_salt) == 30
    assert "WVNf" not in repr(source)  # keys are no reading matter


@pytest.mark.parametrize("address", ["192.168.1.5", "224.0.0.251", "255.255.255.255", "fe80::1", "bell.example"])
def test_what_is_no_group_for_sound_is_refused(address: str) -> None:
    words = refused(address=address)
    assert f'"{address}"' in words
    assert "239." in words


def test_an_ipv6_group_is_one() -> None:
    assert MulticastSourceSettings(**{**SOURCE, "address": "FF15::1:2"}).address == "ff15::1:2"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"profile": "SAVP"}, "srtp_key has 0 bytes; AES_CM_128_HMAC_SHA1_80 wants 30"),
        ({"profile": "SAVP", "srtp_key": "c2hvcnQ="}, "srtp_key has 5 bytes"),
        ({"profile": "SAVP", "srtp_key": "no base64!"}, "is not base64; 30 bytes"),
        ({"srtp_key": RFC_4568_KEY}, 'profile = "AVP" is in the clear'),
        ({"sender": "239.1.1.1"}, "nobody's address"),
        ({"sender": "bell"}, '"bell" is no IP address'),
        ({"port": 80}, "1024"),
        ({"priority": 101}, "100"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(given: dict[str, Any], words: str) -> None:
    assert words in refused(**given)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"label": "Bell", "address": "239.0.1.2"}, 'sources.1.label: "Bell" is used by sources.0 already'),
        ({"label": "Other"}, 'sources.1: 239.0.1.1 port 5004 is that of "Bell" already'),
    ],
)
def test_two_of_the_same_are_refused(other: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        MulticastSettings.model_validate({"sources": [SOURCE, {**SOURCE, **other}]})


def test_every_suite_that_can_be_set_is_one_of_ours() -> None:
    wanted = MulticastSourceSettings.model_fields["srtp_suite"].annotation
    assert set(wanted.__args__) == set(SUITES)  # type: ignore[union-attr]  # a Literal's values
