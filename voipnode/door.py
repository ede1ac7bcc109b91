"""The door's side of every call, wired together: microphone and loudspeaker, the bridge and the clock that it ticks by.

A node has one for as long as it runs: telephone lines come and go with their settings, and what the echo canceller has
learnt of the room stays. It serves with SIP off, too.
"""

from __future__ import annotations

from voipnode.calls.clips.ports import NO_CLIPS, Clips
from voipnode.calls.door_bridge import DoorBridge
from voipnode.calls.door_measurement import DoorMeasurement
from voipnode.calls.hooks import AudioDevice, Bus, Commands, Subscription
from voipnode.calls.schedules.active import ActiveSchedules
from voipnode.calls.sound_desk import SoundDesk
from voipnode.calls.vms.desk import VmsDesk
from voipnode.dsp.front_end_options import PLAIN, FrontEndOptions
from voipnode.net.clock import MediaClock
from voipnode.net.kernel_timer import KernelTimer
from voipnode.net.media_sockets import MediaSockets


class Door:
    """Make it in a running loop, `open` it, `close` it. A `measurement` at the device gives way to calls.

    `sockets`: all that brings sound from the network is read by these, when the clock ticks. `bridge`: where parties
    join the door. `sound`: how the door's is treated. `clips`: what may be played at it; `vms`:
    how clients' sound comes to its calls; `schedules`: which are active.
    """

    def __init__(
        self,
        device: AudioDevice,
        bus: Bus,
        *,
        measurement: DoorMeasurement | None = None,
        sound: FrontEndOptions = PLAIN,
        clips: Clips = NO_CLIPS,
        vms: VmsDesk | None = None,
    ) -> None:
        self.rate_hz = device.rate_hz
        self.clips = clips
        self.schedules = ActiveSchedules(bus)
        self.vms = vms or VmsDesk(bus.clock)
        self.sockets = MediaSockets()
        self.clock = MediaClock(self.sockets, alarm=KernelTimer)
        self.bridge = DoorBridge(device, self.clock, measurement, sound)
        self._desk = SoundDesk(self.bridge, bus)
        self._registered: list[Subscription] = []

    def open(self, commands: Commands) -> None:
        """Take commands for the sound, and tell how it stands."""
        self._registered = self._desk.register(commands)

    @property
    def sound(self) -> FrontEndOptions:
        """How the door's sound is treated, as settings and commands have left it; may be set."""
        return self.bridge.options

    @sound.setter
    def sound(self, options: FrontEndOptions) -> None:
        self._desk.set(options)

    async def stop(self) -> None:
        """Take no commands any more; may be called twice."""
        for subscription in self._registered:
            subscription.cancel()
        self._registered = []
