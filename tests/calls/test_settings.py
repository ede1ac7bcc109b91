"""Limits and defaults of `[sip]` and `[[accounts]]`."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from voipnode.calls.settings import AccountSettings, SipSettings, complete_accounts


def test_the_defaults_are_those_of_the_field() -> None:
    sip = SipSettings()
    assert (sip.port, sip.rtp_start_port, sip.calling_timeout_s, sip.dtmf_payload_type) == (5060, 4000, 60, 101)


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("port", [1024, 65535], [1023, 65536, 80]),
        ("rtp_start_port", [1024, 65535], [0, 70000]),
        ("calling_timeout_s", [1, 600], [0, 601]),
        ("incoming_call_timeout_s", [1, 600], [0, 601]),
        ("max_call_duration_s", [1, 3600, "infinite"], [0, 3601, "forever"]),
        ("dtmf_payload_type", [96, 127], [95, 128]),
        ("max_calls", [1, 4000], [0, 4001]),
        ("hosts", [["0.0.0.0"], ["127.0.0.1", "::1"]], [[], ["door.local"], ["127.0.0.1", "127.0.0.2"]]),
        ("incoming_networks", [["10.0.0.0/8"], []], [["my network"]]),
        ("trusted_callers", [["anna@192.168.1.20"], ["[::1]"]], [["anna@pbx.example"], ["anna"]]),
    ],
)
def test_limits_hold_on_both_sides(key: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        SipSettings.model_validate({key: value})
    for value in bad:
        with pytest.raises(ValidationError):
            SipSettings.model_validate({key: value})


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValidationError, match="prot"):
        SipSettings.model_validate({"prot": 5060})


def test_without_accounts_there_is_the_automatic_peer_to_peer_one() -> None:
    (account,) = complete_accounts(())
    assert (account.type, account.default, account.user_id) == ("peer_to_peer", True, "door")


def test_exactly_one_account_is_the_default() -> None:
    first, second = AccountSettings(name="a"), AccountSettings(name="b")
    assert [account.default for account in complete_accounts((first, second))] == [True, False]
    chosen = second.model_copy(update={"default": True})
    assert [account.default for account in complete_accounts((first, chosen))] == [False, True]
    with pytest.raises(ValueError, match="exactly one"):
        complete_accounts((chosen, first.model_copy(update={"default": True})))


def test_a_codec_stands_in_the_list_once_and_one_at_least() -> None:
    with pytest.raises(ValidationError):
        AccountSettings.model_validate({"audio_codecs": []})
    with pytest.raises(ValidationError, match="once"):
        AccountSettings.model_validate({"audio_codecs": ["PCMU", "PCMU"]})
