"""The node as registrar of its own telephones (RFC 3261 §10.3), and how they are called.

Who registers has proven himself to the guard. Any domain will do: whoever reaches this node means it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from voipnode.calls.do_not_disturb import DoNotDisturb
from voipnode.calls.errors import NotNowError
from voipnode.calls.events import ExtensionChanged
from voipnode.calls.hooks import Bus
from voipnode.calls.number_memory import NumberMemory
from voipnode.calls.ports import LocalAddress
from voipnode.calls.registrar.bindings import Bindings
from voipnode.calls.registrar.device import Device
from voipnode.calls.registrar.nat_pings import NatPings
from voipnode.calls.registrar.settings import ExtensionSettings, RegistrarSettings, extension_account
from voipnode.calls.settings import AccountSettings
from voipnode.calls.ways import Way, straight
from voipnode.sipstack.config import Detour
from voipnode.sipstack.endpoint import Endpoint
from voipnode.sipstack.errors import ParseError, RemoteError
from voipnode.sipstack.fields import format_date
from voipnode.sipstack.message import Request
from voipnode.sipstack.register_request import RegisterRequest, read_register
from voipnode.sipstack.transport import Hop

# How often a telephone that keeps a flow shall say that it is there (RFC 5626 §4.4): over UDP before the NAT forgets.
FLOW_TIMER_S = {False: 25, True: 120}

Proven = Callable[[Request, Hop], str]
"""The name under which the sender of a request that was just let in has proven himself, "" for nobody's."""


class Extension:
    """One extension as the registrar keeps it; what is made of its settings is made when it is first needed."""

    def __init__(self, settings: ExtensionSettings, user_id: str) -> None:
        self.settings = settings
        self._user_id = user_id

    @property
    def number(self) -> str:
        return self.settings.number

    @cached_property
    def account(self) -> AccountSettings:
        """What its legs are of."""
        return extension_account(self.settings, self._user_id)


