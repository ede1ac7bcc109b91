"""The switch: calls and their legs, decided without I/O.

It is an engine like the ones below it: bytes and time go in, packets and a deadline come out, and everything that
happens is published on the bus. It owns the SIP endpoint; audio streams live on media paths that `net` opens.
Its parts: `reception` takes every new call, `door_calls` has those of the door, `exchange` those through the node,
`registrar` and `accounts` know where telephones and servers are; `core` is what they share.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from voipnode.calls.accounts import Accounts
from voipnode.calls.admission import Admission
from voipnode.calls.call import Call
from voipnode.calls.clips.ports import NO_CLIPS, Clips
from voipnode.calls.core import CallCore, Found
from voipnode.calls.do_not_disturb import DoNotDisturb
from voipnode.calls.door_bridge import DoorBridge
from voipnode.calls.door_calls import DoorCalls
from voipnode.calls.errors import NotNowError, UnknownNameError
from voipnode.calls.events import CallReason
from voipnode.calls.exchange.build import build_exchange
from voipnode.calls.exchange.lamps import BusyLamps
from voipnode.calls.exchange.ports import Groups, NoGroups
from voipnode.calls.exchange.settings import NO_RULES, SwitchSettings
from voipnode.calls.hooks import Bus
from voipnode.calls.mailboxes import Mailboxes
from voipnode.calls.number_memory import NoMemory, NumberMemory
from voipnode.calls.ports import Find, LocalAddress
from voipnode.calls.reception import Reception
from voipnode.calls.refusals import Refusals
from voipnode.calls.registrar.registrar import Registrar
from voipnode.calls.registrar.settings import ExtensionSettings
from voipnode.calls.registration import FlowEvent
from voipnode.calls.ringing.parties import Parties
from voipnode.calls.ringing.plan import RingPlan
from voipnode.calls.schedules.active import ALWAYS
from voipnode.calls.settings import AccountSettings, SipSettings
from voipnode.calls.sip_leg import LegMedia, SipLeg
from voipnode.calls.texts import Texts
from voipnode.calls.vms.leg import VmsLeg
from voipnode.calls.vms.settings import VmsSettings
from voipnode.calls.ways import Way
from voipnode.media.events import AddressesGathered
from voipnode.sipstack import events as sip
from voipnode.sipstack.endpoint import Endpoint
from voipnode.sipstack.grammar import printable
from voipnode.sipstack.transport import Hop, Packet
from voipnode.sipstack.uri import SipUri, normal_host

OPTION_TAGS = ("replaces", "norefersub")  # what the switch serves beyond its endpoint (RFC 3891, RFC 4488)


class Switch:
    """All calls of the node.

    Engine verbs (`receive`, `outbox`, `next_deadline`, `on_deadline`, ...) are for `net`'s driver, the commands
    (`ring`, `answer`, `hang_up`, ...) for the desk. `wake` is called after a command or a media event, so that the
    driver sends what came of it. `extensions` are the node's own telephones, `memory` keeps where they are, `utc_s` is
    the time of day in seconds since 1970.
    """

    def __init__(
        self,
        settings: SipSettings,
        accounts: Sequence[AccountSettings],
        *,
        endpoint: Endpoint,
        local_address: LocalAddress,
        media: LegMedia,
        door: DoorBridge,
        bus: Bus,
        find: Find,
        instance: str = "",
        clips: Clips = NO_CLIPS,
        switching: SwitchSettings = NO_RULES,
        groups: Groups | None = None,
        extensions: Sequence[ExtensionSettings] = (),
        memory: NumberMemory | None = None,
        utc_s: Callable[[], float] = lambda: 0.0,
        vms: VmsSettings | None = None,
        is_active: Callable[[str], bool] = lambda schedule: schedule == ALWAYS,
        quiet: DoNotDisturb | None = None,
    ) -> None:
        self._quiet = quiet or DoNotDisturb(bus)
        scheduled = settings.incoming.do_not_disturb
        self._quiet.settle(door=lambda: is_active(scheduled), extensions=extensions)
        self.accounts = Accounts(
            settings,
            accounts,
            endpoint=endpoint,
            find=find,
            random_bits=media.random_bits,
            bus=bus,
            instance=instance,
        )
        self._core = CallCore(
            settings, endpoint=endpoint, local_address=local_address, media=media, door=door, bus=bus, clips=clips
        )
        self._core.on_media_events = self._on_media_events
        self._core.after_command = self._after_command
        admission = Admission(
            settings,
            self.accounts,
            media.random_bits(256).to_bytes(32, "big"),
            is_own=lambda host, hop: normal_host(local_address(hop).host) == normal_host(host),
            extensions=extensions,
            homes=self._at_home,
            is_quiet=self._quiet.holds,
        )
        self.registrar = Registrar(
            settings.registrar,
            extensions,
            endpoint=endpoint,
            local_address=local_address,
            bus=bus,
            memory=memory or NoMemory(),
            utc_s=utc_s,
            proven=admission.guard.proven,
            user_id=next((each.user_id for each in accounts if each.default), "door"),
            quiet=self._quiet,
        )
        if extensions:
            endpoint.serve_registrations(self.registrar)
        self.exchange = build_exchange(
            self._core, switching, accounts=self.accounts, registrar=self.registrar, groups=groups or NoGroups()
        )
        self._lamps = BusyLamps(
            self._core,
            self.exchange.board,
            numbers=self.registrar.extensions,
            proven=admission.guard.proven,
            door=self.registrar.user_id,
        )
        self._door = DoorCalls(self._core, self.exchange.at_door, vms or VmsSettings())
        self.vms = self._door.vms
        self._reception = Reception(self._core, admission, self._door.incoming, self.exchange)
        self._texts = Texts(self._core)
        self._mailboxes = Mailboxes(self._core, self.accounts)
        self._endpoint = endpoint
        self._table = self._core.table
        self._refused = Refusals()
        self.wake: Callable[[], None] = lambda: None
        endpoint.screen(admission.guard)
        self._admission = admission

    def reach_by(self, reach: Callable[[SipUri, AccountSettings, Callable[[Found, float], None]], None]) -> None:
        """Have addresses that far sides name looked up by `reach`; it calls back with what it found, and the time."""

        def look_up(uri: SipUri, account: AccountSettings, then: Callable[[Found], None]) -> None:
            def done(ways: Found, now: float) -> None:
                self._core.now = now
                then(ways)
                self._after_command()

            reach(uri, account, done)

        self._core.reach = look_up

    # The engine's verbs

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        """Take bytes that came from `source`: a datagram, or any piece of a stream."""
        self._core.now = now
        self._endpoint.receive(data, source, now)
        self._drain()

    def connection_closed(self, source: Hop, now: float) -> None:
        """A stream connection is gone."""
        self._core.now = now
        self._endpoint.connection_closed(source, now)
        self.registrar.connection_closed(source, now)
        self._drain()

    def send_failed(self, transaction: str, now: float, why: str = "") -> None:
        """A packet of `transaction` could not be sent; `why` is told to people where a call fails by it."""
        self._core.now = now
        self._endpoint.send_failed(transaction, now, why)
        self._drain()

    def outbox(self, now: float) -> list[Packet]:
        """The SIP packets to send now, in order."""
        return self._endpoint.outbox(now)

    def closes(self) -> list[Hop]:
        """Connections that are to be closed."""
        return self._endpoint.closes()

    def next_deadline(self) -> float | None:
        """When `on_deadline` wants to be called."""
        clocks = (
            *(self._endpoint, self._door, self.exchange),
            *(self.accounts, self.registrar, self._mailboxes),
        )
        deadlines = [clock.next_deadline() for clock in clocks]
        return min((at for at in deadlines if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        """Do what is due: the endpoint's timers, then the calls' own limits."""
        self._core.now = now
        self._endpoint.on_deadline(now)
        self._drain()
        self._mailboxes.on_deadline(now)
        self.registrar.on_deadline(now)
        self.exchange.on_deadline(now)
        self._door.on_deadline(now)
        self.accounts.on_deadline(now)
        self._drain()

    # Commands

    @property
    def settings(self) -> SipSettings:
        """How it speaks SIP."""
        return self._core.settings

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls that are not yet over, oldest first."""
        return self._table.calls

    @property
    def busy(self) -> bool:
        """Whether any call is not yet over, at the door or through the node."""
        return bool(self.calls or self.exchange.board.calls)

    def account(self, name: str) -> AccountSettings:
        """The active account of that name, the default one for "". Raises UnknownNameError."""
        return self.accounts.named(name)

    def register(self, now: float) -> None:
        """Register the accounts that do, and tell how all of them stand."""
        self._core.now = now
        self.accounts.start(now)
        self._after_command()

    def refresh(self, account: str, now: float) -> None:
        """Register that account now, whatever its timers say. Raises UnknownNameError, CallError."""
        self._core.now = now
        self.accounts.refresh(account, now)
        self._after_command()

    def unregister(self, now: float) -> None:
        """Remove every registration, because the node stops; `accounts.stopped` within a second."""
        self._core.now = now
        self.accounts.stop(now)
        self._after_command()

    def ring(
        self,
        ways: Sequence[Way],
        now: float,
        *,
        authorised: bool,
        button: str = "",
        vms: bool = False,
    ) -> str:
        """Call 1 to 6 parties at once, and with `vms` clients; returns the call's id. Raises CallError when that cannot
        be tried."""
        self._core.now = now
        call_id = self._door.outgoing.ring(ways, authorised=authorised, button=button, vms=vms)
        self._after_command()
        return call_id

    def ring_by(self, parties: Parties) -> None:
        """Have parties of plans looked up by `parties`, which calls back by `resume`."""
        self._core.parties = parties

    def hunt(
        self,
        plan: RingPlan,
        account: AccountSettings,
        now: float,
        *,
        known: Mapping[str, Sequence[Way]] = MappingProxyType({}),
        authorised: bool,
        button: str = "",
    ) -> str:
        """Ring by a plan; returns the call's id. Raises CallError when it cannot be tried.

        `known` are ways that have been found already, by address. Until somebody answers the call is told as
        `account`'s.
        """
        self._core.now = now
        call_id = self._door.outgoing.hunt(plan, account, known=known, authorised=authorised, button=button)
        self._after_command()
        return call_id

    def resume(self, now: float, then: Callable[[], None]) -> None:
        """Go on with something that was waited for."""
        self._core.now = now
        then()
        self._after_command()

    def call(self, call_id: str) -> Call:
        """The door's call of that id. Raises UnknownNameError, and NotNowError for a call through the node."""
        if self.exchange.board.knows(call_id):
            raise NotNowError(
                f'call "{call_id}" goes through the node, between two telephones: these hold it, transfer it and send'
                " digits themselves; here it can be ended"
            )
        return self._table.known(call_id)

    def answer(self, call_id: str, now: float) -> None:
        """Answer a call that rings here."""
        self._core.now = now
        self._door.incoming.answer(self.call(call_id))
        self._after_command()

    def speak(self, form: str, who: str, call: str, now: float) -> tuple[str, VmsLeg]:
        """A client answers a call by sending sound. Raises CallError, NotNowError."""
        self._core.now = now
        answered = self.vms.speak(form, who, call)
        self._after_command()
        return answered

    def hang_up(self, call_id: str, now: float, detail: str = "hung up here") -> None:
        """End a call in any state: cancels while it rings out, rejects with 486 while it rings here, else BYE."""
        self._core.now = now
        if self.exchange.board.knows(call_id):
            self.exchange.hang_up(call_id, detail)
        else:
            self._core.end(self._table.known(call_id), (CallReason.TERMINATED, 0, detail))
        self._after_command()

    def hang_up_all(self, now: float) -> None:
        """End every call, because the node stops."""
        for call_id in [*(call.id for call in self.calls), *(call.id for call in self.exchange.board.calls)]:
            self.hang_up(call_id, now, "the node stops")

    def abandon(self, now: float) -> None:
        """Let go of calls whose far side has not agreed to their end: of ports, and of relays at servers; and of the
        bus, where another switch may follow."""
        for call in self.calls:
            for leg in call.legs.values():
                leg.close(now)
        self.exchange.abandon(now)
        self._core.close()

    def send_digits(self, call_id: str, digits: str, now: float) -> None:
        """Send digits by the first road of the account that the far side takes. Raises CallError, NotNowError."""
        self._core.now = now
        self._door.digits.send(self.call(call_id), digits)
        self._after_command()

    def hold(self, call_id: str, now: float, *, held: bool) -> None:
        """Put an active call on hold, or take it back. Raises CallError, NotNowError."""
        self._core.now = now
        self._door.holds.set(self.call(call_id), held=held)
        self._after_command()

    def transfer(self, call_id: str, now: float, *, to: SipUri | None = None, with_call: str = "") -> None:
        """Send the far side to an address, or to the far side of another call. Raises CallError, NotNowError."""
        self._core.now = now
        call = self.call(call_id)
        if to is not None:
            self._door.transfers.blind(call, to)
        else:
            self._door.transfers.attended(call, self.call(with_call))
        self._after_command()

    def do_not_disturb(self, extension: str, *, on: bool) -> None:
        """Have an extension, or the door (""), not be rung, or be rung again. Raises UnknownNameError."""
        if extension and extension not in self.registrar.extensions:
            raise UnknownNameError(f'extension "{extension}": there is none of that number')
        self._quiet.set(extension, on=on)

    def extensions(self, now: float) -> list[dict[str, Any]]:
        """The extensions with their telephones and calls, as JSON-ready data."""
        return [
            {**self.registrar.shown(number, now), "calls": self._lamps.shown(number)}
            for number in self.registrar.extensions
        ]

    def _at_home(self, host: str) -> Collection[str]:
        return self.registrar.bindings.at_home(host)

    def is_stranger(self, host: str) -> bool:
        """Whether this address is in none of `sip.incoming_networks` and no server's of an account."""
        return self._admission.is_outside(host)

    def _after_command(self) -> None:
        self._drain()
        self.wake()

    # What happens

    def _drain(self) -> None:
        """Carry what the endpoint tells to the calls, and have who watches them see what came of it."""
        self._carry_events()
        self._lamps.look(self._core.now)

    def _carry_events(self) -> None:
        while (event := self._endpoint.next_event()) is not None:
            if isinstance(event, sip.IncomingCall):
                self._reception.on_call(event)
            elif isinstance(event, (sip.NotifyReceived, sip.NoticeReceived, sip.SubscriptionEnded)):
                self._mailboxes.on_event(event)
            elif isinstance(event, sip.MessageReceived):
                self._texts.on_message(event)
            elif isinstance(event, FlowEvent):
                self.accounts.on_event(event, self._core.now)
            elif isinstance(event, sip.Refused):
                words = f"{event.status or 'dropped:'} {printable(event.reason)}"
                self._refused.note(event.source.remote.host, words, self._core.now)
            elif not self.exchange.on_event(event):
                self._door.on_event(event)

    def _on_media_events(self, leg: SipLeg) -> None:
        event = leg.next_media_event()
        if event is None:  # asked after every packet, and nearly always so
            return
        while event is not None:
            self._core.now = max(self._core.now, event.at)
            if isinstance(event, AddressesGathered):
                leg.gathered(self._core.now)
            elif self.exchange.owns(leg.session):
                self.exchange.on_media_event(leg, event)
            else:
                self._door.on_media_event(leg, event)
            event = leg.next_media_event()
        self._after_command()
