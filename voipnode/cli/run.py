"""`voipnode run`: the node, until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from pathlib import Path

from rich.markup import escape

from voipnode import __version__
from voipnode.app import Node, StartError
from voipnode.calls.errors import CallError
from voipnode.cli.check import load_or_complain
from voipnode.cli.console import errors, output
from voipnode.cli.exit_codes import ExitCode
from voipnode.cli.logs import set_up_logs
from voipnode.net.loop import run
from voipnode.settings import NodeSettings


def default_state_dir() -> Path:
    """Where the node remembers when nobody says: the system's place as root, the user's otherwise (XDG)."""
    if os.geteuid() == 0:
        return Path("/var/lib/voipnode")
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "voipnode"


def run_node(settings_path: Path | None, state_dir: Path | None) -> ExitCode:
    """Run until SIGINT or SIGTERM; SIGHUP has certificates read again."""
    settings = load_or_complain(settings_path)
    if settings is None:
        return ExitCode.SETTINGS
    set_up_logs(settings.log)
    return run(_serve(settings, (state_dir or default_state_dir()).resolve()))


async def _serve(settings: NodeSettings, state_dir: Path) -> ExitCode:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        node = Node(settings, state_dir)
        await node.start()
    except (StartError, CallError) as error:
        errors().print(f"[red]{escape(str(error))}[/red]")
        return ExitCode.FAILED
    loop.add_signal_handler(signal.SIGHUP, node.reload_certificates)
    _greet(node, settings)
    _calm_garbage_collector()
    try:
        await stop.wait()
    finally:
        await node.stop()
    return ExitCode.OK


def _calm_garbage_collector() -> None:
    """Keep full collections, which stop the sound, rare and short.

    What was made at the start stays until the end, so it leaves the collector's sight; calls leave no circles behind.
    SIP remembers a finished call for 32 s, so under load all that is new lives long enough to be looked at twice:
    50,000 objects at a time, which takes some milliseconds. All of it is looked at every 50 million objects.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 5, 1_000)


def _greet(node: Node, settings: NodeSettings) -> None:
    """A few lines: where the page is, which address to call, what to try next."""
    about = node.about()
    console = output()
    page = f"http://{settings.web.host}:{settings.web.port}/"
    console.print(f"[bold]{escape(settings.name)}[/bold]: voipnode {__version__} is running. Ctrl-C stops it.")
    console.print(f"  page    {page}")
    console.print(f"  call    {'  or  '.join(about['sip_addresses']) or 'SIP is off (sip.enabled)'}")
    console.print(f"  audio   {escape(about['audio'])}")
    console.print(
        "  next    Open the page, type your phone's SIP address (like sip:192.168.1.20) and press the button."
    )
    console.print("          Answer, talk, press 1 on the phone: the door opens for 7 seconds.")
