"""Actions of rules: each a table of `actions = [{do = "...", ...}]`, done one after the other."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from voipnode.modules.rules.actions.base import Fired, Seconds
from voipnode.modules.rules.actions.calls import FOR_A_CALL, Answer, Call, Dial, End, Quiet, Ring
from voipnode.modules.rules.actions.door import (
    Find,
    Hide,
    Light,
    Press,
    Pulse,
    Release,
    SetInput,
    Show,
    Signal,
    StopShowing,
)
from voipnode.modules.rules.actions.plugins import Ask
from voipnode.modules.rules.actions.sound import Play, Record, Sound, Speaker, StopPlaying
from voipnode.modules.rules.actions.tell import Publish, Send, Wait

__all__ = ["FOR_A_CALL", "Action", "Fired", "Press", "Pulse", "Seconds", "SetInput", "Wait"]

Action = Annotated[
    Wait
    | Pulse
    | Release
    | Play
    | StopPlaying
    | Answer
    | End
    | Dial
    | Call
    | Ring
    | Quiet
    | Press
    | SetInput
    | Publish
    | Send
    | Show
    | Hide
    | Signal
    | StopShowing
    | Light
    | Find
    | Record
    | Speaker
    | Sound
    | Ask,
    Field(discriminator="kind"),
]
