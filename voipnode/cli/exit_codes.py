"""Exit codes of the command line, for scripts."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """0 is success; 2 is what every command line says to a wrong option."""

    OK = 0
    FAILED = 1  # anything without a code of its own; the message says what
    USAGE = 2
    SETTINGS = 3  # the settings file has problems
    BUSY = 4  # the called party is busy
    NO_ANSWER = 5  # nobody answered in time
    REFUSED = 6  # the called party, or the node, said no
    UNREACHABLE = 7  # no such host, nothing there, no node to talk to
    DIFFERENT = 8  # a replay did not come out as the capture
