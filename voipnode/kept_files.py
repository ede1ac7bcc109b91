"""Files that people hand in and the node keeps: new in a folder of its own, whole, and on the disk."""

from __future__ import annotations

import os
import re
from pathlib import Path

from voipnode.calls.errors import CallError

PART = ".part"  # of a file that is not yet whole


def keep_file(folder: Path, name: str, suffix: str, content: bytes, *, most_bytes: int, what: str) -> Path:
    """Write `content` as a new file of `folder` (made when absent), called much like `name`. Blocks.

    Raises CallError where the folder would have more than `most_bytes`, or the disk does not take it; `what` is
    "clip", "image".
    """
    stem = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40] or what
    try:
        folder.mkdir(exist_ok=True)
        for left in folder.glob(f"*{PART}"):  # by a node that was killed meanwhile
            left.unlink()
        used = sum(each.stat().st_size for each in folder.iterdir() if each.is_file())
        if used + len(content) > most_bytes:
            raise CallError(f"the folder of the {what}s has {used} bytes; with this one more than {most_bytes}")
        number, path = 1, folder / f"{stem}.{suffix}"
        while path.exists():
            number += 1
            path = folder / f"{stem}_{number}.{suffix}"
        part = path.with_name(path.name + PART)
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise CallError(f"{folder}: the {what} cannot be stored: {error.strerror or error}") from error
    return path
