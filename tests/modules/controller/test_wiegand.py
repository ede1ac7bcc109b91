"""The node as a Wiegand reader: frames as lines to whatever makes the pulses of them."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import tty
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.modules.controller.place import Place
from tests.support.virtual_loop import run_virtual, settle
from voipnode.calls.commands import ForwardCredential, ShowController
from voipnode.calls.errors import CallError, NotNowError
from voipnode.credentials.decoder import Card, Keys, WiegandDecoder
from voipnode.credentials.wiegand import WIEGAND26, WIEGAND34, CardNumber
from voipnode.modules.controller.settings import ControllerSettings

Story = Callable[[Place], Awaitable[None]]
CARD = WIEGAND26.encode(1603, 118)
UID = "02EC0C86"


def tell(folder: Path, device: Path | str, story: Story, **wiegand: object) -> None:
    async def main() -> None:
        place = Place(folder, protocol="wiegand", wiegand={"device": str(device), **wiegand})
        await place.start()
        await story(place)
        await place.module.stop()
        assert place.commands.taken_by(ForwardCredential) == ""
        await place.module.stop()

    run_virtual(main())


def frames(text: str) -> list[str]:
    lines = text.splitlines()
    assert {line.rpartition(" ")[0] for line in lines} == {"40 2000 25000"}
    return [line.rpartition(" ")[2] for line in lines]


@pytest.fixture
def wire(tmp_path: Path) -> Path:
    file = tmp_path / "wire"
    file.touch()
    return file


def test_a_card_and_keys_bit_by_bit(tmp_path: Path, wire: Path) -> None:
    async def story(place: Place) -> None:
        assert place.said[-1].state == "connected"
        assert "one way" in place.said[-1].detail
        assert await place.card(UID, 26) == "forwarded"
        assert await place.keys("17#") == "forwarded"

    tell(tmp_path, wire, story)
    assert frames(wire.read_text()) == [CARD, "0001", "0111", "1011"]
    read = [WiegandDecoder().receive(bits) for bits in frames(wire.read_text())]
    assert read == [Card(CARD, CardNumber(1603, 118)), Keys("1"), Keys("7"), Keys("#")]


def test_in_the_formats_that_the_controller_wants(tmp_path: Path, wire: Path) -> None:
    async def story(place: Place) -> None:
        await place.card("C0DE1234", 32)
        await place.keys("1234#")
        with pytest.raises(NotNowError, match="the number does not fit 16 bits") as refused:
            await place.keys("99999")
        assert "99999" not in str(refused.value)

    formats = {"card_format": "Wiegand34", "facility_code_override": "override", "facility_code": 65535}
    tell(tmp_path, wire, story, keypress_format="Wiegand26", keypress_facility_code=9, **formats)
    card, pin = frames(wire.read_text())
    assert WIEGAND34.decode(card) == CardNumber(0x1234, 65535)
    assert WIEGAND26.decode(pin) == CardNumber(1234, 9)


def test_a_format_of_ones_own(tmp_path: Path, wire: Path) -> None:
    async def story(place: Place) -> None:
        await place.card("A5", 8)

    custom = {"facility_code_size": 0, "card_number_size": 8, "start_parity": "odd", "start_parity_bits": 8}
    tell(tmp_path, wire, story, card_format="Custom", custom={**custom, "stop_parity": "fix1"})
    assert frames(wire.read_text()) == ["1" + "10100101" + "1"]


def test_a_pipe_that_nobody_reads_yet(tmp_path: Path) -> None:
    """Looked for every 2 s. What came before is refused, not kept."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    async def story(place: Place) -> None:
        assert place.said[-1].state == "connecting"
        with pytest.raises(NotNowError, match=r"is not reached: .*pipe: No such device or address"):
            await place.card(UID, 26)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        await place.until("connected")
        assert place.bus.clock() == 2.0
        await place.card(UID, 26)
        assert frames(os.read(reader, 1000).decode()) == [CARD]
        os.close(reader)
        with pytest.raises(NotNowError, match="Broken pipe"):
            await place.card(UID, 26)
        assert place.said[-1].state == "connecting"

    tell(tmp_path, pipe, story)


