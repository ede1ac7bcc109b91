"""Digits as sound through a whole call: they act for who may, once each, and never when they are the door's own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.support.keypad import Press, Sound, dial, frames, heard
from tests.support.switchboard import DOOR, Device, Phone, Switchboard, sdp
from voipnode.calls.errors import NotNowError
from voipnode.calls.settings import AccountSettings
from voipnode.media.stream import AudioStream
from voipnode.media.values import StreamConfig, StreamIdentity
from voipnode.sipstack import events as sip

HEARING = AccountSettings(dtmf_inband=True)
RELAY = "application/dtmf-relay"
FAR = ("192.168.1.20", 7000)
SLOW = Press(on_ms=120.0, off_ms=120.0)


def keys(digits: str) -> Sound:
    return dial(digits, SLOW, np.random.default_rng(8))


def quiet(seconds: float) -> Sound:
    return np.zeros(int(seconds * 8000), np.float32)


class Microphone(Device):
    """The door's, into which a visitor plays; silent before and after."""

    def __init__(self) -> None:
        super().__init__()
        self.visitor = frames(quiet(0), 8000)

    def exchange(self, loudspeaker: Sound) -> Sound:
        self.heard.append(loudspeaker.copy())
        return next(self.visitor, np.zeros(80, np.float32))


