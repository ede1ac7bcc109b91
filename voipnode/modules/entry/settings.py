"""Settings of the entry list: `[entry]` of voipnode.toml. Holders are no settings: they are kept in `entry.db`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

MAX_PIN = 32


class EntrySettings(BaseModel):
    """Opening the door with cards and codes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(default=True, description="Let holders of the entry list in.")
    use_controller: bool = Field(
        default=False,
        description="What the list does not know goes to the door controller; what it knows, never.",
    )
    port: str = Field(default="door", max_length=32, description='The output that opens; "" leaves that to rules.')
    duration_s: float = Field(default=7.0, gt=0, le=3600, description="For how long.")
    pin_length: int = Field(
        default=4, ge=0, le=MAX_PIN, description="Digits of every PIN and visitor code; 0: no PINs."
    )
    pin_timeout_s: float = Field(
        default=10.0, ge=3, le=50, description="Between two keys, and between a card and the first key of its PIN."
    )
    wrong_codes: int = Field(
        default=5, ge=1, le=100, description="After so many wrong codes in a row a reader takes none for a while."
    )
    lock_s: float = Field(
        default=30.0, ge=1, le=3600, description="For how long at first; twice as long each time, up to an hour."
    )
    max_holders: int = Field(default=1000, ge=1, le=10_000, description="How many holders there may be.")
