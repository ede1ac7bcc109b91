"""The cook book, docs/examples.md: each example loaded as a user writes it, and tried."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.smtp import SMTP

from tests.modules.controller.osdp_panel import CMD_LED, Line, Panel
from tests.support.aio import PATIENCE_S, run_test, within
from tests.support.clip_files import clip_file
from tests.support.free_ports import free_port
from tests.support.household import COOK_BOOK, Household, recipe
from tests.support.ticker import LoopTicker
from tests.support.virtual_loop import run_virtual, settle
from tests.support.web_rig import web_rig
from voipnode.calls.commands import (
    AddHolder,
    CalibrateSpeaker,
    PlayClip,
    PresentCard,
    ReadCard,
    ReportDetector,
    SendTo,
)
from voipnode.calls.door_measurement import DoorMeasurement
from voipnode.calls.events import (
    AccessDenied,
    CallChanged,
    CallState,
    ClipChanged,
    ControllerChanged,
    DisplayChanged,
    DoorOpened,
    MessageDelivered,
    PortChanged,
    ReaderFeedback,
    RuleFired,
    SignalChanged,
    SpeakerState,
    SpeakerTestChanged,
    SpeakerTestFinished,
)
from voipnode.calls.hooks import House
from voipnode.modules.audio.settings import RoomSettings
from voipnode.modules.audio.simulated import SimulatedRoom
from voipnode.modules.audio.sources import Silence
from voipnode.modules.controller import osdp_link
from voipnode.modules.speaker_test.module import SpeakerTestModule
from voipnode.settings import NodeSettings
from voipnode.store.settings_file import parse_settings

Story = Callable[[Household], Awaitable[None]]


def tell(text: str, folder: Path, parts: tuple[str, ...], story: Story, **more: Any) -> None:
    """In virtual time."""

    async def main() -> None:
        house = Household(text, folder, parts, **more)
        await house.start()
        try:
            await story(house)
            assert house.problems == []
        finally:
            await house.stop()

    run_virtual(main(), limit_s=100_000)


def test_every_example_is_what_the_settings_take() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", COOK_BOOK.read_text(), re.DOTALL)
    assert len(blocks) >= 8
    for block in blocks:
        parse_settings(block, NodeSettings, "docs/examples.md")


def test_a_digit_opens_the_relay_for_seven_seconds(tmp_path: Path) -> None:
    async def story(house: Household) -> None:
        house.call(CallState.ACTIVE)
        house.digit("1", authorised=False)
        house.digit("2")
        await asyncio.sleep(5)
        assert house.of(DoorOpened) == [], "of a stranger, and another digit"
        house.digit("1")
        await asyncio.sleep(20)
        changes = [(event.at, event.active, event.why) for event in house.of(PortChanged)[1:]]
        assert changes == [(5.0, True, "pulse"), (12.0, False, "expired")]
        assert [(event.port, event.who) for event in house.of(DoorOpened)] == [("relay1", 'rule "DTMF unlock door"')]

    tell(recipe("A digit opens the door for seven seconds"), tmp_path, ("relay", "dtmf"), story)


def test_a_card_opens_the_door_ten_times_and_not_an_eleventh(tmp_path: Path) -> None:
    async def main() -> None:
        house = Household(recipe("A card opens the door ten times"), tmp_path, ("relay", "entry"))
        await house.start()
        try:
            await house.do(AddHolder(values={"name": "Anna", "card_uid": "04A1B2C3", "uses_left": 10}))
            outcomes = []
            for _ in range(12):
                outcomes.append(await house.do(ReadCard(reader="outside", uid="04A1B2C3")))
                await settle()
            assert outcomes == ["granted"] * 10 + ["denied"] * 2
            assert len(house.of(DoorOpened)) == 10
            assert {event.duration_s for event in house.of(DoorOpened)} == {7.0}
            assert [event.why for event in house.of(AccessDenied)] == ["used up"] * 2
            assert house.problems == []
        finally:
            await house.stop()

    run_test(main())


def test_a_door_controller_decides_about_cards_that_the_node_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The controller is libosdp's, at the other end of the serial line."""
    monkeypatch.setattr(osdp_link, "DELIVER_S", PATIENCE_S)  # however busy the machine is
    heading = "A door controller decides about cards that the node does not know"

    async def main() -> None:
        line = Line()
        text = recipe(heading).replace("/dev/ttyS1", line.device)
        house = Household(text, tmp_path, ("relay", "entry", "controller", "readers"))
        await house.start()
        panel = Panel(line)
        try:
            await panel.until(lambda: house.of(ControllerChanged)[-1].state == "connected" and panel.is_online)
            await house.do(AddHolder(values={"name": "Anna", "card_uid": "04A1B2C3"}))
            assert await house.do(PresentCard(reader="gate", uid="04A1B2C3")) == "granted"
            assert await house.do(PresentCard(reader="gate", uid="02EC0C86", bits=26)) == "forwarded"
            await panel.until(lambda: panel.events)
            assert [(each["data"].hex(), each["length"]) for each in panel.events] == [("bb032180", 26)]
            green = {"temporary": True, "control_code": 2, "on_color": 2, "on_count": 1, "timer_count": 30}
            panel.send(command=CMD_LED, **green)
            await panel.until(lambda: house.of(ReaderFeedback))
            (shown,) = house.of(ReaderFeedback)
            assert (shown.reader, shown.led, shown.for_s) == ("gate", "green", 3.0)
            assert [event.who for event in house.of(DoorOpened)] == ["Anna"]
            assert house.problems == []
        finally:
            panel.kill()
            await house.stop()
            line.close()

    run_test(main())
    assert parse_settings(recipe(heading, 1), NodeSettings, "docs/examples.md").controller.http.verify


