"""The node as a reader of a door controller: libosdp asks at the other end of the line."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import osdp_sys
import pytest

from tests.modules.controller.osdp_panel import KEY, Line, Panel
from tests.modules.controller.place import Place
from tests.support.aio import PATIENCE_S, run_test
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.events import CredentialForwarded
from voipnode.credentials.bits import of_bytes
from voipnode.credentials.wiegand import WIEGAND26
from voipnode.modules.controller import osdp_link
from voipnode.modules.controller.osdp_feedback import Feedback, OsdpFeedback

Story = Callable[[Place, Line], Awaitable[None]]
FATAL = bytes.fromhex("5300080004A66113")  # ends a process whose libosdp gets it
CARD = "02EC0C86"  # H10301: facility 118, card 1603


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is: the panel asks in the same loop."""
    monkeypatch.setattr(osdp_link, "DELIVER_S", PATIENCE_S)


def tell(folder: Path, story: Story, **osdp: object) -> None:
    async def main() -> None:
        line = Line()
        place = Place(folder, protocol="osdp", osdp={"device": line.device, "key": KEY.hex(), **osdp})
        try:
            await place.start()
            await story(place, line)
        finally:
            await place.module.stop()
            await place.module.stop()
            line.close()

    run_test(main())


def test_a_card_and_a_pin_come_as_they_are_and_the_light_shows_the_answer(tmp_path: Path) -> None:
    async def story(place: Place, line: Line) -> None:
        panel = Panel(line)
        assert await place.until("connected") == "encrypted"
        await panel.until(lambda: panel.is_online)
        panel.send(command=osdp_sys.CMD_LED, temporary=False, control_code=1, on_color=1, on_count=1)
        assert await place.card(CARD, 26) == "forwarded"
        assert await place.keys("1230#", reader="back") == "forwarded"
        green = {"temporary": True, "control_code": 2, "on_color": 2, "on_count": 1, "timer_count": 30}
        panel.send(command=osdp_sys.CMD_LED, **green)
        panel.send(command=osdp_sys.CMD_BUZZER, control_code=2, on_count=1, off_count=1, rep_count=2)
        await panel.until(lambda: len(place.shown) == 3 and len(panel.events) == 2)
        card, keys = panel.events
        assert WIEGAND26.decode(of_bytes(card["data"], card["length"])).number == 1603
        assert keys["data"] == b"1230\r"
        assert place.shown == [("gate", "red", 0, 0), ("back", "green", 3.0, 0), ("back", "", 0, 2)]
        forwarded = [event for event in place.events if isinstance(event, CredentialForwarded)]
        assert [(event.reader, event.by, event.to) for event in forwarded] == [
            ("gate", "card", "osdp"),
            ("back", "pin", "osdp"),
        ]
        assert "1230" not in str(place.events)
        assert "EC0C86" not in str(place.events)

    tell(tmp_path, story)


