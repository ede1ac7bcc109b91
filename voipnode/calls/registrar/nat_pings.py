"""OPTIONS to telephones behind a NAT: their answers keep it from forgetting the way to them (RFC 4787 §4.3).

Those that keep a flow by themselves (RFC 5626) need none.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from voipnode.calls.ports import LocalAddress
from voipnode.calls.registrar.device import Device
from voipnode.sipstack.config import OutsideRequest
from voipnode.sipstack.endpoint import Endpoint
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.timers import DeadlineQueue
from voipnode.sipstack.uri import SipUri

TIMEOUT_S = 2.0  # nothing depends on an answer: it is what passes the NAT that counts

Key = tuple[str, str]  # a number, and the address of a device


class NatPings:
    """Asks each device that is behind a NAT every `interval_s`; 0: none. `user` is who asks."""

    def __init__(self, endpoint: Endpoint, local_address: LocalAddress, user: str, interval_s: float) -> None:
        self._endpoint = endpoint
        self._local_address = local_address
        self._user = user
        self._interval_s = interval_s
        self._devices: dict[Key, Device] = {}
        self._due: DeadlineQueue[Key] = DeadlineQueue()

    def __len__(self) -> int:
        """How many devices are asked."""
        return len(self._devices)

    def follow(self, number: str, before: Iterable[Device], after: Iterable[Device], now: float) -> None:
        """The devices of a number were these and are those; a REGISTER has just passed the NAT of each new one."""
        if not self._interval_s:
            return
        for device in before:
            self._devices.pop((number, str(device.uri)), None)
            self._due.cancel((number, str(device.uri)))
        for device in after:
            if device.is_behind_nat and not device.reg_id:
                self._devices[number, str(device.uri)] = device
                self._due.set((number, str(device.uri)), now + self._interval_s)

    def next_deadline(self) -> float | None:
        return self._due.next_deadline()

    def on_deadline(self, now: float) -> None:
        while (key := self._due.pop_due(now)) is not None:
            self._ask(self._devices[key], now)
            self._due.set(key, now + self._interval_s)

    def _ask(self, device: Device, now: float) -> None:
        me = SipUri("sip", user=self._user, host=self._local_address(device.hop).host)
        request = OutsideRequest("OPTIONS", device.uri, NameAddr(None, me), hop=device.hop, timeout_s=TIMEOUT_S)
        with suppress(LocalError):  # there is no room for it now, or no way to write it; the next one follows
            self._endpoint.request(request, now)
