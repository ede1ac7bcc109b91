"""Actions of rules: each a command to the house, and the wait between two of them.

Each is a table of `actions = [{do = "...", ...}]`, done one after the other.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from voipnode.calls.commands import (
    AnswerCall,
    CalibrateSpeaker,
    ChangeSound,
    Command,
    HangUp,
    PlaceCall,
    PlayClip,
    PressInput,
    PublishMqtt,
    PulsePort,
    ReleasePort,
    SendDtmf,
    SendTo,
    StopClip,
    TestSpeaker,
)

MAX_WAIT_S = 24 * 3600.0
_CLOCK = re.compile(r"(?:(\d{1,2}):)?(\d{1,2}):(\d{2})")
Name = Annotated[str, Field(max_length=64)]


def _seconds(value: object) -> object:
    """Seconds, or "hh:mm:ss" as it is on a clock."""
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds


Seconds = Annotated[float, BeforeValidator(_seconds)]


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule that fired: its name, because of what, and for which call ("" for none)."""

    rule: str
    because: str
    call: str


class _Action(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def command(self, fired: Fired) -> Command | None:
        """What is asked of the house; None: nothing."""
        raise NotImplementedError


class Wait(_Action):
    """Let time go by."""

    kind: Literal["wait"] = Field(alias="do")
    for_s: Seconds = Field(gt=0, le=MAX_WAIT_S, description='Seconds, or "hh:mm:ss".')

    def command(self, fired: Fired) -> Command | None:
        return None


class Pulse(_Action):
    """Activate an output, which returns to normal by itself."""

    kind: Literal["pulse"] = Field(alias="do")
    port: Name
    duration_s: float = Field(default=7.0, gt=0, le=3600)

    def command(self, fired: Fired) -> Command:
        return PulsePort(
            port=self.port, duration_s=self.duration_s, who=f'rule "{fired.rule}"', how="rule", authorised=True
        )


class Release(_Action):
    """Return an output to its normal state."""

    kind: Literal["release"] = Field(alias="do")
    port: Name

    def command(self, fired: Fired) -> Command:
        return ReleasePort(port=self.port, who=f'rule "{fired.rule}"')


class Play(_Action):
    """Play a clip."""

    kind: Literal["play_clip"] = Field(alias="do")
    clip: Name
    to: Literal["door", "call", "both"] = "door"
    volume: float = Field(default=100.0, ge=0, le=200, description="Per cent.")
    repeat: int = Field(default=0, ge=0, le=1000, description="How many times more than once.")

    def command(self, fired: Fired) -> Command:
        return PlayClip(clip=self.clip, to=self.to, volume=self.volume, repeat=self.repeat)


class StopPlaying(_Action):
    """Stop the clip that plays."""

    kind: Literal["stop_clip"] = Field(alias="do")
    clip: Name = Field(default="", description="Only where it is this one.")

    def command(self, fired: Fired) -> Command:
        return StopClip(clip=self.clip)


class Answer(_Action):
    """Answer the call that the rule fired for."""

    kind: Literal["answer"] = Field(alias="do")

    def command(self, fired: Fired) -> Command:
        return AnswerCall(call=fired.call)


class End(_Action):
    """End the call that the rule fired for."""

    kind: Literal["hang_up"] = Field(alias="do")

    def command(self, fired: Fired) -> Command:
        return HangUp(call=fired.call)


class Dial(_Action):
    """Send digits into the call that the rule fired for."""

    kind: Literal["send_digits"] = Field(alias="do")
    digits: str = Field(pattern=r"^[0-9A-D#*]{1,32}$")

    def command(self, fired: Fired) -> Command:
        return SendDtmf(call=fired.call, digits=self.digits)


class Call(_Action):
    """Call somebody; his digits act."""

    kind: Literal["call"] = Field(alias="do")
    to: str = Field(min_length=1, max_length=255, description="A SIP address, or a number of the account's.")
    account: Name = ""

    def command(self, fired: Fired) -> Command:
        return PlaceCall(to=self.to, account=self.account, authorised=True)


class Press(_Action):
    """Press an input by software: a button rings as if somebody stood there."""

    kind: Literal["press"] = Field(alias="do")
    input: Name

    def command(self, fired: Fired) -> Command:
        return PressInput(input=self.input, source="rule")


class Speaker(_Action):
    """Test the loudspeaker, or learn how it sounds."""

    kind: Literal["speaker_test"] = Field(alias="do")
    calibrate: bool = False

    def command(self, fired: Fired) -> Command:
        return CalibrateSpeaker() if self.calibrate else TestSpeaker(trigger=fired.rule)


class Sound(_Action):
    """Mute microphone or loudspeaker, or change how loud they are; what is left out stays."""

    kind: Literal["sound"] = Field(alias="do")
    input_muted: bool | None = None
    output_muted: bool | None = None
    input_gain_db: float | None = Field(default=None, ge=-40, le=30)
    output_gain_db: float | None = Field(default=None, ge=-40, le=30)

    def command(self, fired: Fired) -> Command:
        return ChangeSound(
            input_muted=self.input_muted,
            output_muted=self.output_muted,
            input_gain_db=self.input_gain_db,
            output_gain_db=self.output_gain_db,
        )


class Publish(_Action):
    """Tell the MQTT broker something."""

    kind: Literal["publish"] = Field(alias="do")
    topic: str = Field(min_length=1, max_length=255, pattern=r"^[^+#\x00]+$")
    payload: str = Field(default="", max_length=4096)
    retain: bool = False
    use_prefix: bool = True

    def command(self, fired: Fired) -> Command:
        return PublishMqtt(topic=self.topic, payload=self.payload, retain=self.retain, use_prefix=self.use_prefix)


class Send(_Action):
    """Tell a recipient: {rule}, {because} and {call} stand for those of the rule that fired."""

    kind: Literal["send"] = Field(alias="do")
    to: Name = Field(description="Of [[recipients]].")
    subject: str = Field(default="{rule}", max_length=200)
    text: str = Field(default="{because}", max_length=4096)

    def command(self, fired: Fired) -> Command:
        return SendTo(recipient=self.to, subject=self.subject, text=self.text, values=asdict(fired))


FOR_A_CALL = (Answer, End, Dial)
Action = Annotated[
    Wait | Pulse | Release | Play | StopPlaying | Answer | End | Dial | Call | Press | Publish | Send | Speaker | Sound,
    Field(discriminator="kind"),
]
