"""The TLS settings of the node and of its accounts as profiles, and what is wrong with the files that they name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from voipnode.calls.settings import AccountSettings, SipSettings
from voipnode.calls.transport_settings import TlsSettings
from voipnode.calls.traversal_settings import TurnSettings
from voipnode.net.tls import TlsError, TlsProfile, client_context

Place = tuple[str | int, ...]


def server_profile(tls: TlsSettings, own: Path | None = None) -> TlsProfile | None:
    """What others who connect are served with; None without a certificate. `own`: where the settings name none."""
    certificate = _file(tls.certificate) or own
    if certificate is None:
        return None
    return TlsProfile(
        versions=tls.version,
        certificate=certificate,
        key=_file(tls.private_key),
        ca=_file(tls.client_ca),
        clients=tls.verify_clients,
        key_log=_file(tls.key_log),
    )


def client_profiles(tls: TlsSettings, accounts: Sequence[AccountSettings]) -> dict[str, TlsProfile]:
    """What the connections of the active accounts are made with, by their id; "": those of nobody."""
    profiles = {"": TlsProfile(key_log=_file(tls.key_log))}
    profiles.update({account.id: _client_profile(account, tls) for account in accounts if account.active})
    return profiles


def relay_profiles(sip: SipSettings) -> dict[str, TlsProfile]:
    """What connections to the TURN servers are made with, by `relay_profile` of their place in the settings."""
    return {relay_profile(index): _relay_profile(turn, sip.tls) for index, turn in enumerate(sip.turn)}


def relay_profile(index: int) -> str:
    """The name of the TLS settings of a TURN server."""
    return f"turn {index}"


def broken_files(sip: SipSettings, accounts: Sequence[AccountSettings]) -> Iterator[tuple[Place, str]]:
    """Every certificate, key and list of authorities that cannot be used: its place in the settings, and why.

    Blocking. Nothing is written, so that nothing is said of the key log.
    """
    server = server_profile(sip.tls)
    if sip.enabled and server is not None:
        names = {"key": "private_key", "ca": "client_ca"}
        yield from _broken(replace(server, verify=server.clients != "no"), names, ("sip", "tls"))
    for index, turn in enumerate(sip.turn):
        if sip.enabled and turn.ca:
            yield from _broken(_relay_profile(turn, sip.tls), {}, ("sip", "turn", index))
    for index, account in enumerate(accounts):
        if sip.enabled and account.active:
            yield from _broken(_client_profile(account, sip.tls), {"key": "private_key"}, ("accounts", index))


def _broken(profile: TlsProfile, names: dict[str, str], where: Place) -> Iterator[tuple[Place, str]]:
    """What cannot be used of a profile, the certificate apart from those to trust: both may be wrong."""
    for part in (replace(profile, verify=False), replace(profile, certificate=None)):
        try:
            client_context(replace(part, key_log=None))
        except TlsError as error:
            yield (*where, names.get(error.field, error.field)), str(error)


def _client_profile(account: AccountSettings, tls: TlsSettings) -> TlsProfile:
    return TlsProfile(
        verify=account.verify_server,
        versions=account.tls_version,
        certificate=_file(account.certificate),
        key=_file(account.private_key),
        ca=_file(account.ca),
        key_log=_file(tls.key_log),
    )


def _relay_profile(turn: TurnSettings, tls: TlsSettings) -> TlsProfile:
    return TlsProfile(verify=turn.verify_server, ca=_file(turn.ca), wildcards=True, key_log=_file(tls.key_log))


def _file(path: str) -> Path | None:
    return Path(path).expanduser() if path else None
