"""Keeps the telephone line open, and opens it anew when its settings change, between two calls."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from pathlib import Path

from voipnode.calls.commands import Command, PlaceCall, RingRecipients
from voipnode.calls.do_not_disturb import DoNotDisturb
from voipnode.calls.errors import CallError
from voipnode.calls.events import CallChanged, CallState, ExchangeCallChanged, LineSettingsChanged, Problem
from voipnode.calls.hooks import House, Subscription, Tasks
from voipnode.calls.number_memory import NumberMemory
from voipnode.calls.registrar.settings import with_new_passwords
from voipnode.calls.ringing.directory import Directory
from voipnode.calls.settings import AccountSettings, SipSettings
from voipnode.door import Door
from voipnode.line import Line
from voipnode.net.own_certificate import own_certificate
from voipnode.net.sip_sockets import ListenError
from voipnode.net.tls import TlsError
from voipnode.settings import NodeSettings

WAITING: tuple[type[Command], ...] = (PlaceCall, RingRecipients)  # carried out once the line is open again

PORT_SETTINGS = {
    "UDP": "sip.port",
    "TCP": "sip.port",
    "TLS": "sip.tls.port",
    "WS": "sip.websocket.port",
    "WSS": "sip.websocket.secure_port",
}


class LineKeeper:
    """The node's line, by settings that may change.

    Accounts, transports and ports belong to a line as a whole, so a change closes it (its registrations are removed)
    and opens another one; calls that are wanted in this second are placed after it. While a call is on, the change
    waits for its end. A line that does not open gives way to the one before. Doors know nothing of this.
    `changed` is called after each change. `memory` keeps where the node's telephones are, `quiet` who is not to be
    rung; `directory` knows contacts and groups.
    """

    def __init__(
        self,
        door: Door,
        house: House,
        *,
        changed: Callable[[], None],
        memory: NumberMemory | None = None,
        quiet: NumberMemory | None = None,
        directory: Directory | None = None,
    ) -> None:
        self._door = door
        self._bus = house.bus
        self._commands = house.commands
        self._state_dir = house.state_dir
        self._changed = changed
        self._memory = memory
        self._directory = directory
        self._quiet = DoNotDisturb(house.bus, quiet)
        self._work = Tasks("line")
        self._one_at_a_time = asyncio.Lock()
        self._listening: list[Subscription] = []
        self._wanted: NodeSettings | None = None  # what the line is to be like after the call that is on
        self._settings: NodeSettings | None = None
        self.line: Line | None = None

    @property
    def settings(self) -> NodeSettings:
        """What the line is like, or will be after the call that is on."""
        found = self._wanted or self._settings
        assert found is not None, "open it first"
        return found

    @property
    def accounts(self) -> tuple[AccountSettings, ...]:
        """The accounts of the line that is open."""
        return self._settings.all_accounts if self._settings is not None else ()

    async def open(self, settings: NodeSettings) -> None:
        """Open the first line. Raises CallError that names the setting and says what would help."""
        await self._quiet.restore()
        await self._open(settings)
        self._listening = [
            self._bus.subscribe(CallChanged, self._call_changed, who="line"),
            self._bus.subscribe(ExchangeCallChanged, self._call_changed, who="line"),
        ]

    async def change(self, settings: NodeSettings) -> bool:
        """Have the line as `settings` say; False: once the call that is on is over.

        Raises CallError where no line can be opened by them; the one before serves on.
        """
        async with self._one_at_a_time:
            if self._settings is not None and _line_of(settings) == _line_of(self._settings):
                self._settings, self._wanted = settings, None
                return True
            if self.line is not None and self.line.switch.busy:
                self._wanted = settings
                return False
            await self._replace(settings)
            return True

    async def stop(self) -> None:
        """Close the line for good; may be called twice."""
        for subscription in self._listening:
            subscription.cancel()
        await self._work.close()
        await self._close()

    def reload_certificates(self) -> None:
        """Read certificates and keys again; one that cannot be used is told, and the old one serves on."""
        try:
            if self.line is not None:
                self.line.reload_certificates()
        except TlsError as error:
            self._bus.publish(Problem(where="sip.tls", detail=_certificate_words(error)))

    def _call_changed(self, event: CallChanged | ExchangeCallChanged) -> None:
        if self._wanted is not None and event.state is CallState.TERMINATED:
            self._work.start(self._change_later())

    async def _change_later(self) -> None:
        wanted = self._wanted
        try:
            if wanted is not None and await self.change(wanted):
                self._bus.publish(LineSettingsChanged(detail="in use, now that the call is over"))
        except CallError as error:
            self._bus.publish(Problem(where="sip", detail=f"changed settings are not used: {error}"))

    async def _replace(self, settings: NodeSettings) -> None:
        before, self._wanted = self._settings, None
        open_again = asyncio.Event()

        async def later(command: Command) -> str:
            await open_again.wait()
            return await self._commands.execute(command)

        if self.line is not None:
            self.line.take_no_more()
        waiting = [self._commands.register(kind, later, who="line") for kind in WAITING]
        try:
            await self._close()
            await self._open(settings, before_commands=lambda: _cancel(waiting))
        except CallError:
            if before is not None:
                await self._open(before, before_commands=lambda: _cancel(waiting))
            raise
        finally:
            _cancel(waiting)
            open_again.set()
            self._changed()

    async def _open(self, settings: NodeSettings, before_commands: Callable[[], None] = lambda: None) -> None:
        sip = settings.sip
        if self._memory is not None and self._settings is not None:
            for number in with_new_passwords(self._settings.extensions, settings.extensions):
                self._memory.keep(number, [])
        if sip.enabled or settings.vms.enabled:
            line = Line(
                sip,
                settings.all_accounts,
                door=self._door,
                bus=self._bus,
                commands=self._commands,
                own_certificate=self._own_certificate(sip) if sip.enabled else None,
                switching=settings.switch,
                quiet=self._quiet,
                extensions=settings.extensions,
                memory=self._memory,
                vms=settings.vms,
                directory=self._directory,
            )
            try:
                await line.open(before_commands)
            except BaseException as error:  # nothing half open stays; raised again
                await line.close()
                if isinstance(error, TlsError | ListenError):
                    raise CallError(_in_words(error, sip)) from error
                raise
            self.line = line
            self._tell_of_key_log(sip)
        self._settings = settings

    async def _close(self) -> None:
        line, self.line = self.line, None
        if line is not None:
            await line.close()

    def _own_certificate(self, sip: SipSettings) -> Path | None:
        """Where a node shows a certificate and none is set, it makes one."""
        if sip.tls.certificate or not (sip.tls.enabled or sip.websocket.enabled):
            return None
        path = self._state_dir / "sip-tls.pem"
        try:
            return own_certificate(path)
        except OSError as error:
            raise CallError(f"--state-dir {self._state_dir}: {path.name}: {error.strerror or error}") from error

    def _tell_of_key_log(self, sip: SipSettings) -> None:
        if sip.tls.key_log:
            words = (
                f"the secrets of TLS connections and DTLS handshakes are written to {sip.tls.key_log}: whoever has"
                ' that file reads and hears the calls; set key_log = "" when the capture is done, and remove the file'
            )
            self._bus.publish(Problem(where="sip.tls.key_log", detail=words))


def _line_of(settings: NodeSettings) -> tuple[object, ...]:
    """What of the settings a line is made of."""
    accounts = [(account.id, account) for account in settings.all_accounts]
    return settings.sip, settings.vms, accounts, settings.switch, settings.extensions


def _cancel(subscriptions: list[Subscription]) -> None:
    for subscription in subscriptions:
        subscription.cancel()


def _in_words(error: TlsError | ListenError, sip: SipSettings) -> str:
    if isinstance(error, TlsError):
        return _certificate_words(error)
    if error.errno == errno.EADDRINUSE:
        return (
            f"{PORT_SETTINGS[error.transport]} = {error.port}: another program has this port; stop it, or set another"
            " one (1024 to 65535)"
        )
    return f"sip.hosts = {list(sip.hosts)}: {error.strerror or error}"


def _certificate_words(error: TlsError) -> str:
    """A certificate, key or CA file that cannot be used, by its setting."""
    if error.profile and error.field != "key_log":
        field = {"key": "private_key"}.get(error.field, error.field)
        return f'account "{error.profile}", {field}: {error}'
    field = {"key": "private_key", "ca": "client_ca"}.get(error.field, error.field)
    return f"sip.tls.{field}: {error}"
