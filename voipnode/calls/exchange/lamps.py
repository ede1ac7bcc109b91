"""Busy lamps: telephones see who of the extensions is on the telephone or rings (event package "dialog", RFC 4235).

The node stands in every call of its extensions, so it knows without asking them (a state agent, §3.11). Extensions
alone may watch, by their password: a document says who talks with whom, and by its dialogs a ringing call can be taken.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from voipnode.calls.call import Call
from voipnode.calls.core import CallCore
from voipnode.calls.events import CallState
from voipnode.calls.exchange.board import Board
from voipnode.calls.exchange.party import Party
from voipnode.calls.exchange.through_call import State, ThroughCall
from voipnode.calls.registrar.settings import extension_of
from voipnode.calls.sip_leg import SipLeg
from voipnode.sipstack.dialog_info import CONTENT_TYPE, PACKAGE, DialogInfo, DialogPicture
from voipnode.sipstack.errors import RemoteError
from voipnode.sipstack.message import Request
from voipnode.sipstack.serving import Package, Wish
from voipnode.sipstack.transport import Hop
from voipnode.sipstack.uri import SipUri, escape_user, unescape

ANONYMOUS = "sip:anonymous@anonymous.invalid"  # RFC 3323 §4.1.1.3
Proven = Callable[[Request, Hop], str]


class BusyLamps:
    """Draws what is watched. `numbers` are the extensions, `door` whom telephones see calling at the door."""

    def __init__(self, core: CallCore, board: Board, *, numbers: Collection[str], proven: Proven, door: str) -> None:
        self._core = core
        self._board = board
        self._numbers = numbers
        self._proven = proven
        self._door = door
        self._shown: dict[str, tuple[DialogInfo, ...]] = {}  # of each number that is watched, as its watchers know it
        if numbers:
            core.endpoint.serve_subscriptions(Package(PACKAGE, CONTENT_TYPE, self))

    def watch(self, request: Request, source: Hop, now: float) -> Wish:
        """A telephone wants to see the lamp of an extension; RemoteError 403, 404 (RFC 4235 §3.6)."""
        by = self._proven(request, source)
        if by not in self._numbers:
            raise RemoteError(403, "Forbidden")
        uri = request.uri
        number = unescape(uri.user or "") if isinstance(uri, SipUri) else ""
        if number not in self._numbers or not isinstance(uri, SipUri):
            raise RemoteError(404, "Not Found")
        host = uri.host
        self._shown.setdefault(number, self.of(number, ""))
        entity = str(SipUri("sip", user=escape_user(number), host=host, port=uri.port))
        return Wish(number, by, DialogPicture(entity, lambda: self.of(number, host)), proven=True)

    def look(self, now: float) -> None:
        """Something may have changed: whoever watches a number that does not look as it did is told."""
        watched = self._core.endpoint.watched(PACKAGE)
        for number in watched:
            dialogs = self.of(number, "")
            if dialogs != self._shown.get(number, ()):
                self._shown[number] = dialogs
                self._core.endpoint.state_changed(PACKAGE, number, now)
        if len(self._shown) > len(watched):
            self._shown = {number: self._shown[number] for number in watched if number in self._shown}

    def of(self, number: str, host: str) -> tuple[DialogInfo, ...]:
        """The dialogs of an extension; `host` is what the node is called by who asks."""
        return (*self._at_the_door(number, host), *self._through(number, host))

    def shown(self, number: str) -> list[dict[str, str]]:
        """The calls of an extension as JSON-ready data."""
        return [
            {
                "state": dialog.state,
                "direction": "outgoing" if dialog.initiator else "incoming",
                "remote": dialog.remote,
                "remote_name": dialog.remote_name,
            }
            for dialog in self.of(number, "")
        ]

    def _at_the_door(self, number: str, host: str) -> Iterator[DialogInfo]:
        for call in self._core.table.calls:
            for leg in call.legs.values():
                if extension_of(leg.account) == number and not call.over:
                    remote = str(SipUri("sip", user=self._door, host=host or "door"))
                    yield from self._info(leg, call.direction == "incoming", _has_door(call, leg), remote, "")

    def _through(self, number: str, host: str) -> Iterator[DialogInfo]:
        for call in self._board.calls:
            for party in call.parties.values():
                if party.who.kind == "extension" and party.who.name == number and not call.over:
                    remote, name = _other_side(call, party, host or "door")
                    talks = party in call.talking and call.state is State.ACTIVE
                    yield from self._info(party.leg, party is call.caller, talks, remote, name)

    def _info(self, leg: SipLeg, initiator: bool, talks: bool, remote: str, name: str) -> Iterator[DialogInfo]:
        """One leg from its telephone's side: whose tags stand the other way round there."""
        dialog = self._core.endpoint.dialog_of(leg.session) if leg.session else None
        if dialog is not None:
            # A call that rings may be taken by its dialog. So could one that is on: nobody is told of which it is.
            call_id, ours, theirs = ("", "", "") if talks else dialog.id
            state = "confirmed" if talks else "early"
            yield DialogInfo(leg.session, call_id, theirs, ours, initiator, state, remote, name)


def _has_door(call: Call, leg: SipLeg) -> bool:
    return call.winner is leg and call.state is CallState.ACTIVE


def _other_side(call: ThroughCall, party: Party, host: str) -> tuple[str, str]:
    """Whom a party has at the other end: address and name."""
    if party is not call.caller:
        shown = call.caller.identity
        if shown.private or not shown.user:
            return ANONYMOUS, ""
        return str(SipUri("sip", user=escape_user(shown.user), host=host)), shown.name
    other = call.callee
    number = other.name if other is not None else call.to.number or call.to.name
    return str(SipUri("sip", user=escape_user(number) or "anonymous", host=host)), ""
