"""One OSDP reader: what it reports becomes cards and keys, what it is to show becomes commands (IEC 60839-11-5).

libosdp's peculiarities that are minded here: a command that the reader refuses (NAK) takes it offline, so one that it
does not offer is never sent and one that it refused is not sent again; a reader that is offline is asked again after
300 s only, so the line asks sooner by switching it off and on.
"""

from __future__ import annotations

from typing import Any

from voipnode.credentials.bits import CredentialError, of_bytes, to_uid
from voipnode.modules.reader.drivers import (
    CONNECTED,
    CONNECTING,
    MAX_KEYS,
    NOT_CONNECTED,
    UNTIL_STOPPED,
    Ear,
    Light,
    Link,
)
from voipnode.modules.reader.reader_key import ReaderKey, ReaderKeyError
from voipnode.modules.reader.settings import ReaderSettings

COLOURS = {"off": 0, "red": 1, "green": 2, "amber": 3, "blue": 4, "magenta": 5, "cyan": 6, "white": 7}
# A keypad says "*" and "#" as DELETE and RETURN; some say what is printed on them.
KEYS = {0x7F: "*", 0x0D: "#", 0x2A: "*", 0x23: "#", **{digit: chr(digit) for digit in range(0x30, 0x3A)}}
BLINK, STEADY, BEEP = 3, 10, 1  # in tenths of a second
NO_TONE, TONE = 1, 2
MAX_TIMER = 65535
# libosdp's numbers, as `osdp.constants` has them: the library is loaded only where a line is used.
CARD, KEYPRESS, STATUS, NOTIFICATION = 1, 2, 4, 5
LOCAL_STATUS, CHANNEL_STATUS, READER_STATUS = 2, 1, 2
RAW = (0, 1)  # of any kind, or of Wiegand; as characters, libosdp has done away with
CMD_BUZZER, CMD_LED, CMD_STATUS = 3, 2, 9
NEEDED = {CMD_LED: 4, CMD_BUZZER: 5}  # what it must be capable of
ENFORCE_SECURE, NOTIFY = 65536, 524288


