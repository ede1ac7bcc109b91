"""The gate before libosdp: what libosdp itself says passes; of what others say, only whole frames of the standard."""

from __future__ import annotations

import random
import time

import osdp_sys
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipnode.credentials.osdp_frames import MAX_FRAME, FrameGate, crc, is_whole

KEY = bytes(range(16))


def frame(code: int, data: bytes = b"", *, address: int = 0, block: bytes = b"", control: int = 4) -> bytes:
    """A frame with everything right that is not given otherwise."""
    body = block + bytes([code]) + data
    control |= 8 if block else 0
    length = 5 + len(body) + (2 if control & 4 else 1)
    head = bytes([0x53, address, length & 0xFF, length >> 8, control]) + body
    return head + (crc(head).to_bytes(2, "little") if control & 4 else bytes([-sum(head) & 0xFF]))


class Wire:
    """What libosdp calls a channel: `gate` hears what goes to this end."""

    id = 0

    def __init__(self, gate: FrameGate) -> None:
        self.gate = gate
        self.far: Wire | None = None
        self.waiting = b""
        self.said: list[bytes] = []
        self.now = 0.0

    def read(self, max_bytes: int) -> bytes:
        data, self.waiting = self.waiting[:max_bytes], self.waiting[max_bytes:]
        return data

    def write(self, data: bytes) -> int:
        assert self.far is not None
        self.said.append(bytes(data))
        self.now += 1.0
        self.far.waiting += self.far.gate.feed(bytes(data), self.now)
        return len(data)

    def flush(self) -> None:
        self.waiting = b""


@pytest.mark.parametrize("key", [None, KEY])
def test_all_that_libosdp_says_passes(key: bytes | None) -> None:
    """A session with and without secure channel, with all that readers and panels tell each other here."""
    panel_end, device_end = Wire(FrameGate(replies=True)), Wire(FrameGate(replies=False, addresses=(5,)))
    panel_end.far, device_end.far = device_end, panel_end
    flags = osdp_sys.FLAG_ENFORCE_SECURE if key else 0
    ids = dict.fromkeys(("version", "model", "vendor_code", "serial_number", "firmware_version"), 0)
    info = {"name": "r", "address": 5, "flags": flags, "scbk": key, **ids}
    can = ((osdp_sys.CAP_READER_LED_CONTROL, 4, 1), (osdp_sys.CAP_COMMUNICATION_SECURITY, 1, 0))
    offered = [{"function_code": code, "compliance_level": level, "num_items": items} for code, level, items in can]
    osdp_sys.set_loglevel(0)
    device = osdp_sys.PeripheralDevice({**info, "channel": device_end}, capabilities=offered)
    device.set_command_callback(lambda command: (0, None))
    panel = osdp_sys.ControlPanel([{**info, "channel": panel_end}])
    events: list[dict[str, object]] = []
    panel.set_event_callback(lambda number, event: events.append(event) or 0)
    light = dict.fromkeys(("reader", "led_number", "off_count", "off_color", "timer_count"), 0)
    told = False
    for _ in range(30_000):
        time.sleep(0.001)  # libosdp's pace is its own: some 50 ms of the world's time between two questions
        panel.refresh()
        device.refresh()
        if not told and panel.status() & 1:
            told = True
            assert panel.submit_command(
                0,
                {
                    **light,
                    "command": osdp_sys.CMD_LED,
                    "control_code": 1,
                    "on_color": 1,
                    "on_count": 1,
                    "temporary": False,
                },
            )
            card = {"format": osdp_sys.CARD_FMT_RAW_WIEGAND, "length": 512, "data": bytes(64), "direction": 0}
            assert device.submit_event({"event": osdp_sys.EVENT_CARDREAD, "reader_no": 0, **card})
            assert device.submit_event({"event": osdp_sys.EVENT_KEYPRESS, "reader_no": 0, "data": b"1234\r"})
        if len(events) == 2:
            break
    assert len(events) == 2
    assert (panel_end.gate.refused, device_end.gate.refused) == (0, 0)


POLL = frame(0x60)


def passed(*pieces: bytes, replies: bool = False, addresses: tuple[int, ...] = (0,), pause_s: float = 0.0) -> bytes:
    gate = FrameGate(replies=replies, addresses=addresses)
    return b"".join(gate.feed(piece, number * pause_s) for number, piece in enumerate(pieces))


