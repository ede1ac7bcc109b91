"""What holds for all tests: they come first on a machine that has other work too."""

from __future__ import annotations

import contextlib
import os

# What a sound server takes for itself, and for the same reason: a telephone, ours as theirs, has 20 ms for a frame, and
# a busy machine that hands it its processor later than that is heard in the call, and measured. Every program that a
# test starts inherits it. Only root may (setpriority(2)); without it the tests run as they are.
NICENESS = -11


def pytest_configure() -> None:
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