def test_digit_nine_shows_the_map_for_thirty_seconds(tmp_path: Path) -> None:
    async def story(house: Household) -> None:
        house.call(CallState.ACTIVE)
        await asyncio.sleep(3)
        house.digit("9")
        await asyncio.sleep(100)
        shown = [(event.at, event.page) for event in house.of(DisplayChanged)]
        assert shown[-2:] == [(3.0, "Map page"), (33.0, "Home")]

    tell(recipe("A digit shows a map for thirty seconds"), tmp_path, ("dtmf", "display"), story)


def test_digit_one_stops_the_clip(tmp_path: Path) -> None:
    async def story(house: Household) -> None:
        await house.do(PlayClip(clip="Announcement", repeat=100))
        house.call(CallState.ACTIVE)
        await asyncio.sleep(5)
        house.digit("1")
        await asyncio.sleep(1)
        began, ended = house.of(ClipChanged)
        assert (began.playing, ended.playing, ended.why) == (True, False, "stopped")
        assert 5.0 <= ended.at <= 5.06, "with a fade of 50 ms"
        assert max(float(abs(frame).max()) for frame in house.device.heard[:400]) > 0.1

    tell(recipe("A digit stops the clip"), tmp_path, ("dtmf", "clips"), story)


def test_a_clip_is_played_when_it_rings_and_the_call_answered_when_it_ends(tmp_path: Path) -> None:
    async def story(house: Household) -> None:
        await asyncio.sleep(10)
        assert house.of(RuleFired) == []
        house.call(CallState.RINGING, "incoming")
        await asyncio.sleep(60)
        began, ended = house.of(ClipChanged)
        assert (began.at, round(ended.at, 2), ended.why) == (10.0, 12.01, "ended")
        answered = [event for event in house.of(CallChanged) if event.state is CallState.ACTIVE]
        assert [(event.call, event.at) for event in answered] == [("c1", ended.at)]
        await house.do(PlayClip(clip="Attention"))
        await asyncio.sleep(5)
        assert len(house.of(RuleFired)) == 2, "a clip that ends while nobody calls answers nothing"

    tell(recipe("A clip when a call comes in, and the answer after it"), tmp_path, ("clips",), story)


def test_a_hit_is_sent_to_the_guard(tmp_path: Path) -> None:
    async def story(house: Household) -> None:
        told: list[SendTo] = []

        def take(command: SendTo) -> str:
            told.append(command)
            return ""

        house.commands.register(SendTo, take, who="test")
        for strength_g in (0.3, 3.2):
            await house.do(ReportDetector(detector="case", active=True, strength_g=strength_g))
        await settle()
        (wish,) = told
        assert wish.values["because"] == 'detector "case" notices something'

    tell(recipe("Somebody hits the device"), tmp_path, ("detectors",), story)


# -- by mail, at six o'clock

RATE_HZ = 8000
FAILED_HEADING = "An e-mail when the speaker test fails"


