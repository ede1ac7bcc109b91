"""Redirects: a party that is called says where else to try, and is believed within bounds (RFC 3261 §8.1.3.4)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from voipnode.calls.call import Call
from voipnode.calls.core import CallCore, Found
from voipnode.calls.events import CallReason
from voipnode.calls.outgoing import Outgoing
from voipnode.calls.ringing.plan import MAX_AT_ONCE
from voipnode.calls.settings import AccountSettings
from voipnode.calls.sip_leg import SipLeg
from voipnode.sipstack import events as sip
from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.uri import SipUri, parse_uri

# 305 would have a stranger choose our proxy, and 380 asks a person to read its body: neither is followed blindly.
FOLLOWED = (300, 301, 302)
MAX_TARGETS = 10  # of one party, all its redirects together


@dataclass(slots=True, eq=False)
class Trail:
    """Where one party has sent us so far: what is left to try, most wanted first, by `account`, and how much was.

    `ringing`: how many telephones of `latest` are being called.
    """

    to: SipUri
    account: AccountSettings
    key: int  # whom of the call's hunt it rings for
    opens: bool  # its digits may act, and so may those of whom it sends us to
    left: list[SipUri] = field(default_factory=list)
    tried: int = 0
    ringing: int = 0
    latest: SipUri | None = None


class Redirects:
    """Tries the contacts of a 3xx in their order, one after the other, until one answers or a 6xx ends it.

    The digits of whoever is reached so act as those of the party that redirected would have: the node's own recipient
    has its calls answered where it wishes. No address is called twice for one call, so that no circle can close.
    """

    def __init__(self, core: CallCore, outgoing: Outgoing) -> None:
        self._core = core
        self._outgoing = outgoing
        self._trails: dict[str, Trail] = {}  # by session

    def follow(self, event: sip.SessionEnded) -> bool:
        """Whether the party's way goes on elsewhere, now that this session of it has ended."""
        trail = self._trails.pop(event.session, None)
        call = self._core.table.of_session(event.session)
        if call is None or call.over or call.winner is not None or call.direction != "outgoing":
            return False
        if not self._core.settings.follow_redirects or not _may_go_on(event):
            return False
        if event.status in FOLLOWED:
            leg = call.legs[event.session]
            trail = trail or Trail(leg.target, leg.account, leg.key, leg.opens)
            trail.left = [*usable_contacts(event.contacts), *trail.left]
        if trail is None:
            return False
        if trail.ringing > 1:  # others of the same address ring on
            trail.ringing -= 1
            self._core.drop_leg(event.session)
            return True
        target = self._next(call, trail)
        if target is None:
            return False
        self._core.drop_leg(event.session)
        self._core.find(call, target, trail.account, lambda ways: self._found(call, trail, ways))
        return True

    def _next(self, call: Call, trail: Trail) -> SipUri | None:
        while trail.left and trail.tried < MAX_TARGETS:
            target = trail.left.pop(0)
            if not any(target.equivalent(other) for other in call.tried):
                trail.tried += 1
                trail.latest = target
                call.tried.append(target)
                return target
        return None

    def _found(self, call: Call, trail: Trail, ways: Found) -> None:
        """The address of a contact is known; where it is not, the next one is tried. An extension of ours is all of its
        telephones, but those that were called before."""
        if not self._outgoing.wants(call, trail.key):
            return
        new = [
            way
            for way in ways
            if not any(way.target.equivalent(other) for other in call.tried if other is not trail.latest)
        ]
        ways = new[: MAX_AT_ONCE - len(call.legs)]
        trail.ringing = len(ways) or 1
        for way in ways:
            self._outgoing.add_leg(
                call,
                replace(way, opens=way.opens and trail.opens),
                key=trail.key,
                to=trail.to,
                wanted=lambda: self._outgoing.wants(call, trail.key),
                then=lambda leg: self._called(call, trail, leg),
            )
        if not ways:
            self._called(call, trail, None)

    def _called(self, call: Call, trail: Trail, leg: SipLeg | None) -> None:
        if leg is not None:
            self._trails[leg.session] = trail
            return
        trail.ringing -= 1
        if trail.ringing:
            return
        words = f"redirected to {trail.latest}, which cannot be reached"
        self._core.table.leg_failed(call, (CallReason.FAILED, 0, words))
        following = self._next(call, trail)
        if following is None:
            self._outgoing.telephone_failed(call, trail.key, (CallReason.FAILED, 0, words))
        else:
            self._core.find(call, following, trail.account, lambda found: self._found(call, trail, found))


def _may_go_on(event: sip.SessionEnded) -> bool:
    """A 6xx speaks for everywhere (§21.6); what was hung up here is not to be tried elsewhere."""
    if event.cause is sip.EndCause.REJECTED:
        return event.status < 600
    return event.cause in (sip.EndCause.TIMEOUT, sip.EndCause.TRANSPORT)


def usable_contacts(contacts: tuple[str, ...]) -> list[SipUri]:
    """The SIP addresses among the contacts; headers that they carry are not written into our requests (§19.1.5)."""
    found = []
    for text in contacts[:MAX_TARGETS]:
        try:
            uri = parse_uri(text)
        except ParseError:
            continue
        if isinstance(uri, SipUri):
            found.append(uri.with_(headers=(), params=uri.params.without("method")))
    return found
