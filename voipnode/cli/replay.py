"""`voipnode replay`: a capture's far side against this version of the stack."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from rich.markup import escape

from voipnode import __version__
from voipnode.calls.events import CallChanged, DtmfReceived, RegistrationChanged
from voipnode.cli.check import load_or_complain
from voipnode.cli.console import errors, output
from voipnode.cli.exit_codes import ExitCode
from voipnode.replay.capture import CaptureError, read_capture, read_key_log
from voipnode.replay.dtls_keys import recorded_keys
from voipnode.replay.player import RATE_HZ, Outcome, Player
from voipnode.replay.script import make_script
from voipnode.replay.steps import Script
from voipnode.sipstack.transport import Address


def replay_capture(
    path: Path, node: str, record: Path | None, keys: Path | None = None, settings: Path | None = None
) -> ExitCode:
    """Replay, show what calls, digits and accounts did, and say whether the node did the same as in the capture."""
    given = None
    if settings is not None and (given := load_or_complain(settings)) is None:
        return ExitCode.SETTINGS
    try:
        capture = read_capture(path, keys)
        script = make_script(capture, _address(node) if node else None)
        handshakes = recorded_keys(capture, read_key_log(path, keys))
    except (CaptureError, ValueError) as error:
        errors().print(f"[red]{escape(str(error))}[/red]")
        return ExitCode.FAILED
    player = Player(
        script,
        user_agent=f"voipnode/{__version__}",
        settings=given.sip if given is not None else None,
        accounts=given.all_accounts if given is not None else (),
        handshakes=handshakes,
    )
    outcome = player.play()
    if record is not None:
        _write_wav(record, outcome)
    return _report(path, script, outcome, passwords=given is not None)


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f'--node "{text}": HOST:PORT is needed, for example 192.168.1.10:5060')
    return Address(host.strip("[]"), int(port))


def _report(path: Path, script: Script, outcome: Outcome, *, passwords: bool) -> ExitCode:
    console = output()
    console.print(f"{escape(str(path))}: the node is {script.node}")
    for event in outcome.events:
        if isinstance(event, CallChanged):
            words = f"{event.call} {event.state} ({event.reason}) {event.remote} {event.detail}"
        elif isinstance(event, DtmfReceived):
            words = f"{event.call} digit {event.digit} by {event.road}"
        elif isinstance(event, RegistrationChanged):
            words = f"{event.account} {event.state} {event.server} {event.reason}"
        else:
            words = event.name
        console.print(f"{event.at:9.3f} s  {escape(words)}")
    for refused in outcome.refused:
        console.print(f"[yellow]could not be done again: {escape(refused)}[/yellow]")
    if outcome.sent != script.sent:
        console.print(f"[red]then: {', '.join(script.sent)}[/red]")
        console.print(f"[red]now:  {', '.join(outcome.sent)}[/red]")
        return ExitCode.DIFFERENT
    console.print(f"The node sends what it sent then: {', '.join(script.sent)}.")
    if passwords and outcome.digests != script.digests:
        console.print("[red]It answers challenges in another way: are the user and the password those of then?[/red]")
        return ExitCode.DIFFERENT
    if passwords and script.digests:
        console.print(f"Its {len(script.digests)} answers to challenges are those of then.")
    return ExitCode.OK


def _write_wav(path: Path, outcome: Outcome) -> None:
    samples = np.clip(outcome.audio() * 32768.0, -32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.tobytes())
