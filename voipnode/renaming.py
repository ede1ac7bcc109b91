"""Who names a contact or group in the settings does so by its new name when it is renamed."""

from __future__ import annotations

from typing import Any

from voipnode.modules.rules.settings import renamed_in_rules
from voipnode.settings import NodeSettings


def renamed_party(settings: NodeSettings, old: str, new: str) -> list[tuple[str, Any]]:
    """The changes by which contacts that fall back on it, groups, buttons, pages and rules that ring it, and accounts
    whose calls come in for it follow."""
    places = [(f"contacts[{index}].fallback", each.fallback) for index, each in enumerate(settings.contacts)]
    places += [(f"accounts[{index}].incoming", each.incoming) for index, each in enumerate(settings.accounts)]
    for index, group in enumerate(settings.groups):
        places.append((f"groups[{index}].fallback", group.fallback))
        places += [(f"groups[{index}].members[{at}]", member) for at, member in enumerate(group.members)]
        for number, stage in enumerate(group.stages):
            places += [(f"groups[{index}].stages[{number}].ring[{at}]", party) for at, party in enumerate(stage.ring)]
    for index, button in enumerate(settings.buttons):
        places += [(f"buttons[{index}].{key}", getattr(button, key)) for key in ("ring", "fallback")]
        places += [(f"buttons[{index}].rings[{at}].ring", choice.ring) for at, choice in enumerate(button.rings)]
    for index, page in enumerate(settings.pages):
        places += [(f"pages[{index}].items[{at}].ring", item.ring) for at, item in enumerate(page.items)]
    rules = renamed_in_rules(settings, "contact or group", old, new)
    return [*((place, new) for place, name in places if name == old), *rules]
