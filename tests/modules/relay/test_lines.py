"""The line drivers: the simulated one as an observer sees it, the GPIO one against the real package's signatures."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import gpiod
import pytest

from voipnode.modules.relay.lines import CONSUMER, GpiodLine, LineError, LineSpec, SimulatedLine, line_path, open_line


def test_a_simulated_line_is_one_byte_written_in_place(tmp_path: Path) -> None:
    path = line_path(tmp_path, "door")
    line = SimulatedLine(path)
    inode = path.stat().st_ino
    seen = [path.read_bytes()]
    for closed in (True, True, False):
        line.write(closed=closed)
        seen.append(path.read_bytes())
    line.close()
    line.close()
    assert seen == [b"0", b"1", b"1", b"0"]
    assert path.stat().st_ino == inode


def test_a_simulated_line_that_somebody_else_lengthened_is_one_byte_again(tmp_path: Path) -> None:
    path = line_path(tmp_path, "door")
    path.parent.mkdir()
    path.write_bytes(b"1111")
    SimulatedLine(path).close()
    assert path.read_bytes() == b"0"


def test_a_simulated_line_is_handed_out_once(tmp_path: Path) -> None:
    first = open_line(LineSpec("door", False, "simulated"), tmp_path)
    with pytest.raises(LineError, match=r'output "door": .*another guardian'):
        open_line(LineSpec("door", False, "simulated"), tmp_path)
    first.close()
    open_line(LineSpec("door", False, "simulated"), tmp_path).close()


@pytest.mark.parametrize(("normally_closed", "level"), [(False, b"0"), (True, b"1")])
def test_a_line_is_opened_in_its_normal_state(tmp_path: Path, normally_closed: bool, level: bytes) -> None:
    open_line(LineSpec("door", normally_closed, "simulated"), tmp_path).close()
    assert line_path(tmp_path, "door").read_bytes() == level


def fake_gpiod() -> tuple[Any, Any, Any]:
    """The real package with its two doors to the kernel replaced by functions of the same signature."""
    request = create_autospec(gpiod.LineRequest, instance=True, spec_set=True)
    request_lines = create_autospec(gpiod.request_lines, return_value=request)
    library = SimpleNamespace(line=gpiod.line, LineSettings=gpiod.LineSettings, request_lines=request_lines)
    return library, request_lines, request


def test_the_gpio_driver_calls_the_real_package_as_it_is() -> None:
    library, request_lines, request = fake_gpiod()
    line = GpiodLine("/dev/gpiochip0", 17, active_low=True, library=library)
    (chip,), options = request_lines.call_args
    assert (chip, options["consumer"]) == ("/dev/gpiochip0", CONSUMER)
    settings = options["config"][17]
    assert settings.direction == gpiod.line.Direction.OUTPUT
    assert settings.output_value == gpiod.line.Value.INACTIVE  # open from the first moment
    assert settings.active_low is True
    line.write(closed=True)
    line.write(closed=False)
    assert [call.args for call in request.set_value.call_args_list] == [
        (17, gpiod.line.Value.ACTIVE),
        (17, gpiod.line.Value.INACTIVE),
    ]
    line.close()
    line.close()
    request.release.assert_called_once_with()


def test_a_chip_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(LineError, match=r'output "lamp": .*No such file'):
        open_line(LineSpec("lamp", False, "gpiod", chip="/dev/no-such-chip", offset=1), tmp_path)


def test_a_file_that_is_no_chip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LineError, match='output "lamp"'):
        open_line(LineSpec("lamp", False, "gpiod", chip="/dev/null", offset=1), tmp_path)


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gpiod", None)
    with pytest.raises(LineError, match=r"install voipnode\[gpio\]"):
        GpiodLine("/dev/gpiochip0", 1)


def test_an_unknown_driver_is_refused_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(LineError, match='"simulated", "gpiod" and "http"'):
        open_line(LineSpec("door", False, "relaycard"), tmp_path)