def test_what_takes_no_more_gets_a_line_of_its_own_next(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    async def story(place: Place) -> None:
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
        for _ in range(4096 // len(f"40 2000 25000 {CARD}\n")):
            await place.card(UID, 26)
        with pytest.raises(NotNowError, match="it takes no more"):
            await place.card(UID, 26)
        while len(os.read(reader, 65536)) == 65536:
            pass
        await place.until("connected")
        await place.card(UID, 26)
        assert os.read(reader, 1000).decode() == f"\n40 2000 25000 {CARD}\n"

    tell(tmp_path, pipe, story)
    os.close(reader)


def test_a_serial_line(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    tty.setraw(master)

    async def story(place: Place) -> None:
        await place.card(UID, 26)
        assert frames(os.read(master, 1000).decode()) == [CARD]
        os.close(slave)
        os.close(master)
        await settle()
        with pytest.raises(NotNowError, match="not reached"):
            await place.card(UID, 26)

    tell(tmp_path, os.ttyname(slave), story, baud=9600)


def test_another_controller_while_the_node_runs(tmp_path: Path, wire: Path) -> None:
    """What is on its way then is finished; with none, nothing can be forwarded."""
    other = tmp_path / "other"
    other.touch()

    async def story(place: Place) -> None:
        await place.card(UID, 26)
        place.module.use(ControllerSettings.model_validate({"protocol": "wiegand", "wiegand": {"device": str(other)}}))
        await settle()
        assert [event.state for event in place.said] == ["connected", "not connected", "connected"]
        await place.card("C0DE1234", 32)
        place.module.use(ControllerSettings())
        await settle()
        with pytest.raises(CallError, match="nothing here handles ForwardCredential"):
            await place.card(UID, 26)
        shown = json.loads(await place.commands.execute(ShowController()))
        assert shown == {"protocol": "none", "state": "not connected", "detail": "", "entrances": []}
        place.module.use(ControllerSettings.model_validate({"protocol": "wiegand", "wiegand": {"device": str(wire)}}))
        await settle()
        await place.keys("1")

    tell(tmp_path, wire, story)
    assert frames(wire.read_text()) == [CARD, "0001"]
    assert frames(other.read_text()) == [f"{0xC0DE1234:032b}"]


def test_nothing_is_made_where_a_device_should_be(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        assert "No such file" in place.said[-1].detail
        with pytest.raises(CallError, match="uid: a UID is written in hexadecimal"):
            await place.card("xyz")

    tell(tmp_path, tmp_path / "none", story)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"protocol": "wiegand"}, 'wiegand.device = ""'),
        ({"protocol": "osdp"}, 'osdp.device = ""'),
        ({"protocol": "http"}, 'http.address = ""'),
        ({"osdp": {"key": "abc"}}, "a key has 32 hexadecimal digits"),
        ({"osdp": {"address": 127}}, "less than or equal to 126"),
        ({"osdp": {"baud": 1200}}, "Input should be 9600"),
        ({"wiegand": {"pulse_width_us": 19}}, "pulse_us: 19; 20 to 100"),
        ({"wiegand": {"frame_interval_us": 20_000, "pulse_interval_us": 20_000}}, "not longer than interval_us"),
        (
            {"wiegand": {"card_format": "Wiegand26", "facility_code_override": "optional", "facility_code": 256}},
            "facility: 256; Wiegand26 has a facility code of at most 255",
        ),
        (
            {"wiegand": {"keypress_format": "Wiegand26", "keypress_facility_code": 256}},
            "keypress_facility_code: 256; Wiegand26 has at most 255",
        ),
        ({"wiegand": {"custom": {"card_number_size": 65}}}, "card_size: 65"),
        (
            {"protocol": "osdp", "osdp": {"device": "/dev/x", "secure_channel": False, "install": True}},
            "they protect nothing",
        ),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ControllerSettings.model_validate(settings)