def in_call(board: Switchboard, *, authorised: bool = True, formats: str = "0 101") -> Phone:
    def answer(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            phone.endpoint.accept(event.session, sdp(phone.address.host, formats=formats), phone.wire.now)

    phone = board.phone("anna", FAR[0], plan=answer)
    board.ring(phone, authorised=authorised)
    board.wire.run(1.0)
    return phone


def far_side(board: Switchboard, *, events: bool = True) -> AudioStream:
    """The phone's audio."""
    far = AudioStream(StreamIdentity(ssrc=99, first_sequence=1, first_timestamp=1, cname="anna"))
    number = 101 if events else None
    remote = (DOOR.host, board.paths.all[-1].rtp_port)
    far.configure(
        StreamConfig(remote_rtp=remote, event_payload_type=number, event_receive_payload_type=number), board.wire.now
    )
    return far


def talk(
    board: Switchboard,
    says: Callable[[int, Sound], Sound],
    seconds: float,
    *,
    far: AudioStream | None = None,
    at: dict[float, Callable[[AudioStream], None]] | None = None,
) -> list[Sound]:
    """The phone says what `says` makes of the frame's number and of what it hears; what it heard."""
    far = far or far_side(board)
    path, told = board.paths.all[-1], []
    taken = len(path.sent)
    for number in range(int(seconds * 100)):
        board.wire.run(board.wire.now + 0.01)
        now = board.wire.now
        for packet in path.sent[taken:]:
            far.receive(packet.data, (DOOR.host, path.rtp_port), now, rtcp=packet.rtcp)
        taken = len(path.sent)
        if at is not None and number / 100 in at:
            at[number / 100](far)
        told.append(far.pull(now))
        far.push(says(number, told[-1]), now)
        for packet in far.outbox(now):
            if not packet.rtcp:
                path.receive(packet.data, FAR, now)
    return told


def saying(sound: Sound) -> Callable[[int, Sound], Sound]:
    said = list(frames(sound, 8000))
    return lambda number, _: said[number] if number < len(said) else np.zeros(80, np.float32)


def roads(board: Switchboard) -> list[tuple[str, str]]:
    return [(event.digit, event.road) for event in board.digits]


def test_tones_are_digits_where_the_account_hears_them() -> None:
    board = Switchboard(account=HEARING)
    in_call(board)
    talk(board, saying(keys("159#")), 2.0)
    assert roads(board) == [(digit, "inband") for digit in "159#"]
    assert all(event.authorised for event in board.digits)


class WideMicrophone(Device):
    """A door of 16 kHz, as it is by default."""

    rate_hz = 16000

    def exchange(self, loudspeaker: Sound) -> Sound:
        self.heard.append(loudspeaker.copy())
        return np.zeros(160, np.float32)


def test_in_a_house_of_16_khz_a_narrow_telephone_is_heard_from_the_first_key_on() -> None:
    board = Switchboard(account=HEARING, device=WideMicrophone(), rate_hz=16000)
    in_call(board)
    talk(board, saying(keys("15")), 1.0)
    assert roads(board) == [("1", "inband"), ("5", "inband")]


def test_by_default_nobody_hears_them() -> None:
    board = Switchboard()
    in_call(board)
    talk(board, saying(keys("1")), 1.0)
    assert board.digits == []


def test_tones_of_a_party_that_may_not_open_are_told_as_such() -> None:
    board = Switchboard(account=HEARING)
    in_call(board, authorised=False)
    talk(board, saying(keys("1")), 1.0)
    assert [event.authorised for event in board.digits] == [False]


def test_tones_from_another_host_are_heard_by_nobody() -> None:
    board = Switchboard(account=HEARING)
    in_call(board)
    far, path = far_side(board), board.paths.all[-1]
    for frame in frames(keys("1"), 8000):
        board.wire.run(board.wire.now + 0.01)
        far.push(frame, board.wire.now)
        for packet in far.outbox(board.wire.now):
            path.receive(packet.data, ("192.168.1.99", 7000), board.wire.now)
    assert board.digits == []


@pytest.mark.parametrize("on_ms", [80.0, 300.0, 600.0])
@pytest.mark.parametrize("info", [False, True], ids=["two-roads", "three-roads"])
def test_one_press_by_all_roads_is_one_digit_and_two_are_two(on_ms: float, info: bool) -> None:
    """A gateway that is late to mute: a head of the tone, the telephone event, and a tail where the key is held."""
    board = Switchboard(account=HEARING)
    phone = in_call(board)
    sound = np.concatenate((dial("1", Press(on_ms=on_ms), np.random.default_rng(8)), quiet(2.0)))[: 8000 * 2]

    def press(far: AudioStream) -> None:
        far.send_digits("1", board.wire.now)
        if info:
            phone.endpoint.info(phone.session, RELAY, b"Signal = 1\r\nDuration = 160\r\n", board.wire.now)
            board.wire.flush()

    talk(board, saying(np.concatenate((sound, sound))), 4.5, at={0.2: press, 2.2: press})
    assert [event.digit for event in board.digits] == ["1", "1"]


def speakerphone(delay_frames: int) -> Callable[[int, Sound], Sound]:
    """Says what it heard, later and weaker, as a hands-free telephone without echo control does."""
    memory = [np.zeros(80, np.float32)] * delay_frames

    def says(number: int, hears: Sound) -> Sound:
        memory.append(hears * np.float32(0.5))
        return memory[number]

    return says


@pytest.mark.parametrize("delay_frames", [2, 20, 90])
def test_a_visitor_s_tone_that_a_speakerphone_returns_opens_nothing(delay_frames: int) -> None:
    board = Switchboard(account=HEARING, device=Microphone())
    in_call(board)
    board.device.visitor = frames(np.concatenate((quiet(0.5), keys("1"), quiet(0.3), keys("1590"))), 8000)
    told = talk(board, speakerphone(delay_frames), 4.0)
    assert heard(np.concatenate(told)) == "11590", "the telephone heard them all"
    assert board.digits == []


def test_the_resident_s_own_key_still_opens_after_the_visitor_s_other_one() -> None:
    board = Switchboard(account=HEARING, device=Microphone())
    in_call(board)
    board.device.visitor = frames(keys("2"), 8000)
    talk(board, saying(np.concatenate((quiet(0.5), keys("12"), quiet(2.5), keys("2")))), 5.0)
    assert [event.digit for event in board.digits] == ["1", "2"]


@pytest.mark.parametrize("order", [("rtp",), ("info",), ("inband",)])
def test_a_digit_that_we_sent_and_a_telephone_sounds_is_not_its_own(order: tuple[str, ...]) -> None:
    board = Switchboard(account=HEARING.model_copy(update={"dtmf_send_order": order}), device=Microphone())
    in_call(board)
    board.switch.send_digits(board.switch.calls[0].id, "5", board.wire.now)
    talk(board, saying(np.concatenate((quiet(0.3), keys("56")))), 2.0)
    assert [event.digit for event in board.digits] == ["6"]


def test_a_leg_that_hears_tones_is_told_frames_and_nothing_coded_for_several() -> None:
    for account, shares in ((HEARING, False), (AccountSettings(), True)):
        board = Switchboard(account=account)
        in_call(board)
        (leg,) = board.switch.calls[0].legs.values()
        assert (leg.shared_encoder is not None) is shares


def test_on_hold_nobody_is_heard() -> None:
    board = Switchboard(account=HEARING)
    in_call(board)
    board.switch.hold(board.switch.calls[0].id, board.wire.now, held=True)
    talk(board, saying(keys("1")), 1.0)
    assert board.digits == []


def test_digits_go_out_as_tones_where_the_far_side_takes_nothing_else() -> None:
    board = Switchboard(account=HEARING.model_copy(update={"dtmf_info": False}), device=Microphone())
    in_call(board, formats="0")
    board.switch.send_digits(board.switch.calls[0].id, "159D", board.wire.now)
    assert heard(np.concatenate(talk(board, saying(quiet(0)), 2.0))) == "159D"


@pytest.mark.parametrize(
    ("order", "road"),
    [(("rtp", "info", "inband"), "rtp"), (("info", "rtp"), "info"), (("inband", "rtp"), "inband"), (("rtp",), "rtp")],
)
def test_the_order_of_the_account_chooses_the_road(order: tuple[str, ...], road: str) -> None:
    board = Switchboard(account=HEARING.model_copy(update={"dtmf_send_order": order}), device=Microphone())
    phone = in_call(board)
    board.switch.send_digits(board.switch.calls[0].id, "5", board.wire.now)
    told = talk(board, saying(quiet(0)), 1.0)
    events = [packet for packet in board.paths.all[-1].sent if not packet.rtcp and packet.data[1] & 0x7F == 101]
    by = {"rtp": bool(events), "info": bool(phone.of(sip.InfoReceived)), "inband": heard(np.concatenate(told)) == "5"}
    assert [name for name, used in by.items() if used] == [road]


def test_where_no_road_is_left_it_says_which_are_off() -> None:
    board = Switchboard(account=AccountSettings(dtmf_info=False))
    in_call(board, formats="0")
    with pytest.raises(NotNowError, match="off: dtmf_info, dtmf_inband"):
        board.switch.send_digits(board.switch.calls[0].id, "5", board.wire.now)
