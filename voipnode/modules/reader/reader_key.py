"""The key of a reader's secure channel: the one that the reader has, and the one that pairing gives it."""

from __future__ import annotations

import secrets
from pathlib import Path

from voipnode.hardware.key_file import KEY_BYTES, KeyFile

OTHERS = 0o077


class ReaderKeyError(Exception):
    """The key cannot be had or kept; the message names the file and what would help."""


class ReaderKey:
    """The key of the reader `name`, in `folder`. A new one is on the disk before the reader has it: a kill between the
    two leaves a key that the next pairing tries again, and never a reader whose key nobody knows."""

    def __init__(self, folder: Path, name: str) -> None:
        self._kept = KeyFile(folder / f"{name}.key")
        self._new = KeyFile(folder / f"{name}.new")

    def read(self) -> bytes | None:
        """The key that the reader has; None before it was paired. Raises ReaderKeyError."""
        return _read(self._kept)

    def new(self) -> bytes:
        """A key to give the reader: that of a pairing that came to no end, else a fresh one. Raises ReaderKeyError."""
        known = _read(self._new)
        if known is not None:
            return known
        key = secrets.token_bytes(KEY_BYTES)
        try:
            self._new.keep(key)
        except OSError as error:
            words = f"{self._new.path}: {error.strerror}; a reader is given no key that cannot be kept"
            raise ReaderKeyError(words) from error
        return key

    def keep(self) -> None:
        """The reader has the new key: it is the one from now on. Raises ReaderKeyError."""
        try:
            self._new.become(self._kept.path)
        except OSError as error:
            raise ReaderKeyError(f"{self._kept.path}: {error.strerror}; pair the reader again") from error


def _read(file: KeyFile) -> bytes | None:
    try:
        if file.path.exists() and file.path.stat().st_mode & OTHERS:
            words = f"{file.path}: others may read it; take that away (chmod 600), or pair the reader anew"
            raise ReaderKeyError(words)
        return file.read()
    except OSError as error:
        raise ReaderKeyError(f"{file.path}: {error.strerror}") from error
