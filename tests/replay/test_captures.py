"""Each capture in pcaps/, its far side fed back: the same call, states, digits and sound, and the same SIP from us."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.sound import assert_tone_in
from voipnode.calls.events import CallChanged, DtmfReceived
from voipnode.replay.capture import CaptureError, read_capture
from voipnode.replay.player import RATE_HZ, Outcome, Player
from voipnode.replay.script import make_script

PCAPS = Path(__file__).resolve().parents[2] / "pcaps"
TALKED = ["Calling", "Ringing", "Active", "Terminating", "Terminated"]


def replay(name: str) -> tuple[Outcome, list[str]]:
    script = make_script(read_capture(PCAPS / f"{name}.pcap"))
    sent_then = list(script.sent)
    return Player(script, user_agent="voipnode/test").play(), sent_then


def states(outcome: Outcome) -> list[str]:
    return [event.state.value for event in outcome.events if isinstance(event, CallChanged)]


def digits(outcome: Outcome) -> list[tuple[str, str, bool]]:
    return [(e.digit, e.road, e.authorised) for e in outcome.events if isinstance(e, DtmfReceived)]


def last(outcome: Outcome) -> CallChanged:
    return [event for event in outcome.events if isinstance(event, CallChanged)][-1]


@pytest.mark.parametrize("path", sorted(PCAPS.glob("*.pcap")), ids=lambda path: path.stem)
def test_the_node_sends_what_it_sent_then(path: Path) -> None:
    outcome, sent_then = replay(path.stem)
    assert outcome.sent == sent_then
    assert outcome.refused == []


def test_a_peer_to_peer_call_with_sound() -> None:
    outcome, _ = replay("p2p-call-baresip")
    assert states(outcome) == TALKED
    assert last(outcome).detail == "hung up by the far side"
    assert_tone_in(outcome.audio().astype(np.float64), RATE_HZ, 440.0, at_least_s=1.4)


def test_digits_by_rtp_events() -> None:
    outcome, _ = replay("dtmf-rfc4733-baresip")
    assert digits(outcome) == [("1", "rtp", True), ("5", "rtp", True), ("#", "rtp", True)]


def test_digits_by_info() -> None:
    outcome, _ = replay("dtmf-info-linphone")
    assert digits(outcome) == [("1", "info", True), ("9", "info", True)]
    assert last(outcome).detail == "hung up here"


def test_a_cancelled_call() -> None:
    outcome, sent = replay("cancelled-call-baresip")
    assert states(outcome) == ["Calling", "Ringing", "Terminating", "Terminated"]
    assert sent == ["INVITE", "CANCEL", "ACK"]


def test_a_busy_phone() -> None:
    outcome, _ = replay("busy-baresip")
    assert states(outcome)[-1] == "Terminated"
    assert (last(outcome).reason.value, last(outcome).status) == ("Busy", 486)


def test_an_incoming_call_whose_digit_may_not_open() -> None:
    outcome, _ = replay("incoming-call-baresip")
    assert digits(outcome) == [("1", "rtp", False)]
    assert states(outcome)[-1] == "Terminated"


def test_a_file_that_is_no_capture_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(b"hello")
    with pytest.raises(CaptureError, match="neither pcap nor pcapng"):
        read_capture(path)
    with pytest.raises(CaptureError, match="No such file"):
        read_capture(tmp_path / "missing.pcap")


def test_a_capture_that_breaks_off_in_mid_packet_is_played_up_to_there(tmp_path: Path) -> None:
    whole = (PCAPS / "busy-baresip.pcap").read_bytes()
    path = tmp_path / "cut.pcap"
    path.write_bytes(whole[:-10])
    assert 0 < len(read_capture(path)) < len(read_capture(PCAPS / "busy-baresip.pcap"))
