"""`voipnode speaker-test`: by the node that runs here, or with the sound alone where none does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from voipnode.calls.commands import CalibrateSpeaker, Command, TestSpeaker
from voipnode.calls.door_measurement import DoorMeasurement
from voipnode.calls.errors import CallError
from voipnode.calls.events import Event, Problem, SpeakerTestChanged, SpeakerTestFinished
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.cli.check import load_or_complain
from voipnode.cli.console import errors, output
from voipnode.cli.exit_codes import ExitCode
from voipnode.cli.node_api import NodeApi, NodeRefusedError, NodeUnreachableError
from voipnode.cli.run import default_state_dir
from voipnode.modules.audio.module import make_device
from voipnode.modules.speaker_test.module import DESCRIPTOR
from voipnode.net.clock import MediaClock
from voipnode.net.kernel_timer import KernelTimer
from voipnode.net.loop import run
from voipnode.settings import NodeSettings
from voipnode.store.state_dir import claim

ACTIONS = {"calibrate": "/speaker-test/calibrate", "run": "/speaker-test/run"}
COMMANDS: dict[str, Command] = {"calibrate": CalibrateSpeaker(), "run": TestSpeaker(trigger="cli")}
GOOD = {"calibrate": "Calibrated", "run": "OK"}


def speaker_test(action: str, url: str, settings_path: Path | None, state_dir: Path | None) -> ExitCode:
    """Calibrate or test, show how it goes, return what came of it."""
    if action not in ACTIONS:
        errors().print(f"[red]{escape(action)}: calibrate or run is needed[/red]")
        return ExitCode.USAGE
    try:
        node = NodeApi(url)
        return _by_node(node, action)
    except ValueError as error:
        errors().print(f"[red]--url {escape(str(error))}[/red]")
        return ExitCode.USAGE
    except NodeRefusedError as error:
        errors().print(f"[red]{escape(str(error))}[/red]")
        return ExitCode.REFUSED
    except NodeUnreachableError:
        pass
    settings = load_or_complain(settings_path)
    if settings is None:
        return ExitCode.SETTINGS
    return run(_alone(settings, (state_dir or default_state_dir()).resolve(), action))


class _Watcher:
    """Shows the events of one calibration or test; `done` is the exit code once it is over."""

    def __init__(self, action: str) -> None:
        self._action = action
        self._has_begun = False
        self._problem = ""
        self.done: ExitCode | None = None

    def see(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case SpeakerTestChanged.name if event["state"] == "Pending":
                self._has_begun = True
                errors().print(f"the loudspeaker {escape(event['words'])}: be quiet, please")
            case SpeakerTestChanged.name if self._has_begun:
                self._over(event)
            case SpeakerTestFinished.name:
                _show(output(), event)
            case Problem.name if event["where"] == DESCRIPTOR.name:
                self._problem = event["detail"]

    def _over(self, event: dict[str, Any]) -> None:
        words = f"{event['state']}: {event['words']}"
        if self._action == "calibrate" and self._problem:
            words = f"{event['state']}: {self._problem}"
        is_good = event["state"] == GOOD[self._action] and not self._problem
        output().print(f"[{'green' if is_good else 'red'}]{escape(words)}[/]")
        self.done = ExitCode.OK if is_good else ExitCode.FAILED


def _by_node(node: NodeApi, action: str) -> ExitCode:
    events: Iterator[dict[str, Any]] = node.events()
    node.post(ACTIONS[action])
    watcher = _Watcher(action)
    for event in events:
        watcher.see(event)
        if watcher.done is not None:
            return watcher.done
    errors().print("[red]the node has stopped meanwhile[/red]")
    return ExitCode.UNREACHABLE


async def _alone(settings: NodeSettings, state_dir: Path, action: str) -> ExitCode:
    try:
        lock = claim(state_dir)
    except BlockingIOError:
        errors().print(f"[red]a node runs in {escape(str(state_dir))}: say with --url where its page is[/red]")
        return ExitCode.UNREACHABLE
    except OSError as error:
        errors().print(f"[red]--state-dir {escape(str(state_dir))}: {error.strerror}[/red]")
        return ExitCode.FAILED
    watcher = _Watcher(action)
    try:
        async with aclosing(_events_of(settings, state_dir, COMMANDS[action])) as events:
            async for event in events:
                watcher.see(event)
                if watcher.done is not None:
                    return watcher.done
    except (CallError, OSError) as error:
        errors().print(f"[red]{escape(str(error))}[/red]")
    finally:
        lock.close()
    return ExitCode.FAILED


async def _events_of(settings: NodeSettings, state_dir: Path, command: Command) -> AsyncGenerator[dict[str, Any], None]:
    """What a house of nothing but the speaker test tells while it carries out the command."""
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    bus, commands = Bus(asyncio.get_running_loop().time), Commands()
    bus.subscribe(Event, lambda event: told.put_nowait(event.to_dict()), who="cli")
    device = make_device(settings.audio, settings.audio.rate_hz, bus)
    errors().print(f"no node runs here; sound by {escape(device.description)}")
    disabled = "" if settings.audio.input_enabled else "audio.input_enabled = false"
    measurement = DoorMeasurement(device, MediaClock(alarm=KernelTimer), bus, disabled=disabled)
    module = DESCRIPTOR.build(
        House(bus, commands, state_dir, measurement), settings.speaker_test.model_copy(update={"daily_at": ""})
    )
    await module.start()
    try:
        await commands.execute(command)
        while True:
            yield await told.get()
    finally:
        await module.stop()


def _show(console: Console, test: dict[str, Any]) -> None:
    """The bands of a test and its other figures."""
    table = Table("Hz", "change dB", "tolerance dB", "signal to noise dB", "", box=None)
    bands = zip(test["bands_hz"], test["change_db"], test["tolerance_db"], test["snr_db"], test["counts"], strict=True)
    for hz, change, tolerance, snr, counts in bands:
        note = "lost in noise" if not counts else "[red]out[/red]" if abs(change) > tolerance else ""
        table.add_row(f"{hz:g}", f"{change:+.1f}", f"{tolerance:.1f}", f"{snr:.0f}", note)
    console.print(table)
    console.print(
        f"all bands {test['offset_db']:+.1f} dB; distortion {test['distortion_db']:.0f} dB; delay"
        f" {test['delay_ms']:.1f} ms; clocks {test['drift_ppm']:+.0f} ppm; noise {test['noise_dbfs']:.0f} dBFS;"
        f" {test['runs']} run{'s' if test['runs'] > 1 else ''}"
    )
