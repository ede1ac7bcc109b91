"""The rules that a node comes with: off, and what they do once they are switched on."""

from __future__ import annotations

from tests.modules.rules.test_rules import Place, tell
from tests.modules.rules.test_while_active import call, sound, tells
from voipnode.calls.commands import AnswerCall, PlayClip, StopClip, SwitchIndicator, SwitchRule
from voipnode.calls.events import CallState, ClipChanged, RecordingChanged
from voipnode.modules.rules.preconfigured import LOUD, TONE, preconfigured

TONE_RULES = ("Announcement tone on an incoming call", "Answer after the announcement tone")
GREEN = SwitchIndicator(indicator="front", colour="green")
DARK = SwitchIndicator(indicator="front", colour="off")


async def on(place: Place, *rules: str) -> None:
    for rule in rules:
        await place.commands.execute(SwitchRule(rule=rule, on=True))


def test_they_are_off() -> None:
    async def story(place: Place) -> None:
        assert len(preconfigured(())) == 6
        assert all(rule["preconfigured"] and not rule["on"] for rule in (await place.listed())["rules"])
        assert await tells(place, sound(), call(CallState.RINGING), call(CallState.ACTIVE)) == []

    tell(story)


def test_a_call_is_answered_when_the_announcement_tone_has_ended() -> None:
    async def story(place: Place) -> None:
        await on(place, *TONE_RULES)
        await tells(place, call(CallState.RINGING, "c7"))
        assert [command for _, command in place.asked] == [PlayClip(clip=TONE, to="door", volume=100, repeat=0)]
        assert await tells(place, ClipChanged(clip=TONE, playing=True, to="door")) == []
        assert await tells(place, ClipChanged(clip="other", playing=False, to="door")) == []
        await tells(place, ClipChanged(clip=TONE, playing=False, to="door"))
        assert [command for _, command in place.asked] == [AnswerCall(call="c7")]
        await tells(place, call(CallState.ACTIVE, "c7"))
        await tells(place, ClipChanged(clip=TONE, playing=True, to="door"))
        assert await tells(place, ClipChanged(clip=TONE, playing=False, to="door")) == []  # nothing rings

    tell(story)


def test_the_loud_ringer_plays_until_it_is_answered() -> None:
    async def story(place: Place) -> None:
        await on(place, "Loud ringer")
        assert await tells(place, call(CallState.RINGING)) == ["PlayClip"]
        await tells(place, call(CallState.ACTIVE))
        assert [command for _, command in place.asked] == [StopClip(clip=LOUD)]

    tell(story)


def test_the_front_led_is_green_while_the_microphone_is_on_and_a_call_or_a_recording() -> None:
    async def story(place: Place) -> None:
        await on(place, "Front LED: SIP call", "Front LED: recording", "Front LED: live stream")
        assert await tells(place, call(CallState.ACTIVE)) == []  # the microphone has not been told of
        await tells(place, sound())
        assert [command for _, command in place.asked] == [GREEN]
        await tells(place, RecordingChanged(on=True, file="a.wav"))
        assert await tells(place, call(CallState.TERMINATED)) == []  # it records yet
        await tells(place, sound(muted=True))
        assert [command for _, command in place.asked] == [DARK]

    tell(story)
