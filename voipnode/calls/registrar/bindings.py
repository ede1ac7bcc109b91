"""Where the telephones of the extensions are: the location service of RFC 3261 §10, with the rules of its §10.3."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence, Set
from typing import Generic, TypeVar

from voipnode.calls.registrar.device import Device
from voipnode.calls.registrar.settings import RegistrarSettings
from voipnode.sipstack.errors import RemoteError
from voipnode.sipstack.register_request import RegisterRequest, WantedContact
from voipnode.sipstack.timers import DeadlineQueue
from voipnode.sipstack.transport import Hop

HOUR_S = 3600
# Who keeps no flow alive by himself (RFC 5626 §4.4) does so by registering: idle connections are closed after 600 s.
OVER_CONNECTION_S = 540
K = TypeVar("K", bound=Hashable)

Changed = Callable[[str, tuple[Device, ...], tuple[Device, ...], float], None]
"""Told of a number that its devices were these, are those now, and the time."""


class Numbers(Generic[K]):
    """The numbers that have a device at some place: over a connection, at a host."""

    def __init__(self) -> None:
        self._numbers: dict[K, set[str]] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def of(self, place: K) -> Collection[str]:
        return self._numbers.get(place, frozenset())

    def move(self, number: str, before: Set[K], after: Set[K]) -> None:
        """The devices of a number are elsewhere now."""
        for place in before - after:
            self._numbers[place].discard(number)
            if not self._numbers[place]:
                del self._numbers[place]
        for place in after - before:
            self._numbers.setdefault(place, set()).add(number)


class Bindings:
    """The devices of each number; `changed` is called after every change, a refresh included."""

    def __init__(self, settings: RegistrarSettings, changed: Changed) -> None:
        self._settings = settings
        self._changed = changed
        self._devices: dict[str, tuple[Device, ...]] = {}
        self._by_connection: Numbers[int] = Numbers()
        self._by_host: Numbers[str] = Numbers()
        self._ends: DeadlineQueue[str] = DeadlineQueue()

    def of(self, number: str) -> tuple[Device, ...]:
        """The devices of a number, the one registered last first."""
        return self._devices.get(number, ())

    def at_home(self, host: str) -> Collection[str]:
        """The numbers that have a device registered from this host."""
        return self._by_host.of(host)

    def __len__(self) -> int:
        """How many numbers have devices."""
        return len(self._devices)

    def carry_out(
        self, number: str, request: RegisterRequest, source: Hop, max_devices: int, now: float
    ) -> tuple[Device, ...]:
        """Do what a REGISTER asks for, all of it or nothing (§10.3 steps 6 and 7); returns the devices there are.

        Raises RemoteError 423 for too short a time, 403 for one device too many, and 500 for a request that was
        overtaken by a later one of the same telephone.
        """
        before = tuple([device for device in self.of(number) if device.expires_at > now])
        if request.remove_all:
            for device in before:
                _check_order(device, request)
            after: tuple[Device, ...] = ()
        elif request.contacts:
            after = self._merged(before, request, source, now)
            after = _within(after, before, request, max_devices)
        else:
            return before  # a question
        self._put(number, after, now)
        return after

    def restore(self, number: str, devices: Iterable[Device], now: float) -> None:
        """Bindings from before the node's start; those of connections are gone, and so is what has expired."""
        known = self.of(number)
        back = [device for device in devices if device.expires_at > now and not device.ends_with_connection]
        if back and not known:
            self._put(number, tuple(back), now)

    def connection_closed(self, hop: Hop, now: float) -> None:
        """The devices that were reached over it are gone (RFC 5626 §5.3); they will register anew."""
        if hop.connection is None:
            return
        for number in sorted(self._by_connection.of(hop.connection)):
            left = [
                device
                for device in self.of(number)
                if device.source.connection != hop.connection or not device.ends_with_connection
            ]
            self._put(number, tuple(left), now)

    def next_deadline(self) -> float | None:
        return self._ends.next_deadline()

    def on_deadline(self, now: float) -> None:
        while (number := self._ends.pop_due(now)) is not None:
            self._put(number, tuple([device for device in self.of(number) if device.expires_at > now]), now)

    # ---- inside

    def _put(self, number: str, devices: tuple[Device, ...], now: float) -> None:
        before = self.of(number)
        self._by_connection.move(number, _connections(before), _connections(devices))
        self._by_host.move(number, _hosts(before), _hosts(devices))
        if devices:
            self._devices[number] = devices
            self._ends.set(number, min(device.expires_at for device in devices))
        else:
            self._devices.pop(number, None)
            self._ends.cancel(number)
        self._changed(number, before, devices, now)

    def _merged(
        self, before: Sequence[Device], request: RegisterRequest, source: Hop, now: float
    ) -> tuple[Device, ...]:
        """What there is after the contacts of the request, in their turn (step 7)."""
        after = list(before)
        for contact in request.contacts:
            expires_s = self._granted_s(contact, source)
            known = next((device for device in before if device.is_of(contact)), None)
            if known is not None:
                _check_order(known, request)
            after = [device for device in after if not device.is_of(contact)]
            if expires_s:
                after.insert(0, Device.of(contact, request, source, now + expires_s))
        return tuple(after)

    def _granted_s(self, contact: WantedContact, source: Hop) -> int:
        least_s, most_s = self._settings.min_expires_s, self._settings.max_expires_s
        if source.reliable and not contact.reg_id:
            most_s = min(most_s, max(least_s, OVER_CONNECTION_S))
        asked_s = most_s if contact.expires_s is None else contact.expires_s
        if 0 < asked_s < min(least_s, HOUR_S):
            raise RemoteError(423, "Interval Too Brief", (("Min-Expires", str(least_s)),))
        return min(asked_s, most_s)


def _connections(devices: Iterable[Device]) -> set[int]:
    over = (device.source.connection for device in devices if device.ends_with_connection)
    return {connection for connection in over if connection is not None}


def _hosts(devices: Iterable[Device]) -> set[str]:
    return {device.source.remote.host for device in devices}


def _check_order(device: Device, request: RegisterRequest) -> None:
    """§10.3: what a telephone said earlier must not undo what it said later; RemoteError fails the whole request."""
    if device.call_id == request.call_id and request.cseq <= device.cseq:
        raise RemoteError(500, "A Later REGISTER Has Come Before")


def _within(
    after: tuple[Device, ...], before: Sequence[Device], request: RegisterRequest, limit: int
) -> tuple[Device, ...]:
    """As many devices as there may be. A telephone that has moved leaves its old place behind, and takes that of it.

    One too many is refused with 403: a 5xx would have it try for ever, and to push out another one would have two
    telephones push each other out for ever (RFC 3261 §21.4.4: the request SHOULD NOT be repeated).
    """
    if len(after) <= limit:
        return after
    instances = {contact.instance for contact in request.contacts if contact.instance}
    moved = [
        device
        for device in after
        if device in before and (device.call_id == request.call_id or device.instance in instances)
    ]
    while moved and len(after) > limit:
        oldest = moved.pop()
        after = tuple(device for device in after if device is not oldest)
    if len(after) > limit:
        raise RemoteError(403, "Too Many Devices", (("Warning", f'399 voipnode "{limit} devices may register here"'),))
    return after
