"""Finds the reference corpora (torture messages, codec vectors, captures) that lie beside the project, if they do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def corpora(*parts: str) -> Path:
    """The path of a corpus file or folder; skips the test, saying why, where the corpora are not at hand.

    They are looked for in $VOIPNODE_SHARED, then in a folder `shared` beside the checkout.
    """
    base = Path(os.environ.get("VOIPNODE_SHARED", ROOT.parent / "shared")) / "corpora"
    path = base.joinpath(*parts)
    if not path.exists():
        pytest.skip(
            f"reference corpus {'/'.join(parts)} is not at hand (set VOIPNODE_SHARED to the folder that holds corpora/)"
        )
    return path
