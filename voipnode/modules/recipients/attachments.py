"""Files that messages carry: those of the node's own folder, of kinds that are meant for people."""

from __future__ import annotations

import re
from pathlib import Path

from voipnode.calls.errors import CallError, UnknownNameError
from voipnode.modules.recipients.message import Attachment

MAX_BYTES = 10_000_000  # of one file
_PATTERN = re.compile(r"[*?\[]")
MEDIA_TYPES = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".wav": "audio/wav",
    ".opus": "audio/ogg",
    ".ogg": "audio/ogg",
    ".mp3": "audio/mpeg",
    ".mkv": "video/x-matroska",
    ".mp4": "video/mp4",
    ".txt": "text/plain",
    ".csv": "text/csv",
    ".json": "application/json",
}


def read_attachment(folder: Path, path: str) -> Attachment:
    """The file at `path`, relative to the node's `folder`; of a pattern, such as recordings/*.wav, the newest. Blocks.

    Keys, databases and what lies outside are never sent: only the kinds of `MEDIA_TYPES`, links followed. Raises
    UnknownNameError where there is no such file, CallError where it is none to send.
    """
    home, found = folder.resolve(), (folder / _newest(folder, path)).resolve()
    if not found.is_relative_to(home):
        raise CallError(f'attachment "{path}": only files in {folder} are sent')
    media_type = MEDIA_TYPES.get(found.suffix.lower())
    if media_type is None:
        raise CallError(f'attachment "{path}": only files of these kinds are sent: {", ".join(sorted(MEDIA_TYPES))}')
    if not found.is_file():
        raise UnknownNameError(f'attachment "{path}": there is no such file in {folder}')
    try:
        with found.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CallError(f'attachment "{path}" cannot be read: {error.strerror}') from error
    if len(content) > MAX_BYTES:
        raise CallError(f'attachment "{path}" is larger than {MAX_BYTES // 1_000_000} MB')
    return Attachment(found.name, content, media_type)


def _newest(folder: Path, path: str) -> Path:
    if not _PATTERN.search(path):
        return Path(path)
    try:
        found = [each for each in folder.glob(path) if each.is_file()]
        return max(found, key=lambda each: each.stat().st_mtime)
    except (ValueError, NotImplementedError, OSError):  # none, or no pattern of files below the folder
        raise UnknownNameError(f'attachment "{path}": there is no such file in {folder}') from None
