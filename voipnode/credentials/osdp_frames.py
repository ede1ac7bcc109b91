"""Frames of OSDP, looked at before libosdp gets them: what is no frame of ours never reaches it.

Whoever can reach a line can put anything on it, and libosdp is C in our own process: a device by libosdp 3.2.9 that
enforces the secure channel dies of eight bytes, 53 00 08 00 04 A6 61 13, a command that there is not, and of some forty
others. So what goes on is whole frames only, whose length, check value, security block and code are those of
IEC 60839-11-5, and which are for us. Whether they are genuine is libosdp's to decide.

A frame: 0x53, address (bit 7: a reply), length in two bytes, control (bits 0 and 1 a number, 2 CRC instead of a sum,
3 a security block follows), [security block: its length, its type, data], code, data, check value.
"""

from __future__ import annotations

from collections.abc import Collection

SOM = 0x53
REPLY = 0x80
EVERYBODY = 0x7F
HEAD = 5
MAX_FRAME = 256  # what libosdp takes; nothing that readers and panels tell each other here is longer
MAC = 4
BLOCK = 16
WITH_CRC, WITH_SECURITY = 0x04, 0x08
UNUSED = 0xF0
HANDSHAKE_BLOCK, DATA_BLOCK = 3, 2  # bytes of the security block
# Poll, identity, capabilities, states, outputs, light, beeper, text, line settings, key, the channel's two steps.
COMMANDS = frozenset({0x60, 0x61, 0x62, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6E, 0x75, 0x76, 0x77})
# Acknowledged, refused, identity, capabilities, states, card bits, card text, keys, line settings, the channel's two
# steps, busy.
REPLIES = frozenset({0x40, 0x41, 0x45, 0x46, 0x48, 0x49, 0x4A, 0x4B, 0x50, 0x51, 0x53, 0x54, 0x76, 0x78, 0x79})
# Security blocks of the handshake: which code they go with, and how much data that has.
HANDSHAKE = {0x11: (0x76, 8), 0x12: (0x76, 32), 0x13: (0x77, 16), 0x14: (0x78, 16)}
SIGNED = (0x15, 0x16)  # plain with a MAC; the two after them are encrypted
ENCRYPTED = (0x17, 0x18)
SILENT_S = 0.1  # within a frame; a longer pause ends what was begun


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte << 8
        for _ in range(8):
            value = (value << 1) ^ 0x1021 if value & 0x8000 else value << 1
        table.append(value & 0xFFFF)
    return tuple(table)


_CRC = _crc_table()


def crc(data: bytes) -> int:
    """CRC-16 as OSDP has it: polynomial 0x1021, begun with 0x1D0F."""
    value = 0x1D0F
    for byte in data:
        value = (value << 8 & 0xFFFF) ^ _CRC[value >> 8 ^ byte]
    return value


def is_whole(frame: bytes) -> bool:
    """Whether the check value at the end of a frame is right."""
    if frame[4] & WITH_CRC:
        return crc(frame[:-2]) == frame[-2] | frame[-1] << 8
    return sum(frame) & 0xFF == 0


class FrameGate:
    """Lets pass frames of `replies`, or of commands, to or from `addresses` (commands to everybody too; empty: all).

    What others on the line tell each other, and what an adapter echoes of ours, is passed over frame by frame: a frame
    within another's data is none. `refused` counts what was no frame, and frames to us that no standard knows.
    """

    def __init__(self, *, replies: bool, addresses: Collection[int] = ()) -> None:
        self._direction = REPLY if replies else 0
        self._codes = REPLIES if replies else COMMANDS
        self._addresses = frozenset(addresses)
        self._bytes = bytearray()
        self._last_at = 0.0
        self.refused = 0

    def feed(self, data: bytes, now: float) -> bytes:
        """Takes what came at `now` (seconds of any clock); the frames that are whole with it, one after the other."""
        if self._bytes and now - self._last_at > SILENT_S:
            self._bytes.clear()
        self._last_at = now
        self._bytes += data
        passed = bytearray()
        while (frame := self._next()) is not None:
            if not _is_frame(frame):
                self.refused += 1
                del self._bytes[:1]  # what looked like a beginning was none
                continue
            del self._bytes[: len(frame)]
            if self._is_for_us(frame):
                if self._is_sound(frame):
                    passed += frame
                else:
                    self.refused += 1
        return bytes(passed)

    def clear(self) -> None:
        """Forget what was begun."""
        self._bytes.clear()

    def _next(self) -> bytes | None:
        """What may be the next frame, as a whole; None while it is not there."""
        begin = self._bytes.find(SOM)
        if begin < 0:
            self._bytes.clear()
            return None
        del self._bytes[:begin]
        if len(self._bytes) < HEAD:
            return None
        length = self._bytes[2] | self._bytes[3] << 8
        if not HEAD < length <= MAX_FRAME:
            return bytes(self._bytes[:HEAD])
        return bytes(self._bytes[:length]) if len(self._bytes) >= length else None

    def _is_for_us(self, frame: bytes) -> bool:
        address = frame[1] & ~REPLY
        is_ours = not self._addresses or address in self._addresses or address == EVERYBODY
        return is_ours and frame[1] & REPLY == self._direction

    def _is_sound(self, frame: bytes) -> bool:
        """Whether security block, code and data go together."""
        body = frame[HEAD : len(frame) - (2 if frame[4] & WITH_CRC else 1)]
        if not frame[4] & WITH_SECURITY:
            return bool(body) and body[0] in self._codes
        size, kind = (body[0], body[1]) if len(body) > DATA_BLOCK else (0, 0)
        if len(body) <= size or kind % 2 == (self._direction != 0):  # commands have odd kinds, replies even ones
            return False
        code, data = body[size], body[size + 1 :]
        if kind in HANDSHAKE:
            return size == HANDSHAKE_BLOCK and (code, len(data)) == HANDSHAKE[kind]
        if size != DATA_BLOCK or code not in self._codes or len(data) < MAC:
            return False
        return kind in SIGNED or (kind in ENCRYPTED and (len(data) - MAC) % BLOCK == 0)


def _is_frame(frame: bytes) -> bool:
    """Whether what has a frame's length (or, with a length that none has, its head alone) is one."""
    return len(frame) > HEAD and not frame[4] & UNUSED and is_whole(frame)
