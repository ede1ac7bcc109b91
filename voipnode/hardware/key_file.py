"""A key of OSDP's secure channel, in a file that only the node may read."""

from __future__ import annotations

import os
from pathlib import Path

KEY_BYTES = 16  # AES-128


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
        """Write it down, whole or not at all, before anybody else is told that we have it. Raises OSError."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self.path.with_suffix(".part")
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "w", encoding="ascii") as text:
            text.write(key.hex())
            text.flush()
            os.fsync(text.fileno())
        new.replace(self.path)
        self._settle()

    def become(self, path: Path) -> None:
        """Have the key at `path` from now on, in one step. Raises OSError."""
        os.replace(self.path, path)
        self._settle()

    def _settle(self) -> None:
        """Have the folder on the disk, too."""
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
