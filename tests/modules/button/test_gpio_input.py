"""The GPIO input against the real package's signatures, its edges through a descriptor that the loop waits for."""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import gpiod
import pytest

from tests.support.aio import run_test
from tests.support.virtual_loop import settle
from voipnode.calls.errors import CallError
from voipnode.modules.button.gpio_input import CONSUMER, GpiodInput
from voipnode.modules.button.inputs import Contact

ACTIVE, INACTIVE = gpiod.line.Value.ACTIVE, gpiod.line.Value.INACTIVE
RISING, FALLING = gpiod.EdgeEvent.Type.RISING_EDGE, gpiod.EdgeEvent.Type.FALLING_EDGE


class Chip:
    """The real package with its two doors to the kernel replaced by functions of the same signature."""

    def __init__(self) -> None:
        self.heard: list[Contact] = []
        self.troubles: list[str] = []
        self.signal, kernel = os.pipe()
        self._kernel = kernel
        self.request: Any = create_autospec(gpiod.LineRequest, instance=True)
        self.request.fd = self.signal
        self.request.get_value.return_value = INACTIVE
        self.request_lines: Any = create_autospec(gpiod.request_lines, return_value=self.request)
        self.library = SimpleNamespace(
            line=gpiod.line,
            LineSettings=gpiod.LineSettings,
            EdgeEvent=gpiod.EdgeEvent,
            request_lines=self.request_lines,
        )

    def input(self, **options: Any) -> GpiodInput:
        return GpiodInput("bell", "/dev/gpiochip0", 4, library=self.library, **options)

    @property
    def settings(self) -> Any:
        """As the line was asked for last."""
        return self.request_lines.call_args.kwargs["config"][4]

    async def edges(self, *types: gpiod.EdgeEvent.Type, now: gpiod.line.Value) -> None:
        """The kernel has these to tell, and the line is at `now`."""
        events = [gpiod.EdgeEvent(kind.value, 0, 4, number, number) for number, kind in enumerate(types)]

        def read(max_events: int | None = None) -> list[gpiod.EdgeEvent]:
            os.read(self.signal, 1)
            return events

        self.request.read_edge_events.side_effect = read
        self.request.get_value.return_value = now
        os.write(self._kernel, b"!")
        await settle()

    def close(self) -> None:
        os.close(self.signal)
        os.close(self._kernel)


def play(story: Callable[[Chip], Awaitable[None]]) -> None:
    chip = Chip()
    run_test(story(chip))
    chip.close()


def test_it_asks_for_a_line_as_the_real_package_has_it() -> None:
    async def story(chip: Chip) -> None:
        line = chip.input(debounce_s=0.03)
        assert line.start(chip.heard.append, chip.troubles.append) is Contact.OPEN
        assert line.debounces
        assert (chip.request_lines.call_args.args, chip.request_lines.call_args.kwargs["consumer"]) == (
            ("/dev/gpiochip0",),
            CONSUMER,
        )
        settings = chip.settings
        assert settings.direction is gpiod.line.Direction.INPUT
        assert settings.edge_detection is gpiod.line.Edge.BOTH
        assert settings.bias is gpiod.line.Bias.PULL_UP  # unconnected: high, so open
        assert settings.active_low is True
        assert settings.debounce_period == timedelta(milliseconds=30)
        line.stop()
        line.stop()
        chip.request.release.assert_called_once_with()

    play(story)


def test_edges_are_told_in_order_and_a_level_that_was_dropped_afterwards() -> None:
    async def story(chip: Chip) -> None:
        line = chip.input(closed_level="high", bias="disabled")
        line.start(chip.heard.append, chip.troubles.append)
        assert (line.debounces, chip.settings.active_low) == (False, False)
        await chip.edges(RISING, FALLING, now=INACTIVE)  # a press that is over already
        assert chip.heard == ["closed", "open", "open"]
        chip.heard.clear()
        await chip.edges(RISING, FALLING, now=ACTIVE)  # and another one, whose edge found no room in the queue
        assert chip.heard[-1] == "closed"
        line.stop()
        chip.heard.clear()
        os.write(chip._kernel, b"!")
        await settle()
        assert chip.heard == []

    play(story)


@pytest.mark.parametrize("refusal", [errno.EINVAL, errno.ENOTSUP])
def test_a_kernel_that_does_not_debounce_leaves_it_to_the_module(refusal: int) -> None:
    async def story(chip: Chip) -> None:
        def ask(path: str, config: Any, **options: Any) -> Any:
            if config[4].debounce_period:
                raise OSError(refusal, os.strerror(refusal))
            return chip.request

        chip.request_lines.side_effect = ask
        line = chip.input(debounce_s=0.03)
        line.start(chip.heard.append, chip.troubles.append)
        assert not line.debounces
        line.stop()

    play(story)


def test_a_chip_that_goes_away_is_told_once() -> None:
    async def story(chip: Chip) -> None:
        line = chip.input()
        line.start(chip.heard.append, chip.troubles.append)
        chip.request.read_edge_events.side_effect = OSError(errno.ENODEV, "No such device")
        os.write(chip._kernel, b"!!")
        await settle()
        assert [("No such device" in words, "line 4 is lost" in words) for words in chip.troubles] == [(True, True)]

    play(story)


def test_a_chip_that_does_not_exist_is_named() -> None:
    async def story(chip: Chip) -> None:
        with pytest.raises(CallError, match=r'input "bell": /dev/no-such-chip line 4: .*No such file'):
            GpiodInput("bell", "/dev/no-such-chip", 4).start(chip.heard.append, chip.troubles.append)

    play(story)


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gpiod", None)
    with pytest.raises(CallError, match=r"install voipnode\[gpio\]"):
        GpiodInput("bell", "/dev/gpiochip0", 1).start(print, print)
