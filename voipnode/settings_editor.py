"""Changes the settings file while the node runs: checked as a whole, used, then written, with its comments kept."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from voipnode.calls.errors import CallError, FieldsError
from voipnode.settings import NodeSettings
from voipnode.store.problems import SettingsError
from voipnode.store.settings_file import Changes, edit_settings, load_settings, problems_at, write_settings

Use = Callable[[NodeSettings], Awaitable[bool]]
"""Has the node be as settings say; False: once the call that is on is over. Raises CallError where it cannot be."""

Broken = Iterable[tuple[tuple[str | int, ...], str]]
LATER = "in use once the call that is on is over"


class SettingsEditor:
    """Edits the file at `path` (made when absent). What cannot be used or written leaves all as it was.

    `in_use` are the settings to return to. `one_at_a_time` is for whoever loads and then carries out to hold meanwhile;
    others who edit the file hold it, too.
    """

    def __init__(
        self, path: Path, use: Use, in_use: Callable[[], NodeSettings], one_at_a_time: asyncio.Lock | None = None
    ) -> None:
        self._path = path
        self._use = use
        self._in_use = in_use
        self.one_at_a_time = one_at_a_time or asyncio.Lock()

    async def load(self) -> NodeSettings:
        """The file as it is now: somebody may have edited it. Raises CallError."""
        try:
            return await asyncio.to_thread(load_settings, self._path if self._path.exists() else None, NodeSettings)
        except SettingsError as error:
            raise CallError(f"the settings file has problems of its own: {error}") from None

    async def carry_out(
        self,
        changes: Changes,
        *,
        field: Callable[[str], str],
        beyond: Callable[[NodeSettings], Broken] = lambda settings: (),
    ) -> tuple[NodeSettings, bool]:
        """Make changes, as `store.settings_file.edit_settings` takes them; the settings, and whether they are in use.

        Raises FieldsError for what is wrong, each by what `field` makes of its key; `beyond` finds what is wrong
        outside the file itself. Raises CallError where nothing could be changed for another reason.
        """
        try:
            text, settings = await asyncio.to_thread(self._checked, changes, beyond)
        except SettingsError as error:
            raise FieldsError([(field(each.key), each.value, each.message) for each in error.problems]) from None
        before = self._in_use()
        used = await self._use(settings)
        try:
            await asyncio.to_thread(write_settings, self._path, text)
        except OSError as error:
            await self._use(before)
            words = f"{self._path} cannot be written: {error.strerror or error}; nothing was changed"
            raise CallError(words) from error
        return settings, used

    def _checked(self, changes: Changes, beyond: Callable[[NodeSettings], Broken]) -> tuple[str, NodeSettings]:
        text, settings = edit_settings(self._path, changes, NodeSettings)
        if found := problems_at(None, beyond(settings), NodeSettings):
            raise found
        return text, settings


def within(entry: str) -> Callable[[str], str]:
    """The key of a problem as whoever edits `entry`, such as "accounts[1]", knows it."""
    return lambda key: key.removeprefix(f"{entry}.")


def without_secrets(data: Any) -> Any:
    """What a model's `model_dump` says, as JSON-ready data; secrets, whether set or not, are left out."""
    if isinstance(data, dict):
        return {key: without_secrets(value) for key, value in data.items() if not isinstance(value, SecretStr)}
    return [without_secrets(item) for item in data] if isinstance(data, list | tuple) else data


def setting_key(key: object, of: str) -> str:
    """`key` where it can be one of a table in the file; raises FieldsError, with the words "no setting of `of`"."""
    if not isinstance(key, str) or not re.fullmatch(r"[a-z0-9_]{1,64}", key):
        raise FieldsError([(str(key)[:64], None, f"this is no setting of {of}")])
    return key
