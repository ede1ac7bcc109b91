"""Names that an administrator wrote into hosts(5): they come before DNS, whoever is asked there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

log = logging.getLogger(__name__)

HOSTS = Path("/etc/hosts")
MAX_BYTES = 1 << 20  # block lists of advertisers are longer; names beyond it are left to the system
REREAD_S = 5.0


class HostsFile:
    """The addresses of a name by the file as it is now, or was at most `REREAD_S` ago; `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float], path: Path = HOSTS) -> None:
        self._clock = clock
        self._path = path
        self._look_at = 0.0
        self._seen: tuple[int, int] | None = None
        self._names: dict[str, tuple[str, ...]] = {}

    def addresses(self, name: str) -> tuple[str, ...]:
        """In the file's order; empty where the file does not have the name."""
        now = self._clock()
        if now >= self._look_at:
            self._look_at = now + REREAD_S
            self._look()
        return self._names.get(name, ())

    def _look(self) -> None:
        try:
            state = self._path.stat()
            seen = (state.st_mtime_ns, state.st_size)
            if seen != self._seen:
                self._seen = seen
                with self._path.open("rb") as file:
                    self._names = parse_hosts(file.read(MAX_BYTES).decode("utf-8", "replace"))
        except OSError as error:
            log.debug("%s: %s", self._path, error)
            self._seen, self._names = None, {}


def parse_hosts(text: str) -> dict[str, tuple[str, ...]]:
    """Names in lower case with their addresses; lines that are not understood are skipped, as the system does."""
    names: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        address, *aliases = line.partition("#")[0].split() or [""]
        try:
            literal = str(ip_address(address))
        except ValueError:
            continue
        for alias in aliases:
            name = alias.lower().rstrip(".")
            if literal not in names.get(name, ()):
                names[name] = (*names.get(name, ()), literal)
    return names
