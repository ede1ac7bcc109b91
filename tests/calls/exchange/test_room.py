"""A room: who of one codec exchanges packets, who does not hears frames, and who is not proven hears nothing."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from tests.support.audio import find_tone_hz
from tests.support.crypto_phone import CM80, crypto, key_of, offered_keys
from tests.support.room_rig import Far, RoomRig, events_at
from voipnode.calls.exchange.room import Exchange
from voipnode.calls.hooks import Frame
from voipnode.calls.settings import AccountSettings
from voipnode.dsp.tones import Tone
from voipnode.media.events import DigitStarted, RemoteSilent
from voipnode.media.relay import MAX_AT_ONCE
from voipnode.media.rtcp import ReceiverReport, SenderReport, parse
from voipnode.media.rtp import RtpPacket
from voipnode.media.srtp import ReceiveKey, SrtpProtection

LAW_A = {"codec": "PCMA", "payload_type": 8, "receive_codecs": {8: "PCMA"}}


def rtp(
    number: int, *, ssrc: int = 77, payload: bytes = b"\x55" * 160, kind: int = 0, marker: bool = False
) -> RtpPacket:
    return RtpPacket(kind, number & 0xFFFF, 160 * number & 0xFFFFFFFF, ssrc, payload, marker)


def feed(rig: RoomRig, far: Far, *packets: RtpPacket) -> None:
    """The party sends these, 20 ms apart; the others take what comes of it."""
    for packet in packets:
        far.send(packet, rig.now)
        rig.now += 0.02
    for other in rig.fars:
        other.fetch(rig.now)


def steps(far: Far) -> list[int]:
    """By how much the sequence numbers that it got grow from packet to packet."""
    numbers = [packet.sequence for packet in far.got]
    return [(after - before) & 0xFFFF for before, after in itertools.pairwise(numbers)]


def speaking(*fars: Far) -> None:
    for number, far in enumerate(fars):
        far.tone = Tone(500.0 + 250 * number)


def hears(far: Far, tone_hz: float, last_s: float = 0.5) -> None:
    assert find_tone_hz(far.sound(last_s)) == pytest.approx(tone_hz, abs=1)


def pauses(far: Far) -> list[int]:
    """What is missing between the times of packets of 20 ms; below 0 they overlap."""
    times = [packet.timestamp for packet in far.got]
    return [
        ((after - before + 0x80000000) & 0xFFFFFFFF) - 0x80000000 - 160 for before, after in itertools.pairwise(times)
    ]


def silence_ms(far: Far, last_s: float) -> int:
    """The longest stretch without sound of late."""
    quiet = np.abs(far.sound(last_s).reshape(-1, 40)).max(axis=1) < 0.02  # 5 ms
    longest = run = 0
    for each in quiet:
        run = run + 1 if each else 0
        longest = max(longest, run)
    return 5 * longest


def pair(**more: object) -> tuple[RoomRig, Far, Far]:
    rig = RoomRig()
    return rig, rig.party(), rig.party(**more)  # type: ignore[arg-type]


# --- packets


def test_two_of_one_codec_exchange_packets_without_a_clock() -> None:
    rig, anna, bert = pair()
    speaking(anna, bert)
    rig.run(1.0)
    assert rig.room.exchange is Exchange.PACKETS
    assert rig.clock.tick is None
    hears(anna, 750)
    hears(bert, 500)


def test_payloads_are_bit_exact_and_the_numbering_is_ours() -> None:
    rig, anna, bert = pair()
    payloads = [bytes([number] * 160) for number in range(100)]
    feed(rig, anna, *[rtp(65500 + n, payload=payload, marker=n == 0) for n, payload in enumerate(payloads)])
    assert [packet.payload for packet in bert.got] == payloads
    assert len({packet.ssrc for packet in bert.got} | {77}) == 2
    assert steps(bert) == [1] * 99
    first = bert.got[0].timestamp
    assert [(packet.timestamp - first) & 0xFFFFFFFF for packet in bert.got] == list(range(0, 16000, 160))
    assert [packet.marker for packet in bert.got] == [True] + [False] * 99


def test_a_packet_leaves_when_it_comes() -> None:
    rig, anna, bert = pair()
    feed(rig, anna, rtp(1), rtp(2))
    sent = len(bert.path.sent)
    anna.send(rtp(3), rig.now)
    assert len(bert.path.sent) == sent + 1
    assert anna.path.hurried, "which does not wait for the clock of others, either"
    rig.room.leave(bert.leg, rig.now)
    assert not anna.path.hurried


def test_losses_and_reordering_are_handed_on_and_repetitions_are_not() -> None:
    rig, anna, bert = pair()
    feed(rig, anna, *[rtp(number) for number in (1, 2, 5, 6, 8, 7, 7, 9)])
    assert steps(bert) == [1, 3, 1, 2, 0xFFFF, 2]


def test_a_talk_spurt_keeps_its_marker() -> None:
    rig, anna, bert = pair()
    feed(rig, anna, rtp(1), rtp(2), rtp(3), rtp(40, marker=True), rtp(41))
    assert [packet.marker for packet in bert.got] == [True, False, False, True, False]


def test_numbers_of_payload_types_are_each_sides_own() -> None:
    account = AccountSettings(audio_codecs=("G726-32",))
    rig = RoomRig()
    anna = rig.party("97 101", "a=rtpmap:97 G726-32/8000\r\n" + events_at(101), account=account)
    bert = rig.party("112 99", "a=rtpmap:112 G726-32/8000\r\n" + events_at(99), account=account)
    assert rig.room.exchange is Exchange.PACKETS
    feed(rig, anna, *[rtp(number, kind=97, payload=bytes(80)) for number in range(3)])
    feed(rig, anna, rtp(3, kind=101, payload=bytes((5, 10, 0, 160)), marker=True))
    assert [packet.payload_type for packet in bert.got] == [112, 112, 112, 99]
    assert bert.got[3].payload == bytes((5, 10, 0, 160))
    feed(rig, bert, *[rtp(number, kind=112, payload=bytes(80)) for number in range(2)])
    assert [packet.payload_type for packet in anna.got] == [97, 97]


def test_srtp_of_one_side_is_undone_for_the_other_and_done_for_its_own() -> None:
    account = AccountSettings(media_encryption="mandatory", sdes_in_clear_signalling=True)
    rig = RoomRig()
    anna = rig.party(lines=events_at(101) + crypto(1), account=account, profile="RTP/SAVP")
    keys = SrtpProtection()
    keys.key(CM80, key_of(CM80), [ReceiveKey(offered_keys(anna.answer)[CM80][1])])
    anna.secure(keys)
    bert = rig.party()
    assert rig.room.exchange is Exchange.PACKETS
    feed(rig, anna, *[rtp(number, payload=bytes([number & 0xFF] * 160)) for number in range(65500, 65600)])
    assert [packet.payload[0] for packet in bert.got] == [number & 0xFF for number in range(65500, 65600)]
    feed(rig, bert, *[rtp(number, payload=bytes([number] * 160)) for number in range(50)])
    assert [packet.payload[0] for packet in anna.got] == list(range(50))
    speaking(anna, bert)
    rig.run(1.0)
    hears(anna, 750)
    hears(bert, 500)


def test_comfort_noise_goes_to_who_understands_it_and_is_not_missed_by_who_does_not() -> None:
    quiet = AccountSettings(comfort_noise=True)
    noise = "a=rtpmap:13 CN/8000\r\n"
    rig = RoomRig()
    anna = rig.party("0 13", noise, account=quiet)
    bert = rig.party("0 13", noise, account=quiet)
    said = [rtp(1), rtp(2), rtp(3, kind=13, payload=b"\x40"), rtp(9, marker=True), rtp(10)]
    feed(rig, anna, *said)
    assert [(packet.payload_type, len(packet.payload)) for packet in bert.got][1:4] == [(0, 160), (13, 1), (0, 160)]
    rig = RoomRig()
    anna, bert = rig.party("0 13", noise, account=quiet), rig.party()
    feed(rig, anna, *said[:3], rtp(4, marker=True), rtp(5))
    assert [packet.payload_type for packet in bert.got] == [0, 0, 0, 0]
    assert steps(bert) == [1, 1, 1]


def test_another_source_goes_on_in_our_numbers_and_our_time() -> None:
    rig, anna, bert = pair()
    feed(rig, anna, *[rtp(number) for number in range(5)])
    rig.now += 0.1  # else nobody believes it
    feed(rig, anna, *[rtp(number, ssrc=78) for number in range(8, 13)])  # near by chance
    feed(rig, anna, *[rtp(number, ssrc=78) for number in (30_000, 30_001, 30_002)])  # and begins anew without telling
    assert len({packet.ssrc for packet in bert.got}) == 1
    assert steps(bert) == [1] * (5 + 5 + 2 - 1), "the first packet of a jump proves nothing, and is not missed"
    times = [packet.timestamp - bert.got[0].timestamp & 0xFFFFFFFF for packet in bert.got]
    assert times == sorted(times)
    assert times[-1] <= round(rig.now * 8000) + 400
    assert [number for number, packet in enumerate(bert.got) if packet.marker] == [0, 5, 10]


def test_reports_are_each_legs_own() -> None:
    rig, anna, bert = pair()
    anna.tone = Tone(500)
    rig.run(12.0)
    reports = [each for data in bert.reports for each in parse(data) if isinstance(each, SenderReport)]
    assert reports[-1].ssrc == bert.got[0].ssrc
    assert reports[-1].packets == pytest.approx(len(bert.got), abs=250)
    assert bert.leg.stream.stats().packets_sent == len(bert.got)
    assert bert.leg.stream.stats().bytes_sent == 160 * len(bert.got)
    about_anna = [
        each for data in anna.reports for each in parse(data) if isinstance(each, SenderReport | ReceiverReport)
    ]
    assert about_anna[-1].reports[0].ssrc == anna.stream.config.payload_type + 0x1000 + anna.path.rtp_port


def test_who_falls_silent_is_noticed_though_nothing_is_played() -> None:
    rig, anna, bert = pair()
    timeout_s = 30.0
    feed(rig, anna, *[rtp(number) for number in range(5)])
    rig.fars = []
    rig.now += 2 * timeout_s
    for far in (anna, bert):
        far.path.engine.on_deadline(rig.now)
        far.path.on_events()
    assert [leg for leg, event in rig.told if isinstance(event, RemoteSilent)] == [anna.leg, bert.leg]


# --- digits


def press(rig: RoomRig, far: Far, digits: str) -> None:
    """The party presses keys by telephone events; the node tells the room of each, as the exchange does."""
    far.stream.send_digits(digits, rig.now)

    def tell() -> None:
        while rig.told:
            leg, event = rig.told.pop(0)
            if isinstance(event, DigitStarted):
                rig.room.digit(leg, event.digit, event.road)

    rig.run(0.3 * len(digits) + 0.2, tell)


def digits_of(far: Far) -> str:
    """What keys were pressed, by the events that it got."""
    found = []
    while (event := far.stream.next_event()) is not None:
        if isinstance(event, DigitStarted):
            found.append(event.digit)
    return "".join(found)


def test_a_digit_goes_along_once_and_the_node_hears_of_it() -> None:
    rig, anna, bert = pair(formats="0 99", lines=events_at(99), event_payload_type=99, event_receive_payload_type=99)
    rig.run(0.2)
    press(rig, anna, "42#")
    assert digits_of(bert) == "42#"
    assert {packet.payload_type for packet in bert.got} == {0, 99}
    assert steps(bert) == [1] * (len(bert.got) - 1)
    assert rig.clock.tick is None


def test_a_key_held_for_long_stands_in_the_time_in_which_it_was_held() -> None:
    rig, anna, bert = pair()
    feed(rig, anna, *[rtp(number) for number in range(3)])
    held = [
        replace(rtp(3 + n, kind=101, payload=bytes((5, 10)) + (160 * n).to_bytes(2)), timestamp=480) for n in range(200)
    ]
    feed(rig, anna, *held, held[-1], *[rtp(number) for number in range(203, 206)])
    times = [packet.timestamp - bert.got[0].timestamp & 0xFFFFFFFF for packet in bert.got]
    assert times == [0, 160, 320, *[480] * 200, *[203 * 160, 204 * 160, 205 * 160]]


class Infos:
    """An endpoint's side of INFO: whom it would send which digit."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []

    def takes_info(self, session: str) -> bool:
        return True

    def info(self, session: str, content_type: str, body: bytes, now: float) -> None:
        self.sent.append((session, body))


