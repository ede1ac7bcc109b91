"""Adds, renames and removes clips while the node runs: their files in the folder, and `[[clips]]` in the settings."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from pathlib import Path
from typing import Any

from voipnode.calls.clips.library import ClipLibrary
from voipnode.calls.clips.reading import read_clip, suffix_of
from voipnode.calls.clips.settings import clip_names
from voipnode.calls.commands import AddClip, RemoveClip, RenameClip
from voipnode.calls.errors import UnknownNameError
from voipnode.calls.events import ClipsChanged
from voipnode.calls.hooks import Bus, Commands
from voipnode.calls.references import listed
from voipnode.kept_files import keep_file
from voipnode.modules.rules.settings import renamed_in_rules
from voipnode.settings import NodeSettings
from voipnode.settings_editor import SettingsEditor, within

MAX_FOLDER_BYTES = 100_000_000


class ClipEditor:
    """Carries out the commands about the list of clips, one after the other."""

    def __init__(self, editor: SettingsEditor, library: ClipLibrary, bus: Bus) -> None:
        self._editor = editor
        self._library = library
        self._bus = bus

    def register(self, commands: Commands) -> None:
        """Take the commands."""
        commands.register(AddClip, self._add, who="clips")
        commands.register(RenameClip, self._rename, who="clips")
        commands.register(RemoveClip, self._remove, who="clips")

    async def _add(self, command: AddClip) -> str:
        async with self._editor.one_at_a_time:
            before = (await self._editor.load()).clips
            path = await asyncio.to_thread(_store, self._library, command)
            entry: dict[str, Any] = {"name": command.clip, "file": path.name}
            if command.gain_db:
                entry |= {"gain_db": command.gain_db}
            if command.normalise:
                entry |= {"normalise": True}
            place = f"clips[{len(before)}]"
            try:
                await self._editor.carry_out({place: entry}, field=within(place))
            except BaseException:
                await asyncio.to_thread(path.unlink, missing_ok=True)
                raise
            return self._tell(command.clip, f'"{command.clip}" was added')

    async def _rename(self, command: RenameClip) -> str:
        async with self._editor.one_at_a_time:
            before = await self._editor.load()
            place = f"clips[{_index(before, command.clip)}]"
            changes = [(f"{place}.name", command.name)]
            for user, settings in before.clip_users:
                where = re.sub(r"\.(\d+)", r"[\1]", ".".join(str(part) for part in user))
                changes += [
                    (f"{where}.{key}", command.name) for key, name in clip_names(settings) if name == command.clip
                ]
            changes += renamed_in_rules(before, "clip", command.clip, command.name)
            await self._editor.carry_out(changes, field=within(place))
            return self._tell(command.name, f'"{command.clip}" is "{command.name}" now')

    async def _remove(self, command: RemoveClip) -> str:
        async with self._editor.one_at_a_time:
            before = await self._editor.load()
            index = _index(before, command.clip)
            place = "clips" if len(before.clips) == 1 else f"clips[{index}]"
            await self._editor.carry_out({place: None}, field=lambda key: key)
            gone = before.clips[index]
            if not any(clip.file == gone.file for clip in before.clips if clip is not gone):
                with contextlib.suppress(OSError):  # it may be gone; what is left of it does no harm
                    await asyncio.to_thread(self._library.path(gone).unlink, missing_ok=True)
            return self._tell(command.clip, f'"{command.clip}" was removed')

    def _tell(self, clip: str, words: str) -> str:
        self._bus.publish(ClipsChanged(detail=words))
        return clip


def _index(settings: NodeSettings, name: str) -> int:
    names = [clip.name for clip in settings.clips]
    if name not in names:
        raise UnknownNameError(f'clip "{name}": there is no such clip; there is {listed(names)}')
    return names.index(name)


def _store(library: ClipLibrary, command: AddClip) -> Path:
    """The file, new in the folder and on the disk. Blocks; raises CallError."""
    read_clip(command.content, 8000, time.thread_time)
    suffix = suffix_of(command.content)
    return keep_file(library.folder, command.clip, suffix, command.content, most_bytes=MAX_FOLDER_BYTES, what="clip")
