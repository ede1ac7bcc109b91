"""Actions that tell somebody, and the wait between two actions."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from voipnode.calls.commands import Command, PublishMqtt, SendTo
from voipnode.modules.rules.actions.base import DAY_S, Action, Fired, Seconds, clock
from voipnode.modules.rules.names import NAMES


def _several(value: object) -> object:
    """One name is a list of one."""
    return (value,) if isinstance(value, str) else value


Recipient = Annotated[str, Field(min_length=1, max_length=64)]


class Wait(Action):
    """Let time go by."""

    kind: Literal["wait"] = Field(alias="do")
    for_s: Seconds = Field(gt=0, le=DAY_S, description='Seconds, or "hh:mm:ss".')

    def commands(self, fired: Fired) -> tuple[()]:
        return ()

    def words(self) -> str:
        return f"wait {clock(self.for_s)}"


class Publish(Action):
    """Tell the MQTT broker something."""

    kind: Literal["publish"] = Field(alias="do")
    topic: str = Field(min_length=1, max_length=255, pattern=r"^[^+#\x00]+$")
    payload: str = Field(default="", max_length=4096)
    retain: bool = False
    use_prefix: bool = True

    def commands(self, fired: Fired) -> tuple[Command]:
        return (PublishMqtt(topic=self.topic, payload=self.payload, retain=self.retain, use_prefix=self.use_prefix),)

    def words(self) -> str:
        return f'publish to MQTT topic "{self.topic}"'


class Send(Action):
    """Tell recipients: {rule}, {because} and {call} stand for those of the rule that fired."""

    kind: Literal["send"] = Field(alias="do")
    to: Annotated[tuple[Recipient, ...], BeforeValidator(_several)] = Field(
        min_length=1,
        max_length=20,
        description="One or several of [[recipients]].",
        json_schema_extra={NAMES: "recipient"},
    )
    subject: str = Field(default="{rule}", max_length=200)
    text: str = Field(default="{because}", max_length=4096)
    attachment: str = Field(
        default="",
        max_length=255,
        description="A file of the state folder that goes along; of recordings/*.wav the newest.",
    )

    def commands(self, fired: Fired) -> tuple[Command, ...]:
        told = {"subject": self.subject, "text": self.text, "attachment": self.attachment}
        return tuple(SendTo(recipient=each, values=asdict(fired), **told) for each in self.to)

    def words(self) -> str:
        return "tell " + ", ".join(f'"{each}"' for each in self.to)