def test_a_digit_for_who_takes_no_events_goes_by_info_and_its_packets_are_not_missed() -> None:
    infos = Infos()
    rig = RoomRig(endpoint=infos)  # type: ignore[arg-type]  # all that digits need of it
    anna, bert = rig.party(), rig.party("0", "", event_payload_type=None, event_receive_payload_type=None)
    rig.run(0.2)
    press(rig, anna, "7")
    assert [(session, body.split()[0]) for session, body in infos.sent] == [("s1", b"Signal=7")]
    assert {packet.payload_type for packet in bert.got} == {0}
    assert steps(bert) == [1] * (len(bert.got) - 1)


def test_a_digit_by_info_becomes_events_between_the_packets() -> None:
    rig, anna, bert = pair()
    anna.tone = Tone(500)
    rig.run(0.5)
    rig.room.digit(anna.leg, "5", "info")
    rig.room.digit(anna.leg, "6", "info")
    assert rig.clock.tick is not None, "ours go by the clock"
    rig.run(1.5)
    assert digits_of(bert) == "56"
    assert rig.clock.tick is None
    assert rig.room.exchange is Exchange.PACKETS
    assert steps(bert) == [1] * (len(bert.got) - 1)
    hears(bert, 500)


def test_a_digit_by_info_reaches_who_hears_nobody_else_speak() -> None:
    rig, anna, bert = pair()
    feed(rig, anna, rtp(1), rtp(2))
    rig.fars.remove(anna)
    rig.room.digit(anna.leg, "5", "info")
    rig.run(0.5)
    assert digits_of(bert) == "5"


