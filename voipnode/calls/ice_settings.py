"""Settings of ICE: `[sip.ice]` of voipnode.toml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class IceSettings(BaseModel):
    """Finds the way for the sound by trying all addresses of both sides (RFC 8445), where the far side does so too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(
        default=False,
        description="Offer and take ICE; better with a STUN and a TURN server, and of use without.",
    )
    all_addresses: bool = Field(
        default=True,
        description="Offer every address of this host that sip.hosts allows, not just the one towards the far side.",
    )
    max_pairs: int = Field(
        default=100, ge=4, le=100, description="Pairs of addresses tried at most in a call (RFC 8445 §6.1.2.5)."
    )
    give_up_s: int = Field(
        default=20, ge=5, le=60, description="End a call for which no way has been found for this long."
    )
