"""The command line. Each command imports what it needs when it runs, so that help appears at once."""

from __future__ import annotations

import os

# Numpy's linear algebra takes a thread for each core from some thousand numbers on, and waits for the slowest: a frame
# of sound that took 0.1 ms takes 8 ms then. It reads these once, when numpy is imported.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def main() -> None:
    """Entry point of the `voipnode` command."""
    for name, value in ONE_THREAD.items():
        os.environ.setdefault(name, value)

    from voipnode.cli.commands import app

    app()
