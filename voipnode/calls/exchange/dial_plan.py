"""The dial plan: what a caller who dials something reaches.

Each rule is a line, and the first that fits counts:

    10x -> extension                    the extension of the number that was dialled
    5x  -> extension, strip 1, prefix 10    ... after these changes: 52 is extension 102
    2xx -> group                        the group of that name
    9   -> group family
    0.  -> account PBX, strip 1         through that account, without the 0
    *8  -> pickup                       takes a call that rings at a neighbour
    *8. -> pickup, strip 2              takes the one that rings at this extension
    600 -> conference house
    700 -> page                         an announcement at the door
    99  -> look out                     hears and sees the door without ringing
    100 -> door                         rings at the door
    0900. -> refuse

What no rule takes is looked up: an extension's number, a group's name, and the user id of an account of the door.
Who may reach it is decided after that (`route`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from voipnode.calls.exchange.destination import Caller, Destination, Kind, refused
from voipnode.calls.exchange.patterns import MAX_DIALLED, Pattern
from voipnode.sipstack.uri import OtherUri, TelUri, Uri, unescape

_KINDS: Mapping[str, Kind] = {
    "extension": "extension",
    "group": "group",
    "account": "trunk",
    "pickup": "pickup",
    "conference": "conference",
    "page": "page",
    "look out": "look_out",
    "door": "door",
    "refuse": "refused",
}
_NAMED = frozenset({"trunk", "conference"})  # which have to say which one
_NAMELESS = frozenset({"pickup", "door", "refused"})
_TARGET = re.compile(
    rf"({'|'.join(_KINDS)})"
    r"(?:\s+(?!strip\s|prefix\s)(\"[^\"]+\"|[^,\"]+?))?"
    r"(?:\s*,?\s+strip\s+(\d{1,2}))?"
    r"(?:\s*,?\s+prefix\s+([0-9*#+]{1,32}))?"
)
SHAPE = "write it like 10x -> extension, 9 -> group family or 0. -> account PBX, strip 1"
# What an extension's `may_call` has to name so that it reaches this.
RIGHT_FOR: Mapping[Kind, str] = {
    "extension": "extensions",
    "group": "extensions",
    "pickup": "extensions",
    "conference": "extensions",
    "door": "door",
    "page": "door",
    "look_out": "door",
    "trunk": "trunks",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the plan."""

    text: str
    pattern: Pattern
    kind: Kind
    name: str
    strip: int
    prefix: str

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Raises ValueError that says what would be right."""
        left, arrow, right = text.partition("->")
        if not arrow:
            raise ValueError(f'"{text}" is no rule: {SHAPE}')
        pattern = Pattern.parse(left.strip())
        found = _TARGET.fullmatch(right.strip())
        if found is None:
            raise ValueError(f'"{right.strip()}" is nowhere to go: one of {", ".join(_KINDS)} is needed; {SHAPE}')
        kind, name = _KINDS[found[1]], (found[2] or "").strip('"').strip()
        if kind in _NAMED and not name:
            raise ValueError(f'"{text}": which {found[1]} is meant has to be said; {SHAPE}')
        if kind in _NAMELESS and name:
            raise ValueError(f'"{text}": "{name}" says nothing after {found[1]}')
        strip = int(found[3] or 0)
        if strip > len(pattern.places):
            raise ValueError(f'"{text}": strip {strip} would take more signs away than the pattern is sure to have')
        return cls(text, pattern, kind, name, strip, found[4] or "")

    def dialled(self, number: str) -> str:
        """The number after the rule's changes."""
        return self.prefix + number[self.strip :]


class DialPlan:
    """Where calls go, by the rules and by who there is. `may_trunk_reach` is each account's `incoming`.

    `extensions` are numbers, `groups` names, `door_users` the user parts that mean the door.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        *,
        extensions: Callable[[str], bool],
        groups: Callable[[str], bool],
        door_users: Collection[str],
        incoming: Mapping[str, str],
    ) -> None:
        self._rules = tuple(rules)
        self._is_extension = extensions
        self._is_group = groups
        self._door_users = frozenset(door_users)
        self._incoming = dict(incoming)

    def route(self, caller: Caller, uri: Uri) -> Destination:
        """Where this caller's call to `uri` goes; a refusal says with which status.

        The host of the URI is not looked at: for its callers the node is whatever they call it by.
        """
        if caller.kind == "outside":
            return Destination("door")
        if caller.kind == "trunk":
            return self._by_account(caller)
        dialled = dialled_in(uri)
        found = self.look_up(dialled)
        right = RIGHT_FOR.get(found.kind)
        if right is not None and right not in caller.may_call:
            return refused(403, f"extension {caller.name} may not call {right} (may_call)")
        return found

    def onward(self, caller: Caller, uri: Uri) -> Destination:
        """Where a call goes on that somebody inside sends elsewhere: nobody gets further so than by dialling, and who
        came from outside, by a server or not, stays inside."""
        if caller.kind == "extension":
            return self.route(caller, uri)
        found = self.look_up(dialled_in(uri))
        return found if found.kind in ("extension", "group", "door", "refused") else refused(403, "no way out")

    def redirected(self, caller: Caller, by: Caller, uri: Uri) -> Destination:
        """Where a call goes on that a telephone sends elsewhere: where both its caller and itself might, so that nobody
        gets further by letting others call him."""
        may = self.onward(by, uri)
        return may if may.kind == "refused" else self.onward(caller, uri)

    def look_up(self, dialled: str) -> Destination:
        """Where this leads, whoever dials it."""
        for rule in self._rules:
            if rule.pattern.matches(dialled):
                return self._by(rule, rule.dialled(dialled))
        if self._is_extension(dialled):
            return Destination("extension", dialled)
        if self._is_group(dialled):
            return Destination("group", dialled)
        if dialled in self._door_users or not dialled:
            return Destination("door")
        return refused(404, f'nobody is "{dialled}"')

    def _by(self, rule: Rule, number: str) -> Destination:
        match rule.kind:
            case "extension":
                there = self._is_extension(rule.name or number)
                return Destination("extension", rule.name or number) if there else _nobody(rule, number)
            case "group":
                there = self._is_group(rule.name or number)
                return Destination("group", rule.name or number) if there else _nobody(rule, number)
            case "trunk":
                return Destination("trunk", rule.name, number) if number else _nobody(rule, number)
            case "pickup":
                return Destination("pickup", number=number if rule.strip or rule.prefix else "")
            case "refused":
                return refused(403, f'refused by the rule "{rule.text}"')
            case _:
                return Destination(rule.kind, rule.name)

    def _by_account(self, caller: Caller) -> Destination:
        """A call from a server never leaves by one again: it goes where the account's `incoming` says."""
        wanted = self._incoming.get(caller.name, "") or "door"
        if wanted == "door":
            return Destination("door")
        if self._is_extension(wanted):
            return Destination("extension", wanted)
        return Destination("group", wanted) if self._is_group(wanted) else refused(404, f'nobody is "{wanted}"')


def _nobody(rule: Rule, number: str) -> Destination:
    return refused(404, f'the rule "{rule.text}" leads to {rule.kind} "{rule.name or number}", which there is not')


def dialled_in(uri: Uri) -> str:
    """What was dialled: the user part, or the digits of a telephone number."""
    if isinstance(uri, OtherUri):
        return ""
    text = uri.digits if isinstance(uri, TelUri) else unescape(uri.user or "")
    return text if len(text) <= MAX_DIALLED else ""
