"""Settings of ring groups: `[[groups]]` of voipnode.toml."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from voipnode.calls.account_settings import Line
from voipnode.calls.clips.settings import GroupSounds
from voipnode.calls.ringing.plan import MAX_AT_ONCE, Rules, Then

MAX_GROUPS = 200
MAX_STAGES = 16
MAX_IN_TURN = 32
IN_TURN_S = 20
Party = Annotated[Line, Field(min_length=1, max_length=255)]
Seconds = Annotated[int, Field(ge=1, le=600)]


def is_address(text: str) -> bool:
    """Whether a recipient is meant as an address: a URI, a number, or an IP address; else it is somebody's name."""
    if "@" in text or ":" in text or all(char in "0123456789*#+" for char in text):
        return True
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _group_name(text: str) -> str:
    if text != text.strip():
        raise ValueError("begins or ends with a blank")
    if "@" in text or ":" in text:
        raise ValueError(f'"{text}" reads like an address; write a name, such as "family", or a number, such as "200"')
    return text


class StageSettings(BaseModel):
    """Who of a group rings at the same moment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ring: tuple[Party, ...] = Field(
        min_length=1, max_length=MAX_AT_ONCE + 1, description='Contacts, extensions, SIP addresses: 1 to 6; and "vms".'
    )
    for_s: Seconds = Field(default=20, description="The next stage begins after so many seconds.")
    keep: bool = Field(default=True, description="They go on ringing when it does.")


class GroupSettings(GroupSounds):
    """A ring group: several who ring for one call, at once, in turn or in stages, and who follows when none answers.

    What follows on one failure is "only_this" (the others ring on), "fallback" (its turn has come) or "end_all".
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[Line, AfterValidator(_group_name)] = Field(
        min_length=1, max_length=64, description="By which buttons and people call it; no contact or extension has it."
    )
    members: tuple[Party, ...] = Field(
        default=(),
        max_length=MAX_IN_TURN,
        description='Who rings: contacts, extensions, SIP addresses; "vms" are clients by HTTP.',
    )
    strategy: Literal["all", "in_turn"] = Field(default="all", description="How members ring: at once, or in turn.")
    ring_s: Seconds | None = Field(
        default=None,
        description="How long members ring: all of them (without: calling_timeout_s), or each in turn (without: 20).",
    )
    stages: tuple[StageSettings, ...] = Field(
        default=(), max_length=MAX_STAGES, description="In place of members: who rings at first, who after that."
    )
    fallback: Line = Field(default="", max_length=64, description="Contact or group that is called when none answers.")
    on_busy: Then = Field(default="only_this", description="What it means for the others that one is busy.")
    on_refused: Then = Field(default="only_this", description="... that one refuses.")
    on_unreachable: Then = Field(default="only_this", description="... that one cannot be reached.")
    on_silent: Then = Field(default="only_this", description="... that one has not answered in its time.")
    on_declined_everywhere: Then | Literal[""] = Field(
        default="",
        description="... that one says 600 or 603, which speak for the person and all its telephones (RFC 3261 §21.6);"
        ' "": as on_busy or on_refused.',
    )
    calling_timeout_s: Seconds | None = Field(
        default=None,
        description="How long the group rings at most, all stages together; without: as long as they say, or where they"
        " say nothing as sip.calling_timeout_s.",
    )
    max_call_duration_s: int | Literal["infinite"] | None = Field(
        default=None, description='End its calls after so long, 1 to 3600 s, or "infinite"; without: as [sip] has it.'
    )

    @model_validator(mode="after")
    def _somebody_rings(self) -> Self:
        if bool(self.members) == bool(self.stages):
            what = "both members and stages are given; one of them says" if self.members else "nobody rings; write"
            raise ValueError(f'group "{self.name}": {what} who rings, like members = ["Anna", "101"]')
        if self.stages and (self.ring_s is not None or self.strategy != "all"):
            raise ValueError(f'group "{self.name}": strategy and ring_s are about members; stages have for_s and keep')
        if isinstance(self.max_call_duration_s, int) and not 1 <= self.max_call_duration_s <= 3600:
            raise ValueError(f'group "{self.name}": a call may last 1 to 3600 seconds, or "infinite"')
        return self

    @property
    def stage_times_s(self) -> tuple[int, ...]:
        """How long each stage, or each turn, lasts; none where all ring for as long as the group does."""
        if self.stages:
            return tuple([stage.for_s for stage in self.stages])
        if self.strategy == "in_turn":
            return (self.ring_s or IN_TURN_S,) * len(self.members)
        return () if self.ring_s is None else (self.ring_s,)

    @property
    def rules(self) -> Rules:
        """What one failure means for the others."""
        return Rules(self.on_busy, self.on_refused, self.on_unreachable, self.on_silent, self.on_declined_everywhere)
