"""The lines to the world: what a number means on an account."""

from __future__ import annotations

from voipnode.calls.accounts import Accounts
from voipnode.calls.errors import NotNowError
from voipnode.calls.settings import AccountSettings
from voipnode.calls.ways import parse_target
from voipnode.sipstack.uri import SipUri


def number_by(accounts: Accounts, line: str, number: str) -> tuple[SipUri, AccountSettings]:
    """The address of a number on the account of that name ("" is the default one), and the account. CallError,
    NotNowError where its server is not known."""
    account = accounts.named(line)
    registration = accounts.registration(account)
    if account.registered and (registration is None or not registration.servers):
        raise NotNowError(f'account "{account.name}" has no server now')
    domain = registration.servers[0].aor if registration is not None and registration.servers else None
    return parse_target(number, domain), account
