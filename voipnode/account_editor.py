"""Adds, changes and removes accounts while the node runs: in the settings file, with its comments kept, and in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from voipnode.calls.account_settings import AccountSettings
from voipnode.calls.commands import AddAccount, ChangeAccount, RemoveAccount
from voipnode.calls.errors import NotNowError, UnknownNameError
from voipnode.calls.events import LineSettingsChanged
from voipnode.calls.hooks import Bus, Commands
from voipnode.settings import NodeSettings
from voipnode.settings_editor import LATER, Broken, SettingsEditor, setting_key, within, without_secrets
from voipnode.tls_profiles import broken_files


class AccountEditor:
    """Carries out the commands about accounts, one after the other.

    Exactly one account is the default, and the automatic peer-to-peer one comes back when none is left.
    """

    def __init__(self, editor: SettingsEditor, bus: Bus) -> None:
        self._editor = editor
        self._bus = bus
        self._in_use = True  # the change just made, and not only later

    def register(self, commands: Commands) -> None:
        """Take the commands."""
        commands.register(AddAccount, self._add, who="accounts")
        commands.register(ChangeAccount, self._change, who="accounts")
        commands.register(RemoveAccount, self._remove, who="accounts")

    async def _add(self, command: AddAccount) -> str:
        async with self._editor.one_at_a_time:
            before = await self._editor.load()
            changes: dict[str, Any] = {}
            if not before.accounts:  # the automatic one would go, now that there is another
                automatic = before.all_accounts[0]
                changes["accounts[0]"] = {"name": automatic.name, "default": True}
            index = len(before.accounts) + len(changes)
            changes[f"accounts[{index}]"] = dict(command.settings)
            if command.settings.get("default") is True:
                changes |= {f"{key}.default": None for key in _marked(before)} | _unmarked(changes)
            settings = await self._carry_out(changes, index)
            return self._tell(settings.all_accounts[index].id, "added")

    async def _change(self, command: ChangeAccount) -> str:
        async with self._editor.one_at_a_time:
            before = await self._editor.load()
            index = _index(before, command.account)
            changes: dict[str, Any] = {}
            if not before.accounts:  # it is the automatic one, which the file does not have yet
                changes["accounts[0]"] = {"name": before.all_accounts[0].name, "default": True}
            if command.changes.get("default") is True:
                changes |= {f"{key}.default": None for key in _marked(before)}
            own = _with_known_secrets(command.changes, before.all_accounts[index])
            changes |= {f"accounts[{index}].{setting_key(key, 'an account')}": value for key, value in own.items()}
            settings = await self._carry_out(changes, index)
            return self._tell(settings.all_accounts[index].id, "changed")

    async def _remove(self, command: RemoveAccount) -> str:
        async with self._editor.one_at_a_time:
            before = await self._editor.load()
            index = _index(before, command.account)
            if index >= len(before.accounts):
                raise NotNowError("this account is there because there is no other; add another one first")
            account = before.all_accounts[index]
            if account.default and len(before.accounts) > 1:
                raise NotNowError(f'"{account.id}" is the default account; make another one the default first')
            whole = {"accounts": None} if len(before.accounts) == 1 else {f"accounts[{index}]": None}
            await self._carry_out(whole, index)
            return self._tell(account.id, "removed")

    async def _carry_out(self, changes: Mapping[str, Any], index: int) -> NodeSettings:
        settings, self._in_use = await self._editor.carry_out(
            changes, field=within(f"accounts[{index}]"), beyond=_broken_files
        )
        return settings

    def _tell(self, account: str, done: str) -> str:
        words = f'"{account}" was {done}' + ("" if self._in_use else f"; {LATER}")
        self._bus.publish(LineSettingsChanged(detail=words))
        return account


def shown_settings(account: AccountSettings) -> dict[str, Any]:
    """All settings of an account as JSON-ready data; secrets, whether set or not, are left out."""
    shown: dict[str, Any] = without_secrets(account.model_dump())
    return shown


def _index(settings: NodeSettings, account: str) -> int:
    """Where the account of that id, or of that name, stands."""
    known = settings.all_accounts
    for index, each in enumerate(known):
        if account == each.id:
            return index
    listed = ", ".join(f'"{each.id}"' for each in known)
    raise UnknownNameError(f'account "{account}": no such account; there is {listed}')


def _marked(settings: NodeSettings) -> list[str]:
    """The accounts that the file marks as default."""
    return [f"accounts[{index}]" for index, each in enumerate(settings.accounts) if each.default]


def _unmarked(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The automatic account of `changes`, written without being the default."""
    first = changes.get("accounts[0]", {})
    return {"accounts[0]": {"name": first["name"]}} if len(changes) > 1 else {}


def _broken_files(settings: NodeSettings) -> Broken:
    """The files that accounts name and that cannot be used."""
    return [each for each in broken_files(settings.sip, settings.all_accounts) if each[0][0] == "accounts"]


def _with_known_secrets(changes: Mapping[str, Any], account: AccountSettings) -> dict[str, Any]:
    """The changes; a proxy whose password is left out keeps the one it had."""
    given = dict(changes)
    proxies = given.get("proxies")
    if isinstance(proxies, Sequence) and not isinstance(proxies, str):
        known = {each.address: each.password.get_secret_value() for each in account.proxies}
        given["proxies"] = [
            {"password": known[each["address"]], **each}
            if isinstance(each, dict) and known.get(str(each.get("address", "")))
            else each
            for each in proxies
        ]
    return given