class Registrar:
    """Keeps the bindings of the extensions and tells where their devices are.

    `user_id`: whom the telephones see calling where the door calls. `utc_s`: the time of day in seconds since 1970.
    Publishes `ExtensionChanged` when devices come, move or go.
    """

    def __init__(
        self,
        settings: RegistrarSettings,
        extensions: Sequence[ExtensionSettings],
        *,
        endpoint: Endpoint,
        local_address: LocalAddress,
        bus: Bus,
        memory: NumberMemory,
        utc_s: Callable[[], float],
        proven: Proven,
        user_id: str,
        quiet: DoNotDisturb,
    ) -> None:
        self._quiet = quiet
        self.user_id = user_id
        self.extensions = {each.number: Extension(each, user_id) for each in extensions}
        self.bindings = Bindings(settings, self._changed)
        self._pings = NatPings(endpoint, local_address, user_id, settings.nat_keep_alive_s)
        self._local_address = local_address
        self._bus = bus
        self._memory = memory
        self._utc_s = utc_s
        self._proven = proven

    # ---- REGISTER

    def register(self, request: Request, source: Hop, now: float) -> tuple[tuple[str, str], ...]:
        """Carry out a REGISTER and give the fields of its 200; RemoteError for any other answer."""
        wanted = read_register(request)
        name = self._proven(request, source)
        if name != wanted.user:  # §10.3 step 4; nobody registers for somebody else
            raise RemoteError(403, "Forbidden")
        extension = self.extensions.get(wanted.user)
        if extension is None:  # a caller with a password, and no extension
            raise RemoteError(404, "Not Found")
        devices = self.bindings.carry_out(wanted.user, wanted, source, extension.settings.max_devices, now)
        return self._answer(wanted, devices, source, now)

    def _answer(
        self, wanted: RegisterRequest, devices: Sequence[Device], source: Hop, now: float
    ) -> tuple[tuple[str, str], ...]:
        """§10.3 step 8, RFC 3327 §5.3, RFC 5626 §6."""
        fields = [("Contact", device.contact(now)) for device in devices]
        fields += [("Path", value) for value in wanted.path]
        fields.append(("Supported", "path, outbound"))
        if wanted.outbound:
            fields.append(("Require", "outbound"))
            if wanted.direct:
                fields.append(("Flow-Timer", str(FLOW_TIMER_S[source.reliable])))
        fields.append(("Date", format_date(datetime.fromtimestamp(self._utc_s(), UTC))))
        return tuple(fields)

    # ---- who is where

    def ways_to(self, number: str) -> tuple[Way, ...]:
        """How each telephone of an extension is called, the one registered last first; none where there are none.

        Of one telephone that keeps several flows the newest is taken, and the others if that one fails: it must not be
        reached by two at once (RFC 5626 §7).
        """
        extension = self.extensions.get(number)
        if extension is None:
            return ()
        flows: dict[str, list[Device]] = {}
        for device in self.bindings.of(number):
            flows.setdefault(device.instance or str(device.uri), []).append(device)
        return tuple([self._way(extension, first, others) for first, *others in flows.values()])

    def reach(self, number: str) -> tuple[Way, ...]:
        """As `ways_to`; raises NotNowError, in words, where its telephones do not ring now."""
        if self._quiet.holds(number):
            raise NotNowError(f'extension "{number}" does not want to be disturbed')
        ways = self.ways_to(number)
        if not ways:
            raise NotNowError(f'extension "{number}" has no telephone registered now')
        return ways

    def _way(self, extension: Extension, device: Device, others: Sequence[Device]) -> Way:
        hop = device.hop
        way = straight(device.uri, [hop], extension.account, self._local_address(hop).host)
        detours = tuple([Detour((each.hop,), each.uri, way.from_, each.path) for each in others])
        opens = extension.settings.opens
        return replace(way, routes=device.path, detours=detours, only_hop=device.is_behind_nat, opens=opens)

    # ---- verbs

    def connection_closed(self, hop: Hop, now: float) -> None:
        self.bindings.connection_closed(hop, now)

    def next_deadline(self) -> float | None:
        deadlines = (self.bindings.next_deadline(), self._pings.next_deadline())
        return min((at for at in deadlines if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        self.bindings.on_deadline(now)
        self._pings.on_deadline(now)

    # ---- what is remembered

    async def restore(self, now: Callable[[], float]) -> None:
        """Take up what was remembered of the run before; records that cannot be read count as none, and those of
        extensions that there are no more are forgotten."""
        records = await self._memory.load()
        for number, devices in records.items():
            if number in self.extensions:
                self.bindings.restore(number, self._read(devices, now()), now())
            else:
                self._memory.keep(number, [])

    def _read(self, records: Sequence[Mapping[str, Any]], now: float) -> list[Device]:
        found = []
        for record in records:
            try:
                found.append(Device.from_record(dict(record), now, self._utc_s()))
            except (ValueError, TypeError, KeyError, ParseError):
                continue  # of another version of the node; the telephone will register anew
        return found

    def _changed(self, number: str, before: tuple[Device, ...], after: tuple[Device, ...], now: float) -> None:
        self._pings.follow(number, before, after, now)
        utc_s = self._utc_s()
        lasting = [device for device in after if not device.ends_with_connection]
        if lasting or any(not device.ends_with_connection for device in before):
            self._memory.keep(number, [device.to_record(device.expires_at - now, utc_s) for device in lasting])
        if {_place(device) for device in before} != {_place(device) for device in after}:
            self.tell(number, now)

    def tell(self, number: str, now: float) -> None:
        """Publish how an extension stands."""
        extension = self.extensions[number].settings
        devices = tuple(self._devices(number, now))
        self._bus.publish(ExtensionChanged(at=now, number=number, display_name=extension.name, devices=devices))

    def shown(self, number: str, now: float) -> dict[str, Any]:
        """An extension as JSON-ready data, without its password."""
        extension = self.extensions[number].settings
        return {
            "number": number,
            "name": extension.name,
            "do_not_disturb": self._quiet.holds(number),
            "devices": self._devices(number, now),
        }

    def _devices(self, number: str, now: float) -> list[dict[str, Any]]:
        return [_shown(device, now) for device in self.bindings.of(number)]


def _place(device: Device) -> tuple[str, Hop, str]:
    return str(device.uri), device.hop, device.user_agent


def _shown(device: Device, now: float) -> dict[str, Any]:
    return {
        "contact": str(device.uri),
        "address": str(device.hop.remote),
        "transport": device.hop.transport,
        "user_agent": device.user_agent,
        "expires_s": max(0, round(device.expires_at - now)),
    }
