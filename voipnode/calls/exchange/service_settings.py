"""Settings of what the node itself answers: `[[switch.conferences]]`, `[switch.page]`, `[switch.look_out]`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

MAX_PARTIES = 32


class ConferenceSettings(BaseModel):
    """A conference: who dials it hears all others who did."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=64, description="By which the dial plan names it.")
    max_parties: int = Field(
        default=8, ge=2, le=MAX_PARTIES, description="How many telephones may be in it; the next one hears busy."
    )
    with_door: bool = Field(
        default=False,
        description="The door takes part as long as anybody is in it, with whoever else talks there. Digits open it for"
        " those extensions alone that may open it.",
    )


class PageSettings(BaseModel):
    """Announcements from a telephone to the door's loudspeaker; the caller hears nothing of what is at the door."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attention_tone: bool = Field(
        default=True, description="Half a second of tone first, at the door and for the caller."
    )
    during_call: bool = Field(default=False, description="Announce into a conversation at the door, too; else busy.")


class LookOutSettings(BaseModel):
    """Calls from a telephone that hear what is at the door, without ringing there or lighting anything."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    talk: bool = Field(default=False, description="The caller is heard at the door, too.")
    during_call: bool = Field(
        default=False,
        description="Listen to a conversation at the door, too. Otherwise the caller hears busy, or silence once one"
        " begins, until it is over.",
    )
