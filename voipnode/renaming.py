"""Who names a contact, group or schedule in the settings does so by its new name when it is renamed."""

from __future__ import annotations

from typing import Any

from voipnode.modules.recipients.settings import CallRecipient
from voipnode.modules.rules.settings import renamed_in_rules
from voipnode.settings import NodeSettings


def renamed_party(settings: NodeSettings, old: str, new: str) -> list[tuple[str, Any]]:
    """The changes by which contacts that fall back on it, what rings it (groups, buttons, pages, rules, recipients) and
    accounts whose calls come in for it follow."""
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
    for index, each in enumerate(settings.recipients):
        if isinstance(each, CallRecipient):
            places.append((f"recipients[{index}].to", each.to))
    rules = renamed_in_rules(settings, "contact or group", old, new)
    return [*((place, new) for place, name in places if name == old), *rules]


def renamed_schedule(settings: NodeSettings, old: str, new: str) -> list[tuple[str, Any]]:
    """The changes by which contacts, buttons, other schedules, do not disturb and rules that go by it follow. Holders
    of the entry list are not in the settings: they keep the old name, and stay out until they have the new one."""
    places = [(f"contacts[{index}].schedule", each.schedule) for index, each in enumerate(settings.contacts)]
    places.append(("sip.incoming.do_not_disturb", settings.sip.incoming.do_not_disturb))
    for index, button in enumerate(settings.buttons):
        places += [(f"buttons[{index}].rings[{at}].schedule", each.schedule) for at, each in enumerate(button.rings)]
    for index, schedule in enumerate(settings.schedules):
        places += [(f"schedules[{index}].except[{at}]", other) for at, other in enumerate(schedule.exceptions)]
    rules = [
        change
        for what in ("schedule", "schedule with pulse_every_s")
        for change in renamed_in_rules(settings, what, old, new)
    ]
    return [*((place, new) for place, name in places if name == old), *rules]
