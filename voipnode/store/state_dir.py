"""The folder of what a node remembers belongs to one process at a time."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

LOCK = "lock"


def claim(folder: Path) -> IO[bytes]:
    """Make the folder where it is missing, and hold it until the returned file is closed, or the process ends.

    Raises BlockingIOError when another process holds it, OSError when it cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / LOCK).open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise
    return lock
