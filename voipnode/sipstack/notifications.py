"""NOTIFY as it arrives: who asked for it, or whose word counts without (RFC 6665 §4.1.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from voipnode.sipstack.core import Core
from voipnode.sipstack.dialog import DialogId
from voipnode.sipstack.errors import RemoteError
from voipnode.sipstack.event_fields import EventField, SubscriptionState
from voipnode.sipstack.message import Request
from voipnode.sipstack.server import Server, no_dialog
from voipnode.sipstack.transaction.events import ServerArrival
from voipnode.sipstack.transport import Hop

Unasked = Callable[[Request, Hop, float], None]


class Watch(Protocol):
    """A subscription of ours, as NOTIFY finds it."""

    def matches(self, event: EventField) -> bool: ...

    def notified(self, arrival: ServerArrival, state: SubscriptionState, now: float) -> None:
        """Take in a NOTIFY before it is answered 200; raises RemoteError to have it answered otherwise."""
        ...


class Notifications:
    """Brings each NOTIFY to the subscription that it belongs to.

    `unasked` holds, by event package, who takes a NOTIFY outside every subscription (no RFC knows such, but telephone
    systems tell of mailboxes so); it raises RemoteError to refuse. Everything else is 481, or 489 for a
    package that nothing here understands, outside a dialog.
    """

    def __init__(self, core: Core, server: Server) -> None:
        self._server = server
        self._watches: dict[DialogId, list[Watch]] = {}
        self.unasked: dict[str, Unasked] = {}
        server.methods["NOTIFY"] = self._notify
        core.is_watched = self._watches.__contains__

    def __len__(self) -> int:
        """How many subscriptions of ours there are."""
        return sum(map(len, self._watches.values()))

    def watch(self, dialog: DialogId, watch: Watch) -> None:
        """Expect NOTIFYs in this dialog; a remote tag of "" stands for whichever answers first (RFC 6665 §4.4.1)."""
        self._watches.setdefault(dialog, []).append(watch)

    def forget(self, dialog: DialogId, watch: Watch) -> None:
        """Expect them no more; does nothing where they were not."""
        others = [other for other in self._watches.get(dialog, ()) if other is not watch]
        if others:
            self._watches[dialog] = others
        else:
            self._watches.pop(dialog, None)

    def _notify(self, arrival: ServerArrival, now: float) -> None:
        request = arrival.request
        event = EventField.of(request)
        watch = self._watch_for(request, event)
        if watch is not None:
            watch.notified(arrival, SubscriptionState.of(request), now)
        elif request.to_tag is None and event.package in self.unasked:
            self.unasked[event.package](request, arrival.source, now)
        elif request.to_tag is not None or event.package == "refer":
            raise no_dialog()  # a subscription that there never was, or is no more
        else:
            known = ", ".join(("refer", *self.unasked))
            raise RemoteError(489, "Bad Event", (("Allow-Events", known),))
        self._server.respond(arrival, 200, now)

    def _watch_for(self, request: Request, event: EventField) -> Watch | None:
        call_id, ours, theirs = request.call_id, request.to_tag, request.from_tag
        if ours is None:
            return None
        exact = self._watches.get(DialogId(call_id, ours, theirs or ""), [])
        waiting = self._watches.get(DialogId(call_id, ours, ""), [])
        return next((watch for watch in (*exact, *waiting) if watch.matches(event)), None)