def test_a_digit_between_codecs_is_made_anew() -> None:
    rig, anna, bert = pair(
        formats="8 99", lines=events_at(99), event_payload_type=99, event_receive_payload_type=99, **LAW_A
    )
    rig.run(0.2)
    assert rig.room.exchange is Exchange.FRAMES
    press(rig, anna, "19")
    assert digits_of(bert) == "19"


# --- frames


def test_two_of_different_codecs_hear_each_other_by_frames() -> None:
    rig, anna, bert = pair(formats="8 101", **LAW_A)
    speaking(anna, bert)
    rig.run(1.0)
    assert rig.room.exchange is Exchange.FRAMES
    hears(anna, 750)
    hears(bert, 500)


def test_a_change_of_codec_and_back_is_heard_for_60_ms_at_most() -> None:
    rig, anna, bert = pair()
    speaking(anna, bert)
    rig.run(1.0)
    rig.reoffer(bert, "8 101", events_at(101), **LAW_A)
    assert rig.room.exchange is Exchange.FRAMES
    rig.run(1.0)
    hears(anna, 750)
    hears(bert, 500)
    assert silence_ms(anna, 1.0) <= 60
    assert silence_ms(bert, 1.0) <= 60
    rig.reoffer(bert, "0 101", events_at(101), codec="PCMU", payload_type=0, receive_codecs={0: "PCMU"})
    assert rig.room.exchange is Exchange.PACKETS
    rig.run(1.0)
    assert silence_ms(anna, 1.0) <= 60
    assert silence_ms(bert, 1.0) <= 60
    assert rig.clock.tick is None
    rig.reoffer(bert, "8 101", events_at(101), **LAW_A)
    rig.run(1.0)
    assert silence_ms(anna, 1.0) <= 60
    assert silence_ms(bert, 1.0) <= 60
    for far in (anna, bert):
        assert set(steps(far)) == {1}
        assert far.stream.stats().lost == 0
        assert all(0 <= pause <= 320 for pause in pauses(far))
        assert len([pause for pause in pauses(far) if pause]) <= 3


