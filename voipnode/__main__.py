"""`python -m voipnode` is the `voipnode` command."""

from __future__ import annotations

from voipnode.cli import main

main()
