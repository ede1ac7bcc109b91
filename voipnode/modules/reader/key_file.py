"""The key of a reader's secure channel: 16 bytes in a file of their own that only the node may read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from voipnode.modules.reader.settings import KEY_BYTES

OTHERS = 0o077


class KeyFileError(Exception):
    """The key cannot be had or kept; the message names the file and what would help."""


class KeyFile:
    """The key of the reader `name`, in `folder`. A new one is on the disk before the reader has it: a kill between the
    two leaves a key that the next pairing tries again, and never a reader whose key nobody knows."""

    def __init__(self, folder: Path, name: str) -> None:
        self._kept = folder / f"{name}.key"
        self._new = folder / f"{name}.key.new"

    def read(self) -> bytes | None:
        """The key that the reader has; None before it was paired. Raises KeyFileError."""
        return self._read(self._kept)

    def new(self) -> bytes:
        """A key to give the reader: that of a pairing that came to no end, else a fresh one. Raises KeyFileError."""
        known = self._read(self._new)
        if known is not None:
            return known
        key = secrets.token_bytes(KEY_BYTES)
        try:
            self._new.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self._new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(file, "w", encoding="ascii") as text:
                text.write(key.hex())
                text.flush()
                os.fsync(text.fileno())
            self._sync_folder()
        except OSError as error:
            raise KeyFileError(
                f"{self._new}: {error.strerror}; a reader is given no key that cannot be kept"
            ) from error
        return key

    def keep(self) -> None:
        """The reader has the new key: it is the one from now on. Raises KeyFileError."""
        try:
            os.replace(self._new, self._kept)
            self._sync_folder()
        except OSError as error:
            raise KeyFileError(f"{self._kept}: {error.strerror}; pair the reader again") from error

    def _sync_folder(self) -> None:
        folder = os.open(self._new.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @staticmethod
    def _read(path: Path) -> bytes | None:
        try:
            with path.open("r", encoding="ascii") as file:
                if os.fstat(file.fileno()).st_mode & OTHERS:
                    raise KeyFileError(
                        f"{path}: others may read it; take that away (chmod 600), or pair the reader anew"
                    )
                key = bytes.fromhex(file.read(200).strip())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise KeyFileError(f"{path}: {error.strerror}") from error
        except ValueError as error:
            raise KeyFileError(f"{path}: no key is in it; remove it and pair the reader anew") from error
        if len(key) != KEY_BYTES:
            # An empty or cut file is what a full disk leaves of a new key: no reader has it.
            return None
        return key
