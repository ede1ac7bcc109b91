"""The rules that a node comes with: all off, each to be switched on or made one's own.

They are there for as long as the settings have no rule of the same name; switching one on, or changing it, writes it
there. Clips that they play have to be added first, by these names, or others chosen.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any

from voipnode.modules.rules.settings import RuleSettings

TONE = "Announcement tone"
LOUD = "Loud ringer"
_GREEN = {"do": "indicator", "name": "front", "colour": "green", "while_active": True}
_RINGS = {"is": "call", "states": ["Ringing"], "direction": "incoming"}
_RULES: tuple[dict[str, Any], ...] = (
    {
        "name": "Front LED: live stream",
        "conditions": [{"is": "microphone"}, {"is": "call", "account": "VMS"}],
        "actions": [_GREEN],
    },
    {
        "name": "Front LED: recording",
        "conditions": [{"is": "microphone"}, {"is": "recording"}],
        "actions": [_GREEN],
    },
    {
        "name": "Front LED: SIP call",
        "conditions": [{"is": "microphone"}, {"is": "call"}],
        "actions": [_GREEN],
    },
    {
        "name": "Announcement tone on an incoming call",
        "conditions": [_RINGS],
        "actions": [{"do": "play_clip", "clip": TONE}],
    },
    {
        "name": "Answer after the announcement tone",
        "conditions": [{"is": "clip", "name": TONE, "invert": True}, _RINGS],
        "use_as_trigger": True,
        "actions": [{"do": "answer"}],
    },
    {
        "name": "Loud ringer",
        "conditions": [_RINGS],
        "actions": [{"do": "play_clip", "clip": LOUD, "repeat": 1000, "while_active": True}],
    },
)


def preconfigured(own: Collection[RuleSettings]) -> tuple[RuleSettings, ...]:
    """Those whose name none of `own` has."""
    names = {each.name for each in own}
    return tuple(each for each in _all() if each.name not in names)


@cache
def _all() -> tuple[RuleSettings, ...]:
    return tuple(RuleSettings.model_validate({**each, "enabled": False}) for each in _RULES)
