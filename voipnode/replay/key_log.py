"""The key log that goes with a capture of TLS: the secrets of its sessions, as every TLS library writes them.

The format is NSS's (draft-ietf-tls-keylogfile): a label, the session's client random and a secret to a line, in hex.
"""

from __future__ import annotations

from pathlib import Path

MAX_LINES = 100_000
CLIENT_RANDOM_BYTES = 32


class KeyLog:
    """Secrets by label and client random. Lines of other kinds, comments among them, are passed over."""

    def __init__(self, text: str = "") -> None:
        self._secrets: dict[tuple[str, bytes], bytes] = {}
        for line in text.splitlines()[:MAX_LINES]:
            words = line.split()
            if len(words) != 3 or words[0].startswith("#"):
                continue
            try:
                client_random, secret = bytes.fromhex(words[1]), bytes.fromhex(words[2])
            except ValueError:
                continue
            if len(client_random) == CLIENT_RANDOM_BYTES:
                self._secrets[words[0], client_random] = secret

    @classmethod
    def read(cls, path: Path) -> KeyLog:
        """The key log in a file; raises OSError."""
        return cls(path.read_text(encoding="ascii", errors="replace"))

    def __len__(self) -> int:
        return len(self._secrets)

    def secret(self, label: str, client_random: bytes) -> bytes | None:
        """The secret of that label in that session, where the log has it."""
        return self._secrets.get((label, client_random))