class OsdpReader:
    """A reader of an OSDP line; the line gives it a panel and a number there."""

    def __init__(self, settings: ReaderSettings, keys: ReaderKey) -> None:
        self.settings = settings
        self.ear: Ear | None = None
        self.offline_at: float | None = None
        self.pairing_until: float | None = None
        self._keys = keys
        self._channel_is_own = False  # keyed with our key, not with the one that everybody knows (SCBK-D)
        self._is_up = False
        self._tampered = False
        self._failure = ""  # of the last pairing
        self._wishes: dict[str, dict[str, Any]] = {}
        self._lasting: dict[str, Any] = {}
        self._in_flight = ""
        self._refused: set[str] = set()
        self._link: Link | None = None

    # -- the driver's verbs; the line starts and stops for all its readers

    def start(self, ear: Ear) -> None:
        self.ear = ear

    def stop(self) -> None:
        self.ear = None

    def light(self, light: Light) -> None:
        on, off = (BLINK, BLINK) if light.blink else (STEADY, 0)
        command = {"command": CMD_LED, "reader": 0, "led_number": 0, "on_count": on, "off_count": off, "off_color": 0}
        command["on_color"] = COLOURS[light.colour]
        passing = {**command, "temporary": True, "timer_count": min(round(light.for_s * 10), MAX_TIMER)}
        if light.for_s > 0:
            self._wishes["passing"] = {**passing, "control_code": 2}
        else:
            self._wishes["passing"] = {**passing, "control_code": 1}  # what was shown for a while is over
            self._lasting = self._wishes["lasting"] = {**command, "temporary": False, "control_code": 1}

    def beep(self, times: int) -> None:
        command = {"command": CMD_BUZZER, "reader": 0, "on_count": BEEP, "off_count": BEEP, "rep_count": times}
        if times == UNTIL_STOPPED:
            command |= {"on_count": STEADY, "off_count": 0, "rep_count": 0}
        self._wishes["beeper"] = {**command, "control_code": TONE if times else NO_TONE}

    # -- on the line

    def pd_info(self, channel: Any) -> dict[str, Any]:
        """How the panel is to reach it. Raises ReaderKeyError where it has no key and needs one."""
        key, flags = None, NOTIFY
        if self.pairing_until is not None:
            key = self._keys.new()
        elif self.settings.secure_channel:
            key, flags = self._key(), NOTIFY | ENFORCE_SECURE
        self._begin_anew()
        return {
            "name": self.settings.name,
            "address": self.settings.address,
            "flags": flags,
            "scbk": key,
            "channel": channel,
            # Of a reader's own side, which the panel's does not read.
            "version": 1,
            "model": 1,
            "vendor_code": 0,
            "serial_number": 0,
            "firmware_version": 0,
        }

    def _key(self) -> bytes:
        if given := self.settings.key.get_secret_value():
            return bytes.fromhex(given)
        key = self._keys.read()
        if key is None:
            words = "it has no key yet: pair it, or set its key (or secure_channel = false)"
            raise ReaderKeyError(f"{self._failure}; {words}" if self._failure else words)
        return key

    def _begin_anew(self) -> None:
        self._is_up = self._channel_is_own = False
        self.offline_at = None
        self._in_flight = ""

    def pair(self, until: float) -> None:
        """Give it a new key as soon as it takes one. Raises ReaderKeyError where that cannot be kept."""
        self._keys.new()
        self.pairing_until, self._failure = until, ""

    def pairing_is_over(self, now: float) -> bool:
        """Whether the line has to go back to what protects it: the reader has its key, or time is up."""
        if self.pairing_until is None:
            return False
        if self._is_up and self._channel_is_own:
            try:
                self._keys.keep()
            except ReaderKeyError as error:
                self._failure = str(error)
        elif now >= self.pairing_until:
            self._failure = "pairing came to nothing: the reader was not in its installation mode"
        else:
            return False
        self.pairing_until = None
        return True

    @property
    def is_trusted(self) -> bool:
        """Whether what it says now may open a door."""
        if not self._is_up or self.pairing_until is not None:
            return False
        return self._channel_is_own or not self.settings.secure_channel

    def on_event(self, event: dict[str, Any], now: float) -> None:
        """What the panel says of it. A card or a key of a reader that is not trusted is nobody's."""
        kind = event.get("event")
        if kind == NOTIFICATION:
            self._notified(event, now)
        elif kind == STATUS and event.get("type") == LOCAL_STATUS:
            # LSTATR: the first byte is the tamper switch, the second the power.
            self._tampered = bytes(event.get("report", b""))[:1] not in (b"", b"\0")
        elif self.is_trusted and self.ear is not None:
            if kind == CARD:
                self._card(event, self.ear)
            elif kind == KEYPRESS:
                pressed = [KEYS[byte] for byte in bytes(event.get("data", b""))[:MAX_KEYS] if byte in KEYS]
                if pressed:
                    self.ear.keys("".join(pressed))

    def _notified(self, event: dict[str, Any], now: float) -> None:
        is_on = bool(event.get("arg0"))
        if event.get("type") == CHANNEL_STATUS:
            self._channel_is_own = is_on and not event.get("arg1")
        elif event.get("type") == READER_STATUS:
            self._is_up = is_on
            self.offline_at = None if is_on else now
            self._in_flight = ""
            if is_on:  # it may have been without power, and knows nothing; and opened meanwhile
                self._wishes = {"lasting": self._lasting} if self._lasting else {}
                self._wishes["status"] = {"command": CMD_STATUS, "type": LOCAL_STATUS, "report": b"\0\0"}

    @staticmethod
    def _card(event: dict[str, Any], ear: Ear) -> None:
        """Raw: bits, the first one first, filled up at the end."""
        if event.get("format") not in RAW:
            return
        try:
            bits = of_bytes(bytes(event.get("data", b"")), int(event.get("length", 0)))
        except CredentialError as error:
            ear.refused(f"not a card: {error}")
        else:
            ear.card(to_uid(bits), len(bits))

    def on_done(self, status: int) -> None:
        """The reader has carried out the command that was in flight, or (`status` not 0) refused it."""
        if status and self._in_flight:
            self._refused.add(self._in_flight)
        self._in_flight = ""

    def next_command(self, panel: Any, number: int) -> None:
        """Send one of the wishes where there is one and none is on its way: the newest of its kind."""
        if not self.is_trusted:
            return  # once it is, what was to be shown is over
        if self._in_flight or not self._wishes:
            return
        kind, command = next(iter(self._wishes.items()))
        del self._wishes[kind]
        if kind in self._refused:
            return
        needed = NEEDED.get(command["command"])
        level = 1 if needed is None else panel.check_capability(number, needed)[0]
        if level > 0 and panel.submit_command(number, command):
            self._in_flight = kind

    def tell(self, *, trouble: str = "", silent: bool = False, heard: bool = False) -> None:
        """Say how it is reached, where that is new. `trouble`: of the line; `heard`: somebody speaks on it."""
        link = self._present(trouble, silent, heard)
        if link != self._link and self.ear is not None:
            self._link = link
            self.ear.link(link)

    def not_usable(self, why: str) -> None:
        """It is not on the line."""
        link = Link(NOT_CONNECTED, detail=why)
        if link != self._link and self.ear is not None:
            self._link = link
            self.ear.link(link)

    def _present(self, trouble: str, silent: bool, heard: bool) -> Link:
        if trouble:
            return Link(CONNECTING, tampered=self._tampered, detail=trouble)
        if self.pairing_until is not None:
            return Link(CONNECTING, tampered=self._tampered, detail="pairing: it has to be in its installation mode")
        if self.is_trusted and not silent:
            secure = self.settings.secure_channel
            detail = self._failure or ("" if secure else "in the clear: who reaches the line can show any card")
            return Link(CONNECTED, secure, self._tampered, detail)
        why = ""
        if silent:
            why = "the line is silent"
        elif heard and self.offline_at is not None:
            protected = self.settings.secure_channel
            why = "it answers, but not with this key" if protected else "it does not answer as it should"
        return Link(CONNECTING, tampered=self._tampered, detail=why)
