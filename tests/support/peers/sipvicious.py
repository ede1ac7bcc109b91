"""SIPVicious, the scanner that every SIP port on the internet meets: svmap, svwar and svcrack against one address."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.peers.process import PeerProcess


async def scan(folder: Path, tool: str, *arguments: str, seconds: float = 60.0) -> str:
    """Run `tool` ("svmap", "svwar", "svcrack") to its end; all that it printed."""
    home = folder / tool
    home.mkdir(parents=True, exist_ok=True)
    program = Path(sys.executable).parent / f"sipvicious_{tool}"
    process = await PeerProcess.start(program, *arguments, cwd=home, env={"HOME": str(home), "COLUMNS": "200"})
    try:
        await process.wait(seconds)
    finally:
        await process.stop()
    return "\n".join(process.lines)
