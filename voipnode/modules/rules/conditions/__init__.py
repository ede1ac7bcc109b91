"""Conditions of rules: each a table of `conditions = [{is = "...", ...}]`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from voipnode.modules.rules.conditions.base import Moment, State
from voipnode.modules.rules.conditions.calls import (
    CallEnded,
    Digits,
    ExtensionThere,
    InCall,
    MailWaits,
    OnHold,
    Quiet,
    Registered,
)
from voipnode.modules.rules.conditions.door import (
    ControllerThere,
    ControlPressed,
    Denied,
    Detected,
    Granted,
    InputActive,
    Located,
    Opened,
    PageShown,
    PortActive,
    Pressed,
    ReaderConnected,
    Refused,
    SignalShown,
    Tampered,
    VirtualInputActive,
)
from voipnode.modules.rules.conditions.house import (
    AddressChanged,
    Every,
    MqttCame,
    MqttOn,
    Online,
    Pulse,
    ScheduleActive,
    SchedulePulsed,
    Started,
    Triggered,
    Trouble,
)
from voipnode.modules.rules.conditions.plugins import PluginTold
from voipnode.modules.rules.conditions.sound import (
    Announcement,
    ClipPlaying,
    Loud,
    MicrophoneOn,
    Recording,
    SpeakerTested,
)

__all__ = [
    "Condition",
    "Digits",
    "Every",
    "InCall",
    "Moment",
    "MqttCame",
    "MqttOn",
    "Pulse",
    "Started",
    "State",
    "Triggered",
    "VirtualInputActive",
]

Condition = Annotated[
    InCall
    | ScheduleActive
    | InputActive
    | VirtualInputActive
    | Tampered
    | Detected
    | PortActive
    | ReaderConnected
    | ControllerThere
    | PageShown
    | SignalShown
    | Located
    | ClipPlaying
    | Announcement
    | Recording
    | Loud
    | MicrophoneOn
    | OnHold
    | Registered
    | ExtensionThere
    | Quiet
    | MailWaits
    | MqttOn
    | Online
    | Pressed
    | ControlPressed
    | Opened
    | Refused
    | MqttCame
    | Digits
    | CallEnded
    | Granted
    | Denied
    | SpeakerTested
    | SchedulePulsed
    | AddressChanged
    | Trouble
    | Started
    | PluginTold
    | Triggered
    | Every,
    Field(discriminator="kind"),
]