class Mails:
    """A mail server's hands: keeps what is sent."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 -- aiosmtpd's name
        self.got.append(envelope)
        return "250 kept"


async def at_once(work: Callable[[], Any]) -> Any:
    return work()


def speaker_test_at_six(text: str, folder: Path, fault: str) -> tuple[list[SendTo], list[datetime]]:
    """What recipients are asked to be told, and when a test ended, from noon to midnight."""
    told: list[SendTo] = []
    ended: list[datetime] = []

    async def story(house: Household) -> None:
        def take(command: SendTo) -> str:
            told.append(command)
            return ""

        house.commands.register(SendTo, take, who="test")
        room = SimulatedRoom(RATE_HZ, RoomSettings(), Silence(RATE_HZ))
        door = DoorMeasurement(room, LoopTicker(), house.bus, disabled="")
        house.bus.subscribe(SpeakerTestFinished, lambda event: ended.append(house.utc_now()), who="test")
        quick = house.settings.speaker_test.model_copy(update={"passes": 2})
        module = SpeakerTestModule(
            House(house.bus, house.commands, folder, door), quick, now=house.utc_now, aside=at_once
        )
        await module.start()
        await house.do(CalibrateSpeaker())
        await asyncio.sleep(600)
        assert house.of(SpeakerTestChanged)[-1].state is SpeakerState.CALIBRATED
        room.change(RoomSettings.model_validate({"fault": fault}))
        await asyncio.sleep(12 * 3600)
        await module.stop()

    tell(text, folder, (), story, begins=datetime(2026, 6, 1, 10, tzinfo=UTC))  # noon in Stockholm
    return told, ended


def test_light_and_siren_for_a_minute_when_somebody_tries_to_force_the_door(tmp_path: Path) -> None:
    async def story(house: Household) -> None:
        await asyncio.sleep(5)
        await house.do(ReportDetector(detector="frame", active=True))
        await asyncio.sleep(100)
        shown = [(event.at, event.profile, event.siren.get("pattern")) for event in house.of(SignalChanged)]
        assert shown[-2:] == [(5.0, "Forced", "yelp"), (65.0, "", None)]

    tell(recipe("Light and siren when somebody tries to force the door"), tmp_path, ("detectors", "light"), story)


def test_a_speaker_test_at_six_that_fails_is_mailed(tmp_path: Path) -> None:
    text = recipe(FAILED_HEADING)
    told, ended = speaker_test_at_six(text, tmp_path, "muffled")
    (wish,) = told
    assert [(at.hour, at.minute) for at in ended] == [(16, 0)], "six in Stockholm"
    port = free_port()
    mine = text.replace('host = "mail.example.com"', 'host = "127.0.0.1"').replace("port = 587", f"port = {port}")

    async def main() -> None:
        mails = Mails()
        server = await asyncio.get_running_loop().create_server(lambda: SMTP(mails), "127.0.0.1", port)
        async with server:
            plain = mine.replace(f"port = {port}", f'port = {port}\nsecurity = "none"')
            house = Household(plain, tmp_path, ("recipients",))
            await house.start()
            try:
                delivered = asyncio.Event()
                house.bus.subscribe(MessageDelivered, lambda event: delivered.set(), who="test")
                await house.do(wish)
                async with within(PATIENCE_S, "mail", lambda: house.problems):
                    await delivered.wait()
            finally:
                await house.stop()
        (envelope,) = mails.got
        assert envelope.rcpt_tos == ["guard@example.com", "caretaker@example.com"]
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert mail["subject"] == "Speaker test failed"
        assert "a speaker test is Failed" in str(mail.get_body())

    run_test(main())


# -- by a link

MOTION_HEADING = "A camera that sees something move plays a clip here"


def test_motion_in_a_camera_plays_a_clip_by_its_link(tmp_path: Path) -> None:
    speaker, camera = recipe(MOTION_HEADING, 0), recipe(MOTION_HEADING, 1)

    async def main() -> None:
        async with web_rig() as rig:
            stock = rig.clips(tmp_path / "voipnode.toml", speaker)
            (tmp_path / "clips").mkdir(exist_ok=True)
            (tmp_path / "clips" / "leave.wav").write_bytes(clip_file("wav", rate_hz=8000))
            heard: asyncio.Queue[ClipChanged] = asyncio.Queue()
            rig.bus.subscribe(ClipChanged, heard.put_nowait, who="test")
            text = camera.replace("http://127.0.0.1:8080", rig.url)
            house = Household(text, tmp_path / "camera", ("detectors", "recipients"))
            (tmp_path / "camera").mkdir()
            await house.start()
            try:
                await house.do(ReportDetector(detector="yard", active=True, source="camera"))
                async with within(PATIENCE_S, "clip", lambda: house.problems):
                    played = await heard.get()
                assert (played.clip, played.playing, played.to) == ("Leave", True, "door")
                async with httpx.AsyncClient(base_url=rig.url, trust_env=False) as browser:
                    link = "/api/v1/clips/Leave/play"
                    assert (await browser.get(link, headers={"sec-fetch-site": "cross-site"})).status_code == 403
                    assert (await browser.get(link)).status_code == 204
            finally:
                await house.stop()
                await stock.stop()

    run_test(main())
