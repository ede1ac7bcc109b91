"""The key that the controller has set, in a file that only the node may read."""

from __future__ import annotations

import os
from pathlib import Path

from voipnode.modules.controller.settings import KEY_BYTES


class KeyFile:
    """A key of 16 bytes at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> bytes | None:
        """The key; None where there is none, or what is there is none (a full disk cut it). Raises OSError."""
        try:
            key = bytes.fromhex(self.path.read_text(encoding="ascii").strip())
        except (FileNotFoundError, ValueError):
            return None
        return key if len(key) == KEY_BYTES else None

    def keep(self, key: bytes) -> None:
        """Write it down, whole or not at all, before the controller is told that we have it. Raises OSError."""
        new = self.path.with_suffix(".new")
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "w", encoding="ascii") as text:
            text.write(key.hex())
            text.flush()
            os.fsync(text.fileno())
        new.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
