"""Arithmetic stays in the thread that asked for it."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from voipnode.cli import main
sys.argv = ["voipnode", "--help"]
try:
    main()
except SystemExit:
    pass
import numpy
matrix = numpy.ones((600, 600), numpy.float32)
matrix @ matrix
print("threads", len(list(__import__("pathlib").Path("/proc/self/task").iterdir())))
"""


def test_a_large_product_starts_no_thread() -> None:
    said = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "threads 1"
