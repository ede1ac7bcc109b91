"""The one place that wires the house: nobody imports it but the command line."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
from pathlib import Path
from typing import IO, Any, Protocol

from voipnode import __version__
from voipnode.calls.door_measurement import DoorMeasurement
from voipnode.calls.errors import CallError
from voipnode.calls.events import Event, NodeStarted, NodeStopping, Problem, RegistrationChanged, RegistrationState
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.line import Line
from voipnode.modules.audio.module import make_device
from voipnode.modules.button.module import DESCRIPTOR as BUTTON
from voipnode.modules.dtmf.module import DESCRIPTOR as DTMF
from voipnode.modules.light.module import DESCRIPTOR as LIGHT
from voipnode.modules.relay.history import previous_run
from voipnode.modules.relay.module import DESCRIPTOR as RELAY
from voipnode.net.clock import MediaClock
from voipnode.net.kernel_timer import KernelTimer
from voipnode.net.own_certificate import own_certificate
from voipnode.net.sip_sockets import ListenError
from voipnode.net.tls import TlsError
from voipnode.settings import NodeSettings
from voipnode.store.state import EventLog
from voipnode.web.server import WebServer

log = logging.getLogger(__name__)

# The relay first: the outputs are held, and in their normal state, before anything can ask for them.
MODULES = (RELAY, LIGHT, DTMF, BUTTON)


PORT_SETTINGS = {
    "UDP": "sip.port",
    "TCP": "sip.port",
    "TLS": "sip.tls.port",
    "WS": "sip.websocket.port",
    "WSS": "sip.websocket.secure_port",
}


class StartError(Exception):
    """The node cannot start; the message names the setting and says what would help."""


class _Part(Protocol):
    async def stop(self) -> None: ...


class Node:
    """The whole node. Make it in a running loop; `start` raises StartError, with nothing left running."""

    def __init__(self, settings: NodeSettings, state_dir: Path) -> None:
        self._settings = settings
        self._state_dir = state_dir
        self._accounts = settings.all_accounts
        self._lock: IO[bytes] | None = None
        self._started: list[_Part] = []
        self.bus = Bus(asyncio.get_running_loop().time)
        commands = Commands()
        self._device = make_device(settings.audio, settings.audio.rate_hz, self.bus, commands)
        # On a clock of its own, which runs only where no call has the device: it measures with SIP off, too.
        self._measurement = DoorMeasurement(self._device, MediaClock(alarm=KernelTimer), self.bus)
        self._house = House(self.bus, commands, state_dir, self._measurement)
        self._log = EventLog(settings.state, state_dir, on_problem=self._store_problem)
        self.line: Line | None = None

    async def start(self) -> None:
        """Start everything, doors first; raises StartError."""
        try:
            await self._start()
        except (StartError, CallError, OSError) as error:
            await self.stop()
            raise error if isinstance(error, StartError) else StartError(str(error)) from error

    async def _start(self) -> None:
        self._claim_state_dir()
        doors_before = previous_run(self._state_dir)  # asked before the relay module begins a new journal
        self.bus.subscribe(Event, self._write_down, who="log")
        # The web's picture of the house is drawn from events alone, so it listens before anything speaks.
        about: dict[str, Any] = {}
        web = WebServer(self._settings.web, self._house, about) if self._settings.web.enabled else None
        await self._log.start()
        self._started.append(self._log)
        if self._settings.sip.enabled:
            await self._open_line()
        about.update(self.about())
        for descriptor in MODULES:
            module = descriptor.build(self._house, self._settings.of(descriptor.settings_type))
            self._started.append(module)
            await module.start()
        if web is not None:
            self._started.append(web)
            await web.start()
        self.bus.publish(NodeStarted(version=__version__, previous=self._before(doors_before)))

    async def _open_line(self) -> None:
        sip = self._settings.sip
        line = Line(
            sip,
            self._accounts,
            device=self._device,
            bus=self.bus,
            commands=self._house.commands,
            own_certificate=self._own_certificate(),
            measurement=self._measurement,
            sound=self._settings.audio.front_end,
        )
        try:
            await line.open()
        except TlsError as error:
            raise StartError(_certificate_words(error)) from error
        except ListenError as error:
            if error.errno == errno.EADDRINUSE:
                raise StartError(
                    f"{PORT_SETTINGS[error.transport]} = {error.port}: another program has this port; stop it, or set"
                    " another one (1024 to 65535)"
                ) from error
            raise StartError(f"sip.hosts = {list(sip.hosts)}: {error.strerror or error}") from error
        self.line = line
        self._started.append(_Closing(line))
        if sip.tls.key_log:
            words = (
                f"the secrets of TLS connections are written to {sip.tls.key_log}: whoever has that file reads the"
                ' calls; set key_log = "" when the capture is done, and remove the file'
            )
            self.bus.publish(Problem(where="sip.tls.key_log", detail=words))

    def _own_certificate(self) -> Path | None:
        """Where a node shows a certificate and none is set, it makes one."""
        sip = self._settings.sip
        if sip.tls.certificate or not (sip.tls.enabled or sip.websocket.enabled):
            return None
        path = self._state_dir / "sip-tls.pem"
        try:
            return own_certificate(path)
        except OSError as error:
            raise StartError(f"--state-dir {self._state_dir}: {path.name}: {error.strerror or error}") from error

    def reload_certificates(self) -> None:
        """Read certificates and keys again; one that cannot be used is told, and the old one serves on."""
        try:
            if self.line is not None:
                self.line.reload_certificates()
        except TlsError as error:
            self.bus.publish(Problem(where="sip.tls", detail=_certificate_words(error)))

    def _before(self, doors: str) -> str:
        """How the run before ended, in words: the node by state.db, the doors by the guardian's journal."""
        run = self._log.previous_run()
        if run is None and doors:
            return f"the event log knows of no run before: it is new or cannot be read; {doors}"
        return "; ".join(str(words) for words in (run, doors) if words)

    def about(self) -> dict[str, Any]:
        """What does not change while the node runs, for pages and greetings."""
        line = self.line
        return {
            "name": self._settings.name,
            "version": __version__,
            "audio": self._device.description,
            "sip_addresses": line.addresses() if line is not None else [],
            "inputs": [item.name for item in self._settings.inputs],
            "accounts": [
                {
                    "id": account.id,
                    "name": account.name,
                    "type": account.type,
                    "user_id": account.user_id,
                    "default": account.default,
                    "active": account.active,
                }
                for account in self._accounts
            ],
        }

    async def stop(self) -> None:
        """Stop everything, last started first; doors return to normal, what happened is on the disk."""
        if self._started:
            self.bus.publish(NodeStopping())
        while self._started:
            part = self._started.pop()
            try:
                await part.stop()
            except Exception:  # the edge: one part's failure must not keep the others, or a door, as they are
                log.exception("%s did not stop in order", type(part).__name__)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _claim_state_dir(self) -> None:
        try:
            self._state_dir.mkdir(parents=True, exist_ok=True)
            self._lock = (self._state_dir / "lock").open("wb")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(f"--state-dir {self._state_dir}: another node is running there") from None
        except OSError as error:
            raise StartError(f"--state-dir {self._state_dir}: {error.strerror}; a writable folder is needed") from error

    def _write_down(self, event: Event) -> None:
        data = event.to_dict()
        self._log.append(event.name, data)
        is_bad = isinstance(event, Problem) or (
            isinstance(event, RegistrationChanged) and event.state is RegistrationState.PROBLEM
        )
        level = logging.WARNING if is_bad else logging.INFO
        words = " ".join(
            f"{key}={value}" for key, value in data.items() if key not in ("event", "at") and value not in ("", 0, 0.0)
        )
        log.log(level, "%s %s", event.name, words)

    def _store_problem(self, detail: str) -> None:
        self.bus.publish(Problem(where="state", detail=detail))


def _certificate_words(error: TlsError) -> str:
    """A certificate, key or CA file that cannot be used, by its setting."""
    if error.profile and error.field != "key_log":
        field = {"key": "private_key"}.get(error.field, error.field)
        return f'account "{error.profile}", {field}: {error}'
    field = {"key": "private_key", "ca": "client_ca"}.get(error.field, error.field)
    return f"sip.tls.{field}: {error}"


class _Closing:
    """The line as a part of the node."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def stop(self) -> None:
        await self._line.close()