def test_what_waited_to_be_played_before_is_not_played_afterwards() -> None:
    rig, anna, bert = pair(formats="8 101", **LAW_A)
    speaking(anna)
    rig.run(0.5)
    rig.reoffer(bert, "0 101", events_at(101), codec="PCMU", payload_type=0, receive_codecs={0: "PCMU"})
    anna.tone = None
    rig.run(0.5)
    rig.reoffer(bert, "8 101", events_at(101), **LAW_A)
    rig.run(0.5)
    assert float(np.abs(bert.sound(0.5)).max()) < 0.01


def test_a_pause_before_a_change_is_in_the_time_of_what_follows() -> None:
    rig, anna, bert = pair()
    feed(rig, anna, *[rtp(number) for number in range(3)])
    rig.now += 0.3
    rig.fars = [bert]
    rig.reoffer(bert, "8 101", events_at(101), **LAW_A)
    rig.run(0.1)
    assert bert.got[3].timestamp - bert.got[2].timestamp & 0xFFFFFFFF == pytest.approx(0.34 * 8000, abs=240)


def test_a_third_leg_makes_it_frames_until_it_leaves() -> None:
    rig, anna, bert = pair()
    speaking(anna, bert)
    rig.run(0.5)
    carl = rig.party("8 101", **LAW_A)
    assert rig.room.exchange is Exchange.FRAMES
    rig.run(1.0)
    assert silence_ms(bert, 1.0) <= 60
    hears(bert, 500)
    spectrum = np.abs(np.fft.rfft(carl.sound(0.4) * np.hanning(3200)))
    assert {int(at) for at in np.argsort(spectrum)[-2:]} == {200, 300}, "500 and 750 Hz"
    rig.room.leave(carl.leg, rig.now)
    rig.fars.remove(carl)
    assert rig.room.exchange is Exchange.PACKETS
    rig.run(1.0)
    assert silence_ms(bert, 1.0) <= 60
    assert set(steps(bert)) == {1}


