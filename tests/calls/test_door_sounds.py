"""Clips and tones around a call: while it rings, when it is answered, and when it was not to be."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.switchboard import DOOR, Switchboard, busy, rings, sdp
from voipnode.calls.clips.settings import GroupSounds, IncomingSettings, SoundsSettings
from voipnode.calls.events import CallChanged, CallReason, CallState, ScheduleChanged
from voipnode.calls.session_settings import RingbackSettings
from voipnode.calls.settings import AccountSettings, SipSettings

ANNA = "192.168.1.20"
MUSIC, NOBODY, BUSY, BELL, NOTICE = 0.5, 0.4, 0.3, 0.35, 0.45
CLIPS = {"music": MUSIC, "nobody": NOBODY, "busy": BUSY, "bell": BELL, "notice": NOTICE}


def board(
    sounds: SoundsSettings | None = None, incoming: IncomingSettings | None = None, **more: object
) -> Switchboard:
    settings = SipSettings(
        sounds=sounds or SoundsSettings(), incoming=incoming or IncomingSettings(), calling_timeout_s=5, **more
    )  # type: ignore[arg-type]  # of this test
    return Switchboard(settings=settings, clips=CLIPS)


def heard(at: Switchboard, until: float, tail_s: float = 0.1) -> float:
    """The loudest of the last of what the visitor heard; -1 where the loudspeaker rests."""
    before = len(at.device.heard)
    at.wire.run(until)
    if len(at.device.heard) == before:
        return -1.0
    return round(max(float(np.abs(frame).max()) for frame in at.device.heard[-round(tail_s * 100) :]), 2)


def test_a_clip_is_heard_over_and_over_in_place_of_the_tone_with_its_gain() -> None:
    at = board(SoundsSettings(ringback_clip="music", ringback_gain_db=-6.0206))
    phone = at.phone("anna", ANNA, plan=rings)
    at.ring(phone)
    assert heard(at, 3.7) == MUSIC / 2
    phone.endpoint.accept(phone.session, sdp(ANNA), at.wire.now)
    assert heard(at, 4.0) == 0.0


def test_a_clip_that_cannot_be_had_leaves_the_tone_and_a_groups_own_counts_first() -> None:
    at = board(SoundsSettings(ringback_clip="lost"), ringback=RingbackSettings(off_ms=0))
    at.ring(at.phone("anna", ANNA, plan=rings))
    assert heard(at, 1.0) == pytest.approx(0.16, abs=0.01)
    at = board(SoundsSettings(ringback_clip="lost"))
    call = at.ring(at.phone("anna", ANNA, plan=rings))
    at.switch.call(call).sounds = GroupSounds(ringback_clip="music")
    assert heard(at, 1.0) == MUSIC


def test_who_is_rung_next_has_a_ringing_of_its_own() -> None:
    at = board(SoundsSettings(ringback_clip="music"))
    anna, berta = at.phone("anna", ANNA, plan=rings), at.phone("berta", "192.168.1.21", plan=rings)
    call = at.ring(anna, berta)
    assert heard(at, 1.0) == MUSIC
    at.switch.call(call).sounds = GroupSounds(ringback_clip="bell")
    berta.endpoint.ring(berta.session, at.wire.now)
    assert heard(at, 1.5) == BELL


def test_nobody_is_there() -> None:
    at = board(SoundsSettings(nobody_clip="nobody"), ringback=RingbackSettings(off_ms=0))
    at.ring(at.phone("anna", ANNA, plan=rings))
    assert heard(at, 4.9) == pytest.approx(0.16, abs=0.01)
    assert heard(at, 5.9) == NOBODY
    at.wire.run(6.2)
    assert heard(at, 6.5) == -1.0
    at.wire.run(60.0)
    at.assert_quiet()


def test_busy_is_a_clip_or_a_tone_or_nothing() -> None:
    for sounds, expected in (
        (SoundsSettings(busy_clip="busy"), BUSY),
        (SoundsSettings(), 0.16),
        (SoundsSettings(busy_tone=False), -1.0),
    ):
        at = board(sounds)
        at.ring(at.phone("anna", ANNA, plan=busy))
        assert heard(at, 0.4, 0.3) == pytest.approx(expected, abs=0.01)
        at.wire.run(60.0)
        at.assert_quiet()


def test_a_new_press_ends_what_is_said_of_the_call_before() -> None:
    at = board(SoundsSettings(nobody_clip="nobody", ringback_clip="music"))
    phone = at.phone("anna", ANNA, plan=rings)
    at.ring(phone)
    assert heard(at, 5.5) == NOBODY
    at.ring(phone)
    assert heard(at, 5.8) == MUSIC


def test_who_hung_up_here_or_talked_hears_nothing_and_a_call_of_the_api_is_nobodys() -> None:
    sounds = SoundsSettings(nobody_clip="nobody", busy_clip="busy")
    at = board(sounds)
    call = at.ring(at.phone("anna", ANNA, plan=rings))
    at.wire.run(1.0)
    at.switch.hang_up(call, at.wire.now)
    assert heard(at, 2.0) == -1.0
    at.ring(at.phone("berta", "192.168.1.21", plan=busy), authorised=False)
    assert heard(at, 3.0) == -1.0
    phone = at.phone("carla", "192.168.1.22", plan=rings)
    at.ring(phone)
    at.wire.run(3.5)
    phone.endpoint.accept(phone.session, sdp(phone.address.host), at.wire.now)
    at.wire.run(4.0)
    phone.endpoint.hang_up(phone.session, at.wire.now)
    assert heard(at, 5.0) <= 0.0
    at.wire.run(60.0)
    at.assert_quiet()


def test_a_beep_says_that_somebody_has_answered() -> None:
    at = board(SoundsSettings(connected_beep=True))
    phone = at.phone("anna", ANNA, plan=rings)
    at.ring(phone)
    at.wire.run(2.0)
    phone.endpoint.accept(phone.session, sdp(ANNA), at.wire.now)
    assert heard(at, 2.15) == pytest.approx(0.16, abs=0.01)
    assert heard(at, 2.5) == 0.0


# ---- calls to the door


def test_a_ringtone_is_heard_until_the_call_is_answered() -> None:
    at = board(incoming=IncomingSettings(ringtone_clip="bell"))
    phone = at.phone("anna", ANNA)
    phone.call(DOOR)
    assert heard(at, 3.5) == BELL
    at.switch.answer(at.last.call, at.wire.now)
    assert heard(at, 4.0) == 0.0
    assert at.states == ["Ringing", "Active"]


def test_the_ringtone_ends_with_the_callers_patience() -> None:
    at = board(incoming=IncomingSettings(ringtone_clip="bell"))
    phone = at.phone("anna", ANNA)
    session = phone.call(DOOR)
    at.wire.run(1.5)
    phone.endpoint.hang_up(session, at.wire.now)
    assert heard(at, 2.0) == -1.0
    at.wire.run(60.0)
    at.assert_quiet()


@pytest.mark.parametrize(("clip", "level", "ends"), [("notice", NOTICE, 1.0), ("lost", 0.16, 1.0)])
def test_attention_is_called_before_the_caller_is_heard(clip: str, level: float, ends: float) -> None:
    """4.18: it rings, the clip is played, the call is answered when it ends; without the clip a tone warns."""
    at = board(incoming=IncomingSettings(attention_clip=clip, ringtone_clip="bell"))
    at.phone("anna", ANNA).call(DOOR)
    assert heard(at, 0.8) == pytest.approx(level, abs=0.01)
    assert at.states == ["Ringing"]
    at.wire.run(ends + 0.1)
    assert at.states == ["Ringing", "Active"]
    assert at.last.at == pytest.approx(ends + 0.02, abs=0.02)


def test_a_caller_who_leaves_during_the_clip_is_not_answered() -> None:
    at = board(incoming=IncomingSettings(attention_clip="notice"))
    phone = at.phone("anna", ANNA)
    session = phone.call(DOOR)
    at.wire.run(0.5)
    phone.endpoint.hang_up(session, at.wire.now)
    at.wire.run(60.0)
    assert at.states == ["Ringing", "Terminated"]
    at.assert_quiet()


def test_a_switch_that_is_let_go_of_leaves_the_door_to_the_next(caplog: pytest.LogCaptureFixture) -> None:
    at = board(incoming=IncomingSettings(ringtone_clip="bell"))
    at.switch.abandon(at.wire.now)
    for state, direction in ((CallState.RINGING, "incoming"), (CallState.CALLING, "outgoing")):
        at.bus.publish(
            CallChanged(
                call="c7", state=state, reason=CallReason.INITIATED, direction=direction, remote="sip:a@b", account=""
            )
        )
    at.wire.run(1.0)
    assert not at.device.running
    assert not caplog.records


def test_nobody_rings_while_nobody_is_to_be_disturbed() -> None:
    settings = SipSettings(incoming=IncomingSettings(do_not_disturb="night", ringtone_clip="bell"))
    at = Switchboard(settings=settings, clips=CLIPS)
    at.bus.publish(ScheduleChanged(schedule="day", active=True))
    for active, status, states in ((True, 480, []), (False, 180, ["Ringing"])):
        at.bus.publish(ScheduleChanged(schedule="night", active=active))
        phone = at.phone(f"caller{status}", f"192.168.1.{20 + active}")
        phone.call(DOOR)
        at.wire.run(at.wire.now + 1.0)
        assert [event.status for event in phone.events if getattr(event, "status", 0) > 100] == [status]
        assert at.states == states
        assert at.device.running is bool(states)


def test_who_is_answered_by_the_account_hears_no_clip() -> None:
    settings = SipSettings(incoming=IncomingSettings(attention_clip="notice"))
    at = Switchboard(settings=settings, account=AccountSettings(auto_answer=True), clips=CLIPS)
    at.phone("anna", ANNA).call(DOOR)
    assert heard(at, 0.5, 0.4) == 0.0
    assert at.states == ["Ringing", "Active"]
