"""`voipnode run`: the node, until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
from pathlib import Path

from rich.markup import escape

from voipnode import __version__
from voipnode.app import SETTINGS_FILE, Node, StartError
from voipnode.calls.errors import CallError
from voipnode.calls.hooks import Tasks
from voipnode.cli.check import load_or_complain
from voipnode.cli.console import errors, output
from voipnode.cli.exit_codes import ExitCode
from voipnode.cli.logs import set_up_logs
from voipnode.net.loop import run
from voipnode.net.priority import go_first
from voipnode.settings import NodeSettings

OTHER_FILES = 512  # of the node besides the sockets of its calls: connections, readers of the page, the database


def default_state_dir() -> Path:
    """Where the node remembers when nobody says: the system's place as root, the user's otherwise (XDG)."""
    if os.geteuid() == 0:
        return Path("/var/lib/voipnode")
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "voipnode"


def run_node(settings_path: Path | None, state_dir: Path | None) -> ExitCode:
    """Run until SIGINT or SIGTERM; SIGHUP has certificates and settings read again.

    Where no settings file is named, that of the state folder serves, if there is one: the page makes it.
    """
    state_dir = (state_dir or default_state_dir()).resolve()
    own = state_dir / SETTINGS_FILE
    path = settings_path or own
    settings = load_or_complain(path if settings_path or own.exists() else None)
    if settings is None:
        return ExitCode.SETTINGS
    set_up_logs(settings.log)
    _allow_files(2 * settings.sip.max_calls)
    return run(_serve(settings, state_dir, path))


async def _serve(settings: NodeSettings, state_dir: Path, settings_path: Path) -> ExitCode:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        node = Node(settings, state_dir, settings_path)
        await node.start()
    except (StartError, CallError) as error:
        errors().print(f"[red]{escape(str(error))}[/red]")
        return ExitCode.FAILED
    work = Tasks("settings")
    loop.add_signal_handler(signal.SIGHUP, lambda: work.start(node.reload()))
    _greet(node, settings)
    _calm_garbage_collector()
    if settings.sip.qos.real_time:
        go_first()
    try:
        await stop.wait()
    finally:
        await work.close()
        await node.stop()
    return ExitCode.OK


def _allow_files(sockets: int) -> None:
    """Raise the number of files that may be open, as far as the system lets us: a call has two sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(sockets + OTHER_FILES, hard) if hard != resource.RLIM_INFINITY else sockets + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _calm_garbage_collector() -> None:
    """Keep full collections, which stop the sound, rare and short.

    What was made at the start stays until the end, so it leaves the collector's sight; calls leave no circles behind.
    SIP remembers a finished call for 32 s, so under load all that is new outlives the first look. That look is taken
    often, so that it lasts some milliseconds and no answer waits for it, and a second one hardly ever.
    """
    gc.collect()
    gc.freeze()
    gc.enable()  # the command has switched it off
    gc.set_threshold(2_000, 5_000, 10)


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
