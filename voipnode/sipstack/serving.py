"""Subscriptions of others to what the layer above knows: who may have one, for how long, and what they are told.

RFC 6665 §4.2.1. Each package is served by somebody above, who says what may be watched and draws the picture of it.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple, Protocol

from voipnode.sipstack.core import Core
from voipnode.sipstack.dialog import Dialog
from voipnode.sipstack.errors import RemoteError
from voipnode.sipstack.event_fields import EventField
from voipnode.sipstack.flow import Flow
from voipnode.sipstack.headers import MediaType
from voipnode.sipstack.message import Request
from voipnode.sipstack.notifier import Notice, Notifier, Picture, Subscription
from voipnode.sipstack.routing import wants_secure_contact
from voipnode.sipstack.server import Server
from voipnode.sipstack.transaction.events import ServerArrival
from voipnode.sipstack.transport import Hop

MIN_EXPIRES_S = 60
MAX_EXPIRES_S = 3600  # RFC 4235 §3.4 has an hour for its default
MAX_OF_ONE = 100  # subscriptions that one may have: a telephone has so many keys with lamps, and some to spare
MAX_OF_ALL = 20_000


class Wish(NamedTuple):
    """Who (`by`) wants to watch what (`name`), and the picture of it for him. `proven`: by a password."""

    name: str
    by: str
    picture: Picture
    proven: bool = False


class Watched(Protocol):
    """Who serves a package."""

    def watch(self, request: Request, source: Hop, now: float) -> Wish:
        """What a SUBSCRIBE asks for; RemoteError 403 or 404 to refuse."""
        ...


class Package(NamedTuple):
    """An event package and the one type of its bodies."""

    name: str
    content_type: str
    watched: Watched


class Serving:
    """Opens the subscriptions of others and has their pictures drawn; `notifier` keeps them."""

    def __init__(self, core: Core, server: Server, notifier: Notifier) -> None:
        self._core = core
        self._server = server
        self._notifier = notifier
        self._open: dict[tuple[str, str], list[Subscription]] = {}  # by package and what is watched
        self._of: Counter[str] = Counter()  # how many each has

    def __len__(self) -> int:
        """How many there are."""
        return self._of.total()

    def serve(self, package: Package) -> None:
        """Take subscriptions to this package."""
        self._notifier.packages[package.name] = lambda arrival, now: self._subscribe(package, arrival, now)

    def watched(self, package: str) -> tuple[str, ...]:
        """What is being watched now."""
        return tuple([name for kind, name in self._open if kind == package])

    def changed(self, package: str, name: str, now: float) -> None:
        """What `name` stands for has changed: all who watch it are told."""
        for subscription in list(self._open.get((package, name), ())):
            self._notifier.notify(subscription, subscription.notice, now)

    # ---- inside

    def _subscribe(self, package: Package, arrival: ServerArrival, now: float) -> None:
        core, request, source = self._core, arrival.request, arrival.source
        expires_s = _expires_s(request)
        _check_accept(request, package.content_type)
        wish = package.watched.watch(request, source, now)
        if len(self) >= MAX_OF_ALL or self._of[wish.by] >= MAX_OF_ONE:
            raise RemoteError(503, "Service Unavailable", (("Retry-After", "60"),))
        user = getattr(request.uri, "user", None) or ""
        contact = core.contact(user, source, secure=wants_secure_contact(request))
        dialog = Dialog.from_uas(request, core.entropy.tag(), contact, over_tls=source.secure)
        dialog.confirm()
        direct = len(request.vias) == 1 and not dialog.routes
        flow = Flow(source, theirs=True, direct=direct, heard_at=source.remote.host)
        dialog.flow = flow.held(dialog.remote_target) if wish.proven else flow
        fields = (("Expires", str(expires_s)), ("Contact", contact))
        self._server.respond(arrival, 200, now, headers=fields, tag=dialog.id.local_tag)
        subscription = Subscription(
            None,
            dialog,
            EventField.of(request),
            now + expires_s,
            lambda: self._ended(key, wish.by, subscription),
            Notice(b"", package.content_type, "" if expires_s else "timeout"),
            wish.picture,
            MAX_EXPIRES_S,
        )
        key = (package.name, wish.name)
        self._open.setdefault(key, []).append(subscription)
        self._of[wish.by] += 1
        self._notifier.open(subscription, now)

    def _ended(self, key: tuple[str, str], by: str, subscription: Subscription) -> None:
        self._open[key].remove(subscription)
        if not self._open[key]:
            del self._open[key]
        self._of[by] -= 1
        if not self._of[by]:
            del self._of[by]


def _expires_s(request: Request) -> int:
    """How long it is granted for: 0 looks once (RFC 6665 §4.4.3); RemoteError 423 for less than is worth keeping."""
    asked_s = MAX_EXPIRES_S if request.expires is None else request.expires
    if 0 < asked_s < MIN_EXPIRES_S:
        raise RemoteError(423, "Interval Too Brief", (("Min-Expires", str(MIN_EXPIRES_S)),))  # §4.2.1.1
    return min(asked_s, MAX_EXPIRES_S)


def _check_accept(request: Request, content_type: str) -> None:
    """RemoteError 406 where the package's bodies cannot be taken (§4.2.1.3)."""
    if "Accept" not in request.headers:
        return
    kind = content_type.partition("/")[0]
    taken = {MediaType.parse(value).essence for value in request.accept}
    if not taken & {content_type, f"{kind}/*", "*/*"}:
        raise RemoteError(406, "Not Acceptable", (("Accept", content_type),))
