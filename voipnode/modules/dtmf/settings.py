"""Settings of digit sequences: `[[dtmf]]` of voipnode.toml."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

MAX_SEQUENCES = 64
MAX_DIGITS = 16
Sequence = Annotated[
    str, Field(pattern=r"^[0-9A-Da-d#*]{1,16}$", description="1 to 16 of 0-9 A-D # *."), AfterValidator(str.upper)
]


class OpenAction(BaseModel):
    """Activate an output."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    port: str = Field(pattern=r"^[A-Za-z0-9_-]{1,32}$", description="Name of the output in [[ports]].")
    duration_s: float = Field(default=7.0, gt=0, le=3600, description="For how long, seconds.")


class SequenceSettings(BaseModel):
    """One sequence and what it does; without `open` it is an event only, for rules."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sequence: Sequence
    name: str = Field(default="", max_length=64, description="What it is for; it names the event.")
    open: OpenAction | None = Field(default=None, description="The output to activate.")
    accounts: tuple[str, ...] = Field(
        default=(), max_length=32, description="Accounts whose calls may use it; none named: all."
    )
    digit_timeout_s: float = Field(
        default=3.0, ge=0.5, le=30, description="The longest pause before the next digit of this sequence, seconds."
    )


class DtmfSettings(BaseModel):
    """All sequences. One sequence has one meaning in an account; many sequences may do the same."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dtmf: tuple[SequenceSettings, ...] = Field(default=(), max_length=MAX_SEQUENCES)

    @model_validator(mode="after")
    def _sequences_differ(self) -> Self:
        seen: dict[str, SequenceSettings] = {}
        for item in self.dtmf:
            if item.sequence in seen:
                raise ValueError(
                    f'the sequence "{item.sequence}" is used twice, by {seen[item.sequence].name or "the first"!r} and'
                    f" {item.name or 'the second'!r}; give one of them other digits"
                )
            seen[item.sequence] = item
        return self

    @property
    def peer_to_peer_accounts(self) -> tuple[str, ...]:
        """The peer-to-peer accounts: they share their sequences, so naming one names them all."""
        return ("Peer to peer (default)",)

    def for_account(self, account: str) -> dict[str, SequenceSettings]:
        """The sequences that calls of `account` may use."""
        return {item.sequence: item for item in self.dtmf if not item.accounts or self._names(item, account)}

    def _names(self, item: SequenceSettings, account: str) -> bool:
        shared = self.peer_to_peer_accounts
        return account in item.accounts or (account in shared and any(name in shared for name in item.accounts))
