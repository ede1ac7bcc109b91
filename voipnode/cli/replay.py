"""`voipnode replay`: a capture's far side against this version of the stack."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from rich.markup import escape

from voipnode import __version__
from voipnode.calls.events import CallChanged, DtmfReceived
from voipnode.cli.console import errors, output
from voipnode.cli.exit_codes import ExitCode
from voipnode.replay.capture import CaptureError, read_capture
from voipnode.replay.player import RATE_HZ, Outcome, Player
from voipnode.replay.script import Script, make_script
from voipnode.sipstack.transport import Address


def replay_capture(path: Path, node: str, record: Path | None, keys: Path | None = None) -> ExitCode:
    """Replay, show the call's states and digits, and say whether the node did the same as in the capture."""
    try:
        script = make_script(read_capture(path, keys), _address(node) if node else None)
    except (CaptureError, ValueError) as error:
        errors().print(f"[red]{escape(str(error))}[/red]")
        return ExitCode.FAILED
    outcome = Player(script, user_agent=f"voipnode/{__version__}").play()
    if record is not None:
        _write_wav(record, outcome)
    return _report(path, script, outcome)


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f'--node "{text}": HOST:PORT is needed, for example 192.168.1.10:5060')
    return Address(host.strip("[]"), int(port))


def _report(path: Path, script: Script, outcome: Outcome) -> ExitCode:
    console = output()
    console.print(f"{escape(str(path))}: the node is {script.node}")
    for event in outcome.events:
        if isinstance(event, CallChanged):
            words = f"{event.call} {event.state} ({event.reason}) {event.remote} {event.detail}"
        elif isinstance(event, DtmfReceived):
            words = f"{event.call} digit {event.digit} by {event.road}"
        else:
            words = event.name
        console.print(f"{event.at:9.3f} s  {escape(words)}")
    for refused in outcome.refused:
        console.print(f"[yellow]could not be done again: {escape(refused)}[/yellow]")
    if outcome.sent == script.sent:
        console.print(f"The node sends what it sent then: {', '.join(script.sent)}.")
        return ExitCode.OK
    console.print(f"[red]then: {', '.join(script.sent)}[/red]")
    console.print(f"[red]now:  {', '.join(outcome.sent)}[/red]")
    return ExitCode.DIFFERENT


def _write_wav(path: Path, outcome: Outcome) -> None:
    samples = np.clip(outcome.audio() * 32768.0, -32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.tobytes())