def test_a_controller_that_was_killed_gets_nothing_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it did not ask for in time is refused, so that whoever stands there hears of it; nothing is kept."""

    async def story(place: Place, line: Line) -> None:
        first = Panel(line)
        await place.until("connected")
        first.kill()
        monkeypatch.setattr(osdp_link, "DELIVER_S", 0.2)
        with pytest.raises(NotNowError, match=r"did not ask within 0\.2 s"):
            await place.card(CARD, 26)
        monkeypatch.setattr(osdp_link, "DELIVER_S", PATIENCE_S)
        second = Panel(line)
        await second.until(lambda: place.said[-1].state == "connecting")
        await place.until("connected")
        assert await place.keys("7") == "forwarded"
        await second.until(lambda: second.events)
        assert [event["event"] for event in second.events] == [osdp_sys.EVENT_KEYPRESS]

    tell(tmp_path, story)


def test_with_another_key_nothing_is_told(tmp_path: Path) -> None:
    async def story(place: Place, line: Line) -> None:
        panel = Panel(line, bytes(16))
        await panel.until(lambda: "key" in place.said[-1].detail)
        await panel.until(lambda: line.written >= 3)  # the channel was tried
        assert {event.state for event in place.said} == {"connecting"}
        with pytest.raises(NotNowError, match="the door controller does not hear us: the controller does not use our"):
            await place.card(CARD, 26)

    tell(tmp_path, story)


def test_without_a_secure_channel_it_says_so(tmp_path: Path) -> None:
    async def story(place: Place, line: Line) -> None:
        panel = Panel(line, None, flags=0)
        assert "in the clear" in await place.until("connected")
        await place.card("C0DE1234")
        await panel.until(lambda: panel.events)
        assert (panel.events[0]["data"], panel.events[0]["length"]) == (bytes.fromhex("C0DE1234"), 32)

    tell(tmp_path, story, secure_channel=False, key="")


def test_the_controller_sets_a_key_once(tmp_path: Path) -> None:
    async def install(place: Place, line: Line) -> None:
        assert place.said[-1].state == "connecting"
        Panel(line, KEY, flags=osdp_sys.FLAG_INSTALL_MODE)
        assert await place.until("connected") == "encrypted"

    async def afterwards(place: Place, line: Line) -> None:
        Panel(line, KEY)
        assert await place.until("connected") == "encrypted"

    tell(tmp_path, install, key="", install=True)
    kept = tmp_path / "controller.key"
    assert bytes.fromhex(kept.read_text()) == KEY
    assert kept.stat().st_mode & 0o777 == 0o600
    tell(tmp_path, afterwards, key="")


def test_without_any_key_there_is_no_link(tmp_path: Path) -> None:
    async def story(place: Place, line: Line) -> None:
        assert place.said[-1].state == "not connected"
        assert "osdp.install" in place.said[-1].detail
        with pytest.raises(NotNowError, match=r"no key: set osdp\.key"):
            await place.card(CARD)

    (tmp_path / "controller.key").write_text("0011")  # cut by a full disk
    tell(tmp_path, story, key="")


def test_a_line_that_comes_later_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(osdp_link, "RETRY_S", 0.02)
    device = tmp_path / "ttyS1"

    async def story(place: Place, line: Line) -> None:
        assert (place.said[-1].state, place.said[-1].detail) == ("connecting", f"{device}: No such file or directory")
        with pytest.raises(CallError, match="No such file or directory"):
            await place.card(CARD)
        device.symlink_to(line.device)
        await place.heard(lambda: place.said[-1].detail == "nobody asks for us on the line")
        panel = Panel(line)
        await place.until("connected")
        panel.kill()

    tell(tmp_path, story, device=str(device))


def test_a_line_that_breaks_off_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        line = Line()
        place = Place(tmp_path, protocol="osdp", osdp={"device": line.device, "key": KEY.hex()})
        await place.start()
        panel = Panel(line)
        await place.until("connected")
        waiting = asyncio.ensure_future(place.card(CARD, 26))
        await asyncio.sleep(0)
        panel.kill()
        line.close()
        with pytest.raises(NotNowError, match="the line to the door controller broke off"):
            await waiting
        assert line.device in await place.until("connecting")
        await place.module.stop()

    run_test(main())


@pytest.mark.fuzz
def test_noise_on_the_line_is_nothing(tmp_path: Path) -> None:
    """Frames that are nearly right among bytes of chance: no exception, nothing shown, and a panel is served after."""

    async def story(place: Place, line: Line) -> None:
        chance = random.Random(7)
        for _ in range(300):
            noise = chance.randbytes(chance.randrange(1, 60))
            if chance.random() < 0.5:  # SOM, address, length, control: as a frame begins
                noise = bytes([0x53, 0, len(noise) + 5, 0, 4 | chance.randrange(4)]) + noise
            line.write(noise + FATAL)
            await asyncio.sleep(0)
            line.flush()
        assert place.shown == []
        Panel(line)
        await place.until("connected")

    tell(tmp_path, story)


def lit(**command: object) -> dict[str, object]:
    return {
        "reader": 0,
        "led_number": 0,
        "control_code": 1,
        "on_count": 5,
        "off_count": 0,
        "temporary": False,
        **command,
    }


@pytest.mark.parametrize(
    ("commands", "shown"),
    [
        ([lit(on_color=3)], [Feedback("amber")]),
        ([lit(on_color=1, on_count=0, off_color=4)], [Feedback("blue")]),
        ([lit(on_color=2, control_code=0)], [None]),
        ([lit(on_color=2, led_number=1)], [None]),
        ([lit(on_color=2, reader=1)], [None]),
        ([lit(on_color=7, temporary=True, control_code=2, timer_count=15)], [Feedback("amber", 1.5)]),
        ([lit(on_color=2, temporary=True, control_code=2, timer_count=0)], [None]),
        ([lit(on_color=2, temporary=True, control_code=1)], [None]),
        (
            [lit(on_color=1), lit(on_color=2, temporary=True, control_code=2, timer_count=1), lit(temporary=True)],
            [Feedback("red"), Feedback("green", 0.1), Feedback("red")],
        ),
        ([lit(on_color=255, on_count="x")], [Feedback("off")]),
    ],
)
def test_what_a_light_command_comes_to(commands: list[dict[str, object]], shown: list[Feedback | None]) -> None:
    feedback = OsdpFeedback()
    assert [feedback.light(command) for command in commands] == shown


@pytest.mark.parametrize(("code", "times", "beeps"), [(2, 3, 3), (2, 0, 10), (2, 255, 10), (1, 3, None), (0, 3, None)])
def test_what_a_beeper_command_comes_to(code: int, times: int, beeps: int | None) -> None:
    tone = OsdpFeedback().tone({"reader": 0, "control_code": code, "rep_count": times})
    assert tone == (None if beeps is None else Feedback("", beeps=beeps))