def test_who_listens_in_hears_frames_of_one_leg() -> None:
    rig, anna, bert = pair()
    speaking(anna, bert)
    rig.run(0.2)
    heard: list[Frame] = []
    cancel = rig.room.tap(anna.leg, lambda frame: heard.append(frame.copy()), rig.now)
    assert rig.room.exchange is Exchange.FRAMES
    rig.run(1.0)
    assert find_tone_hz(np.concatenate(heard[50:])) == pytest.approx(500, abs=1)
    cancel(rig.now)
    assert rig.room.exchange is Exchange.PACKETS


def test_who_speaks_otherwise_than_agreed_on_first_is_coded_anew() -> None:
    rig = RoomRig()
    account = AccountSettings(audio_codecs=("PCMU", "PCMA"))
    anna, bert = rig.party(account=account), rig.party(joins=False, account=account)
    config = bert.leg.stream.config
    assert config is not None
    bert.leg.stream.configure(replace(config, receive_codecs={0: "PCMU", 8: "PCMA"}), rig.now)
    rig.room.join(bert.leg, rig.now)
    speaking(anna, bert)
    rig.run(0.5)
    assert rig.room.exchange is Exchange.PACKETS
    bert.stream.configure(type(config)(remote_rtp=("192.168.1.10", bert.path.rtp_port), **LAW_A), rig.now)
    rig.run(1.0)
    assert rig.room.exchange is Exchange.FRAMES
    hears(anna, 750)
    rig.room.fit(rig.now)
    assert rig.room.exchange is Exchange.FRAMES, "a refresh changes nothing"


# --- who may hear


def test_who_is_not_proven_neither_hears_nor_is_heard() -> None:
    rig, anna, bert = pair(proven=False)
    speaking(anna, bert)
    rig.run(0.5)
    assert bert.got == []
    assert float(np.abs(anna.sound(0.4)).max()) < 0.01
    bert.leg.proven = True
    rig.room.fit(rig.now)
    rig.run(1.0)
    assert rig.room.exchange is Exchange.PACKETS
    hears(anna, 750)
    hears(bert, 500)


def test_who_is_held_hears_nothing_and_comes_back() -> None:
    rig, anna, bert = pair()
    speaking(anna, bert)
    rig.run(0.5)
    for far in (anna, bert):
        rig.reoffer(far, "0 101", events_at(101), direction="inactive")
    assert rig.room.exchange is Exchange.IDLE
    assert rig.clock.tick is None
    got = len(anna.got), len(bert.got)
    rig.run(1.0)
    assert (len(anna.got), len(bert.got)) == got
    for far in (anna, bert):
        rig.reoffer(far, "0 101", events_at(101))
    rig.run(1.0)
    hears(anna, 750)
    hears(bert, 500)
    assert set(steps(bert)) == {1}


def test_music_on_hold_goes_one_way() -> None:
    rig, anna, bert = pair()
    speaking(anna, bert)
    rig.reoffer(anna, "0 101", events_at(101), direction="sendonly")
    rig.reoffer(bert, "0 101", events_at(101), direction="recvonly")
    assert rig.room.exchange is Exchange.PACKETS
    rig.run(1.0)
    assert anna.got == []
    hears(bert, 500)


def test_who_leaves_is_not_heard_and_the_other_goes_on_hearing_silence() -> None:
    rig, anna, bert = pair()
    speaking(anna, bert)
    rig.run(0.5)
    rig.room.leave(bert.leg, rig.now)
    got = len(anna.got)
    rig.run(0.5)
    assert float(np.abs(anna.sound(0.4)).max()) < 0.01
    assert len(anna.got) == pytest.approx(got + 25, abs=2)
    rig.room.leave(anna.leg, rig.now)
    assert rig.room.exchange is Exchange.IDLE
    assert rig.clock.tick is None
    assert rig.room.legs == ()


