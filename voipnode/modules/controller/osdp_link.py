"""The node as a peripheral device on a door controller's OSDP line, with libosdp.

The controller asks, some ten or twenty times a second, and we answer; so libosdp is given a turn when the line brings
something, and once after a silence, and needs no thread. A card or keys are told in the answer to the next question.
If none comes within 2 s they are forgotten: libosdp by itself would keep them until the controller is back.

Of the package `osdp` only what lies beneath is used: its own device keeps every command for ever and prints.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from voipnode.calls.errors import CallError, NotNowError
from voipnode.credentials.bits import to_bytes
from voipnode.credentials.osdp_frames import FrameGate
from voipnode.hardware.key_file import KEY_BYTES, KeyFile
from voipnode.hardware.osdp_channel import OsdpChannel
from voipnode.hardware.serial_port import SerialPort
from voipnode.modules.controller.link import CONNECTED, CONNECTING, NOT_CONNECTED, Ear
from voipnode.modules.controller.osdp_feedback import OsdpFeedback
from voipnode.modules.controller.settings import OsdpSettings

log = logging.getLogger(__name__)

DELIVER_S = 2.0
SILENT_S = 8.1  # after 8 s without a question a device is offline (IEC 60839-11-5)
RETRY_S = 2.0
MAX_COMMANDS = 64  # of one turn
MAX_KEYS = 32
EMERGENCY = 0  # libosdp writes to standard error by itself: whoever has the line could fill the log
# A keypad says "*" and "#" as DELETE and RETURN.
KEY_CODES = {"*": 0x7F, "#": 0x0D, **{digit: ord(digit) for digit in "0123456789"}}

OpenPort = Callable[[str, int], SerialPort]


def libosdp() -> Any:
    """The library; raises CallError where it is not installed."""
    try:
        import osdp_sys
    except ImportError as error:
        raise CallError(
            'controller: protocol = "osdp" needs libosdp, which is not installed (pip install voipnode[osdp])'
        ) from error
    return osdp_sys


class OsdpLink:
    """One reader at `settings.address` of the line."""

    def __init__(self, settings: OsdpSettings, key_file: KeyFile, open_port: OpenPort = SerialPort) -> None:
        self.name = "osdp"
        self.found = ()
        self._settings = settings
        self._key_file = key_file
        self._open_port = open_port
        self._ear: Ear | None = None
        self._osdp: Any = None
        self._port: SerialPort | None = None
        self._channel: OsdpChannel | None = None
        self._device: Any = None
        self._key: bytes | None = None
        self._commands: deque[dict[str, Any]] = deque(maxlen=MAX_COMMANDS)
        self._feedback = OsdpFeedback()
        self._told: tuple[str, str] | None = None
        self._heard, self._heard_at = 0, 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._one_at_a_time = asyncio.Lock()
        self._answered: asyncio.Future[int] | None = None

    async def start(self, ear: Ear) -> None:
        """Begin to answer. A line that is not there is told, and sought; raises CallError where libosdp is missing."""
        self._ear = ear
        self._osdp = libosdp()
        self._osdp.set_loglevel(EMERGENCY)
        self._open()

    async def stop(self) -> None:
        self._close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._ear = None

    async def card(self, bits: str, reader: str) -> None:
        """Tell a card: raw bits, as they would come by Wiegand."""
        await self._tell_controller(
            {
                "event": self._osdp.EVENT_CARDREAD,
                "reader_no": 0,
                "direction": 0,
                "format": self._osdp.CARD_FMT_RAW_WIEGAND,
                "length": len(bits),
                "data": to_bytes(bits),
            }
        )

    async def keys(self, keys: str, reader: str) -> None:
        data = bytes(KEY_CODES[key] for key in keys[:MAX_KEYS] if key in KEY_CODES)
        await self._tell_controller({"event": self._osdp.EVENT_KEYPRESS, "reader_no": 0, "data": data})

    async def _tell_controller(self, event: dict[str, Any]) -> None:
        async with self._one_at_a_time:
            state, detail = self._state()
            if state != CONNECTED:
                raise NotNowError(f"the door controller does not hear us: {detail}")
            self._answered = asyncio.get_running_loop().create_future()
            if not self._device.submit_event(event):
                raise NotNowError("libosdp does not take it")
            try:
                async with asyncio.timeout(DELIVER_S):
                    status = await self._answered
            except TimeoutError:
                if self._device is not None:
                    self._device.flush_events()
                raise NotNowError(f"the door controller did not ask within {DELIVER_S:g} s") from None
            finally:
                self._answered = None
            if status != self._osdp.COMPLETION_OK:
                raise NotNowError("the line to the door controller broke off")

    # -- the line

    def _open(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._key = self._known_key()
            if self._settings.secure_channel and self._key is None and not self._settings.install:
                self._tell(NOT_CONNECTED, "no key: set osdp.key, or osdp.install for the controller to set one")
                return
            port = self._open_port(self._settings.device, self._settings.baud)
        except OSError as error:
            self._tell(CONNECTING, f"{error.filename or self._settings.device}: {error.strerror}")
            self._timer = loop.call_later(RETRY_S, self._open)
            return
        self._port, self._feedback = port, OsdpFeedback()
        self._heard, self._heard_at = 0, loop.time()
        gate = FrameGate(replies=False, addresses=(self._settings.address,))
        self._channel = OsdpChannel(port, gate)
        self._device = self._osdp.PeripheralDevice(self._info(self._channel), capabilities=self._capabilities())
        self._device.set_command_callback(self._take)
        self._device.set_event_completion_callback(self._done)
        loop.add_reader(port.fileno(), self._turn)
        self._timer = loop.call_later(SILENT_S, self._silence)
        self._tell(*self._state())

    def _close(self) -> None:
        if self._port is not None:
            asyncio.get_running_loop().remove_reader(self._port.fileno())
            self._port.close()
        self._port = self._channel = self._device = None
        self._commands.clear()
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(self._osdp.COMPLETION_ABORTED)

    def _known_key(self) -> bytes | None:
        if not self._settings.secure_channel:
            return None
        if given := self._settings.key.get_secret_value():
            return bytes.fromhex(given)
        return self._key_file.read()

    def _info(self, channel: OsdpChannel) -> dict[str, Any]:
        flags = 0
        if self._settings.secure_channel:
            flags = self._osdp.FLAG_ENFORCE_SECURE if self._key is not None else self._osdp.FLAG_INSTALL_MODE
        return {
            "name": "voipnode",
            "address": self._settings.address,
            "flags": flags,
            "scbk": self._key,
            "channel": channel,
            "version": 1,
            "model": 1,
            "vendor_code": 0,  # nobody's: those are given out by the IEEE
            "serial_number": 0,
            "firmware_version": 0,
        }

    def _capabilities(self) -> list[dict[str, int]]:
        """What we say of ourselves: a light of several colours, a beeper, cards as bits, one reader, AES-128."""
        osdp = self._osdp
        offered = (
            (osdp.CAP_CARD_DATA_FORMAT, 1, 0),
            (osdp.CAP_READER_LED_CONTROL, 4, 1),
            (osdp.CAP_READER_AUDIBLE_OUTPUT, 2, 1),
            (osdp.CAP_CHECK_CHARACTER_SUPPORT, 1, 0),
            (osdp.CAP_COMMUNICATION_SECURITY, 1 if self._settings.secure_channel else 0, 0),
            (osdp.CAP_READERS, 0, 1),
        )
        return [
            {"function_code": code, "compliance_level": level, "num_items": items} for code, level, items in offered
        ]

    def _turn(self) -> None:
        """The line has brought something, or has been silent for long."""
        port, channel = self._port, self._channel
        if port is None or channel is None:
            return
        try:
            port.turn()
            self._device.refresh()
            while channel.has_more:  # each turn of libosdp takes one frame
                self._device.refresh()
            if port.heard > self._heard:
                self._heard, self._heard_at = port.heard, asyncio.get_running_loop().time()
            self._show()
            trouble = port.broken
        except Exception:  # the edge: whatever a line brings, the next turn comes
            log.exception("OSDP on %s", self._settings.device)
            trouble = "an error of ours"
        if not trouble:
            self._tell(*self._state())
            return
        self._close()
        self._tell(CONNECTING, f"{self._settings.device}: {trouble}")
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(RETRY_S, self._open)

    def _silence(self) -> None:
        """Have libosdp notice that nobody asks any more."""
        loop = asyncio.get_running_loop()
        silent_s = loop.time() - self._heard_at
        self._timer = loop.call_later(SILENT_S if silent_s >= SILENT_S else SILENT_S - silent_s, self._silence)
        if silent_s >= SILENT_S:
            self._turn()

    # -- called by libosdp in its turn

    def _take(self, command: dict[str, Any]) -> tuple[int, None]:
        """A command: 0 carries it out, -1 refuses it (NAK)."""
        kind = command.get("command")
        if kind == self._osdp.CMD_KEYSET:
            return self._take_key(bytes(command.get("data", b""))), None
        if kind not in (self._osdp.CMD_LED, self._osdp.CMD_BUZZER):
            return -1, None
        self._commands.append(command)
        return 0, None

    def _take_key(self, key: bytes) -> int:
        """The controller sets our key. It is ours once it is on the disk."""
        if len(key) != KEY_BYTES or self._settings.key.get_secret_value():
            return -1
        try:
            self._key_file.keep(key)
        except OSError as error:
            log.warning("the door controller's key cannot be kept: %s: %s", error.filename, error.strerror)
            return -1
        self._key = key
        return 0

    def _done(self, event: Mapping[str, Any], status: int) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(status)

    # -- what is told

    def _show(self) -> None:
        while self._commands:
            command = self._commands.popleft()
            is_light = command["command"] == self._osdp.CMD_LED
            feedback = self._feedback.light(command) if is_light else self._feedback.tone(command)
            if feedback is not None and self._ear is not None:
                self._ear.shown(feedback.led, feedback.for_s, feedback.beeps)

    def _state(self) -> tuple[str, str]:
        if self._device is None:
            return self._told or (NOT_CONNECTED, "")
        if not self._device.is_online():
            return CONNECTING, "nobody asks for us on the line"
        if not self._settings.secure_channel:
            return CONNECTED, "in the clear: who reaches the line hears every card and PIN"
        if self._key is None:
            return CONNECTING, "waiting for the controller to set our key"
        if not self._device.is_sc_active():
            return CONNECTING, "the controller does not use our key"
        return CONNECTED, "encrypted"

    def _tell(self, state: str, detail: str) -> None:
        if (state, detail) != self._told:
            self._told = state, detail
            if self._ear is not None:
                self._ear.linked(state, detail)
