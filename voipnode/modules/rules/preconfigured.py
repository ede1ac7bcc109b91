"""The rules that a node comes with: all off, each to be switched on or made one's own."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voipnode.modules.rules.settings import RuleSettings


def preconfigured(own: Collection[RuleSettings]) -> tuple[RuleSettings, ...]:
    return ()
