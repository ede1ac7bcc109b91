"""The sound's desk: takes the commands for the door's gains and switches, and says how its sound stands."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace

from voipnode.calls.commands import ChangeSound, ReadSound
from voipnode.calls.door_bridge import DoorBridge
from voipnode.calls.errors import CallError
from voipnode.calls.events import SoundChanged
from voipnode.calls.hooks import Bus, Commands, Subscription
from voipnode.dsp.front_end_options import FrontEndOptions

_NAMES = {"noise_cancellation": "noise_suppression"}  # the settings' and the signal processors' word for it


class SoundDesk:
    """Changes what is done with the sound at `door`, and tells it on `bus`."""

    def __init__(self, door: DoorBridge, bus: Bus) -> None:
        self._door = door
        self._bus = bus

    def register(self, commands: Commands) -> list[Subscription]:
        """Take the commands of this desk, and tell how it stands."""
        self._tell()
        return [
            commands.register(ChangeSound, self._change, who="calls"),
            commands.register(ReadSound, self._read, who="calls"),
        ]

    def _change(self, command: ChangeSound) -> str:
        given = {field.name: getattr(command, field.name) for field in fields(command)}
        wanted = {_NAMES.get(name, name): value for name, value in given.items() if value is not None}
        try:
            options = replace(self._door.options, **wanted)
        except ValueError as error:
            raise CallError(str(error)) from error
        self.set(options)
        return ""

    def set(self, options: FrontEndOptions) -> None:
        """Treat the door's sound so from now on, and tell it where that is new."""
        if options != self._door.options:
            self._door.options = options
            self._tell()

    def _read(self, command: ReadSound) -> str:
        now = self._door.in_force
        report = {
            **asdict(self._door.report()),
            "echo_cancellation": now.echo_cancellation,
            "noise_cancellation": now.noise_suppression,
            "automatic_gain_control": now.automatic_gain_control,
        }
        return json.dumps(
            {name: round(value, 1) if isinstance(value, float) else value for name, value in report.items()}
        )

    def _tell(self) -> None:
        self._bus.publish(changed(self._door.options))


def changed(options: FrontEndOptions) -> SoundChanged:
    """The event that tells these options."""
    return SoundChanged(
        input_enabled=options.input_enabled,
        input_muted=options.input_muted,
        input_gain_db=options.input_gain_db,
        output_muted=options.output_muted,
        output_gain_db=options.output_gain_db,
        echo_cancellation=options.echo_cancellation,
        noise_cancellation=options.noise_suppression,
        noise_reduction_db=options.noise_reduction_db,
        automatic_gain_control=options.automatic_gain_control,
        target_dbfs=options.target_dbfs,
    )
