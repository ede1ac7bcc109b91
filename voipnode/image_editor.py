"""Adds and removes images of the display while the node runs: files in the folder, and `[[images]]` in the settings."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from voipnode.calls.commands import AddImage, RemoveImage
from voipnode.calls.errors import UnknownNameError
from voipnode.calls.hooks import Commands
from voipnode.calls.references import listed
from voipnode.kept_files import keep_file
from voipnode.modules.display.picture import check_picture
from voipnode.settings_editor import SettingsEditor, within

MAX_FOLDER_BYTES = 50_000_000


class ImageEditor:
    """Carries out the commands about images of `folder`, one after the other."""

    def __init__(self, editor: SettingsEditor, folder: Path) -> None:
        self._editor = editor
        self._folder = folder

    def register(self, commands: Commands) -> None:
        """Take the commands."""
        commands.register(AddImage, self._add, who="images")
        commands.register(RemoveImage, self._remove, who="images")

    async def _add(self, command: AddImage) -> str:
        picture = await asyncio.to_thread(check_picture, command.content)
        async with self._editor.one_at_a_time:
            place = f"images[{len((await self._editor.load()).images)}]"
            path = await asyncio.to_thread(self._keep, command, picture.suffix)
            try:
                entry = {"name": command.image, "file": path.name}
                await self._editor.carry_out({place: entry}, field=within(place))
            except BaseException:
                await asyncio.to_thread(path.unlink, missing_ok=True)
                raise
            return command.image

    def _keep(self, command: AddImage, suffix: str) -> Path:
        most = MAX_FOLDER_BYTES
        return keep_file(self._folder, command.image, suffix, command.content, most_bytes=most, what="image")

    async def _remove(self, command: RemoveImage) -> str:
        async with self._editor.one_at_a_time:
            images = (await self._editor.load()).images
            names = [image.name for image in images]
            if command.image not in names:
                words = f'image "{command.image}": there is no such image; there is {listed(names)}'
                raise UnknownNameError(words)
            index = names.index(command.image)
            place = "images" if len(images) == 1 else f"images[{index}]"
            await self._editor.carry_out({place: None}, field=lambda key: key)
            gone = images[index]
            if not any(image.file == gone.file for image in images if image is not gone):
                with contextlib.suppress(OSError):  # it may be gone; what is left of it does no harm
                    await asyncio.to_thread((self._folder / gone.file).unlink, missing_ok=True)
            return command.image
