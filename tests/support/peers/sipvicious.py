"""SIPVicious, the scanner that every SIP port on the internet meets: svmap, svwar and svcrack against one address."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.aio import PATIENCE_S
from tests.support.free_ports import free_port
from tests.support.peers.process import PeerProcess


async def scan(folder: Path, tool: str, *arguments: str, seconds: float = PATIENCE_S) -> str:
    """Run `tool` ("svmap", "svwar", "svcrack") to its end; all that it printed.

    From a port of its own: at 5060, which it takes otherwise, it hears whatever else is answered there on this machine,
    and takes each sender for a device that it has found.
    """
    home = folder / tool
    home.mkdir(parents=True, exist_ok=True)
    program = Path(sys.executable).parent / f"sipvicious_{tool}"
    process = await PeerProcess.start(
        program, "-P", str(free_port()), *arguments, cwd=home, env={"HOME": str(home), "COLUMNS": "200"}
    )
    try:
        await process.wait(seconds)
    finally:
        await process.stop()
    return "\n".join(process.lines)