def test_a_published_frame_is_whole() -> None:
    """POLL to address 0x65, as libosdp's documentation of packet traces has it, by CRC; the same by sum."""
    assert is_whole(frame(0x60, address=0x65))
    assert is_whole(frame(0x60, address=0x65, control=0))
    assert crc(b"123456789") == 0xE5CC  # CRC-16/SPI-FUJITSU, which this one is


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (frame(0xA6), "a command that there is not: it would end the process"),
        (frame(0xA6, b"\x11" * 10, block=b"\x03\x13\x01"), "the same behind a security block"),
        (frame(0x40), "a reply's code"),
        (frame(0x60, address=0x80), "a reply"),
        (frame(0x60, address=3), "to another reader"),
        (frame(0x60, control=0x14), "bits that mean nothing"),
        (POLL[:-1] + bytes([POLL[-1] ^ 1]), "a wrong check value"),
        (frame(0x60, bytes(4), block=b"\x09\x15" + bytes(7)), "a security block of a wrong length"),
        (frame(0x60, bytes(4), block=b"\x02\x16"), "a reply's security block"),
        (frame(0x60, bytes(4), block=b"\x02\xaf"), "a kind that there is not"),
        (frame(0x60, bytes(3), block=b"\x02\x15"), "no room for the MAC"),
        (frame(0x60, bytes(19), block=b"\x02\x17"), "encrypted, and no whole blocks"),
        (frame(0x76, bytes(7), block=b"\x03\x11\x01"), "a challenge that is too short"),
        (frame(0x77, bytes(8), block=b"\x03\x11\x01"), "a code of another step"),
        (frame(0x60, bytes(MAX_FRAME)), "too long"),
        (bytes([0x53, 0, 5, 0, 4]), "no code at all"),
        (bytes([0x53, 0, 7, 0, 4 | 8, 0, 0]), "nothing in it"),
    ],
)
def test_what_does_not_pass_and_what_comes_after_it_does(data: bytes, why: str) -> None:
    assert passed(data) == b"", why
    assert passed(data + POLL).endswith(POLL), why


@pytest.mark.parametrize(
    "data",
    [
        POLL,
        frame(0x60, control=1),
        frame(0x60, address=0x7F),
        frame(0x76, bytes(8), block=b"\x03\x11\x00"),
        frame(0x77, bytes(16), block=b"\x03\x13\x01"),
        frame(0x60, bytes(4), block=b"\x02\x15"),
        frame(0x69, bytes(20), block=b"\x02\x17"),
    ],
)
def test_what_passes_in_one_piece_or_in_many(data: bytes) -> None:
    assert passed(b"\xff" + data) == data
    assert passed(*(bytes([byte]) for byte in b"\xff\x53" + data)) in (data, b"")  # a beginning that was none
    assert passed(*(bytes([byte]) for byte in b"\xff" + data), pause_s=0.01) == data


def test_a_frame_within_what_others_tell_each_other_is_none() -> None:
    """As a card's bits at another reader of the line may hold one."""
    other = frame(0x50, b"\0\1\x40\0" + POLL, address=0x83)
    echo = frame(0x60, address=3)
    gate = FrameGate(replies=False, addresses=(0,))
    assert gate.feed(other + echo + POLL, 0.0) == POLL
    assert gate.refused == 0


def test_a_frame_that_never_ends_holds_up_the_next_for_a_moment_only() -> None:
    begun = bytes([0x53, 0, 200, 0, 4])  # and 195 bytes more
    assert passed(begun, POLL, pause_s=0.05) == b""
    assert passed(begun, POLL, pause_s=0.2) == POLL


@given(st.lists(st.sampled_from([POLL, b"\x53", b"\xff", POLL[:5]]) | st.binary(max_size=30), max_size=20))
def test_nothing_but_whole_frames_ever_passes(pieces: list[bytes]) -> None:
    rest = passed(*pieces, addresses=())
    while rest:
        length = rest[2] | rest[3] << 8
        assert rest[0] == 0x53
        assert is_whole(rest[:length])
        rest = rest[length:]


def test_a_flood_is_not_kept() -> None:
    gate = FrameGate(replies=False)
    chance = random.Random(3)
    for _ in range(200):
        gate.feed(chance.randbytes(250) + b"\x53", 0.0)
    assert len(gate._bytes) <= MAX_FRAME + 250
