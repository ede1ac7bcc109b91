"""Settings of extensions: limits, and what a new password means for who is registered."""

from __future__ import annotations

import pytest
from pydantic import SecretStr, ValidationError

from tests.support.extensions import extension
from voipnode.calls.account_settings import AccountSettings
from voipnode.calls.registrar.settings import (
    ExtensionSettings,
    RegistrarSettings,
    extension_account,
    extension_of,
    with_new_passwords,
)


@pytest.mark.parametrize("number", ["", "*8", "+43", "a b", "x" * 33, "101@home"])
def test_what_is_no_number(number: str) -> None:
    with pytest.raises(ValidationError, match="number"):
        extension(number)


def test_a_password_is_one_line_of_eight_characters_or_more_and_never_shown() -> None:
    for password in ("1234567", "two lines\n of it"):
        with pytest.raises(ValidationError, match="password"):
            ExtensionSettings(number="101", password=SecretStr(password))
    assert "correct horse" not in repr(extension("101"))


def test_the_least_time_is_not_above_the_most() -> None:
    with pytest.raises(ValidationError, match="must not be more"):
        RegistrarSettings(min_expires_s=600, max_expires_s=300)


def test_an_extension_is_an_account_for_its_legs() -> None:
    account = extension_account(extension("101", audio_codecs=("pcma",), media_encryption="mandatory"), "front")
    assert (account.id, account.user_id, account.type) == ("extension 101", "front", "peer_to_peer")
    assert (account.audio_codecs, account.media_encryption) == (("PCMA",), "mandatory")
    assert (extension_of(account), extension_of(AccountSettings())) == ("101", "")


def test_who_registered_with_an_old_password_has_to_prove_himself_anew() -> None:
    before = (extension("101"), extension("102"))
    changed = extension("102").model_copy(update={"password": SecretStr("another horse")})
    assert with_new_passwords(before, (extension("101"), changed, extension("103"))) == ("102",)