def test_what_strangers_and_the_mad_send_goes_nowhere() -> None:
    rig, anna, bert = pair()
    feed(rig, anna, rtp(1), rtp(2), rtp(3))
    got = len(bert.path.sent)
    hostile = [
        b"",
        b"\x80",
        b"\x80\x00" + bytes(9),
        rtp(4).serialize()[:12],  # no payload
        rtp(4, payload=bytes(1900)).serialize(),  # longer than what could be protected
        rtp(4, kind=96).serialize(),
        rtp(4, kind=101, payload=b"\x05\x0a").serialize(),  # half an event
        b"\xbf" + rtp(4).serialize()[1:],  # contributing sources and padding that are not there
        rtp(30_000).serialize(),
    ]
    for data in hostile:
        anna.path.engine.receive(data, anna.address, rig.now)
    for number in range(20):
        anna.path.engine.receive(rtp(100 + number, ssrc=5).serialize(), ("203.0.113.66", 5555), rig.now)
    assert len(bert.path.sent) == got
    feed(rig, anna, rtp(5), rtp(6))
    assert len(bert.path.sent) == got + 2


def test_a_flood_is_not_passed_on_and_who_made_it_is_heard_afterwards() -> None:
    rig, anna, bert = pair()
    feed(rig, anna, *[rtp(number) for number in range(300)])  # six seconds
    assert len(bert.got) == 300
    for number in range(300, 3300):
        anna.send(rtp(number), rig.now)
    bert.fetch(rig.now)
    assert len(bert.got) <= 300 + 2 * MAX_AT_ONCE
    rig.now += 1.0
    feed(rig, anna, *[rtp(number) for number in range(3300, 3350)])
    assert [packet.payload for packet in bert.got[-50:]] == [rtp(0).payload] * 50
    assert set(steps(bert)) == {1}


# --- with the door


def test_with_the_door_all_hear_each_other_and_the_visitor() -> None:
    rig = RoomRig(with_door=True)
    anna, bert = rig.party(), rig.party("8 101", **LAW_A)
    anna.tone = Tone(500)
    rig.run(1.0)
    assert rig.room.exchange is Exchange.DOOR
    assert rig.device.running
    sound = bert.sound(0.4)
    assert float(np.mean(sound)) == pytest.approx(0.25, abs=0.02), "what the door's microphone says"
    assert find_tone_hz(sound - np.mean(sound)) == pytest.approx(500, abs=1)
    assert find_tone_hz(np.concatenate(rig.device.heard[-40:])) == pytest.approx(500, abs=1)
    for far in (anna, bert):
        rig.room.leave(far.leg, rig.now)
    assert not rig.device.running


def test_who_only_listens_at_the_door_is_not_heard_there() -> None:
    rig = RoomRig(with_door=True)
    anna = rig.party(joins=False)
    anna.tone = Tone(500)
    rig.room.join(anna.leg, rig.now, speaks=False)
    rig.run(1.0)
    assert float(np.mean(anna.sound(0.4))) == pytest.approx(0.25, abs=0.02)
    assert float(np.abs(np.concatenate(rig.device.heard)).max()) == 0.0


def test_who_only_speaks_at_the_door_hears_nothing_of_it() -> None:
    rig = RoomRig(with_door=True)
    anna = rig.party(joins=False)
    anna.tone = Tone(500)
    rig.room.join(anna.leg, rig.now, hears=False)
    rig.run(1.0)
    assert float(np.abs(anna.sound(0.8)).max()) == 0.0
    assert len(anna.got) > 40, "silence is sent, too"
    assert find_tone_hz(np.concatenate(rig.device.heard[-40:])) == pytest.approx(500, abs=1)


@pytest.mark.parametrize(("codec", "numbers"), [("opus/48000/2", (111, 96)), ("G722/8000", (9, 9))])
def test_packets_of_any_codec_are_passed_on(codec: str, numbers: tuple[int, int]) -> None:
    rig = RoomRig(rate_hz=16000)
    name, clock_hz = codec.split("/")[0], int(codec.split("/")[1])
    account = AccountSettings(audio_codecs=(name,))
    for number in numbers:
        rig.party(str(number), f"a=rtpmap:{number} {codec}\r\n", account=account)
    anna, bert = rig.fars
    assert rig.room.exchange is Exchange.PACKETS
    step = clock_hz // 50
    said = [RtpPacket(numbers[0], n, step * n, 77, bytes([n]) * (20 + n)) for n in range(10)]
    feed(rig, anna, *said)
    assert [(packet.payload_type, packet.payload) for packet in bert.got] == [
        (numbers[1], each.payload) for each in said
    ]
    first = bert.got[0].timestamp
    assert [(packet.timestamp - first) & 0xFFFFFFFF for packet in bert.got] == [step * n for n in range(10)]
