"""What `voipnode run` asks of the system."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FILES = """
import resource
from voipnode.cli.run import OTHER_FILES, _allow_files

def limits(soft, hard):
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

limits(256, 5000)
_allow_files(2 * 1000)
first = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - OTHER_FILES
_allow_files(2 * 1)
kept = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - OTHER_FILES
_allow_files(2 * 4000)
print(first, kept, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def test_each_call_has_room_for_two_sockets_as_far_as_the_system_lets_us() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FILES],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert ran.stdout.split() == ["2000", "2000", "5000"]
