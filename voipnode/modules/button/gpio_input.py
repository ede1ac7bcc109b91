"""An input at a line of the kernel's GPIO character device, through libgpiod 2 (package `gpiod`).

The kernel tells edges through a descriptor that the event loop waits for, and debounces them: in hardware where the
chip can, else by itself (Linux 5.10 and later, which libgpiod 2 needs anyway). A chip driver that refuses the one and
the other is asked without, and then the module debounces.
"""

from __future__ import annotations

import asyncio
import errno
import importlib
from datetime import timedelta
from typing import Any, Literal

from voipnode.calls.errors import CallError
from voipnode.modules.button.inputs import Contact, ContactListener, Trouble

CONSUMER = "voipnode"
Bias = Literal["pull_up", "pull_down", "disabled", "as_is"]
REFUSALS = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)  # "this cannot be set of this line"


class GpiodInput:
    """One line as an input; `name` is the input's own, for messages. `closed_level`: of the wire when it is closed.

    `debounce_s` as of the kernel (0: none). `gpiod` is loaded at the start and nowhere else; a test passes its own as
    `library`.
    """

    def __init__(
        self,
        name: str,
        chip: str,
        offset: int,
        *,
        closed_level: Literal["low", "high"] = "low",
        bias: Bias = "pull_up",
        debounce_s: float = 0.0,
        library: Any = None,
    ) -> None:
        self.debounces = debounce_s > 0
        self._name = name
        self._chip = chip
        self._offset = offset
        self._active_low = closed_level == "low"  # then the kernel's "active" is our "closed"
        self._bias = bias
        self._debounce = timedelta(seconds=debounce_s)
        self._library = library
        self._gpiod: Any = None
        self._request: Any = None
        self._listener: ContactListener | None = None
        self._trouble: Trouble | None = None

    def start(self, listener: ContactListener, trouble: Trouble) -> Contact:
        try:
            self._gpiod = self._library or importlib.import_module("gpiod")
        except ImportError:
            raise CallError(
                f'input "{self._name}": driver "gpiod" needs the package gpiod: install voipnode[gpio]'
            ) from None
        try:
            self._request = self._ask_for_line()
            asyncio.get_running_loop().add_reader(self._request.fd, self._read)
            self._listener, self._trouble = listener, trouble
            return self._present()
        except (OSError, ValueError) as error:  # ValueError: an offset that the chip does not have
            self.stop()
            raise CallError(f'input "{self._name}": {self._chip} line {self._offset}: {error}') from error

    def stop(self) -> None:
        request, self._request = self._request, None
        self._listener = None
        if request is not None:
            asyncio.get_running_loop().remove_reader(request.fd)
            request.release()

    def _ask_for_line(self) -> Any:
        try:
            return self._ask(self._debounce)
        except OSError as error:
            if not self.debounces or error.errno not in REFUSALS:
                raise
        self.debounces = False
        return self._ask(timedelta(0))

    def _ask(self, debounce: timedelta) -> Any:
        line = self._gpiod.line
        settings = self._gpiod.LineSettings(
            direction=line.Direction.INPUT,
            edge_detection=line.Edge.BOTH,
            bias=line.Bias[self._bias.upper()],
            active_low=self._active_low,
            debounce_period=debounce,
        )
        return self._gpiod.request_lines(self._chip, config={self._offset: settings}, consumer=CONSUMER)

    def _present(self) -> Contact:
        return _contact(closed=self._request.get_value(self._offset) == self._gpiod.line.Value.ACTIVE)

    def _read(self) -> None:
        """Report the edges that have come, in order, then how it is: the kernel drops edges where its queue is full."""
        assert self._listener is not None
        assert self._trouble is not None
        rising = self._gpiod.EdgeEvent.Type.RISING_EDGE
        try:
            edges = [event.event_type == rising for event in self._request.read_edge_events()]
            present = self._present()
        except OSError as error:  # the chip is gone: an adapter on USB was pulled
            trouble = self._trouble
            self.stop()
            trouble(f"{self._chip} line {self._offset} is lost ({error}); it is read again after a restart")
            return
        for contact in (*(_contact(closed=edge) for edge in edges), present):
            if self._listener is not None:  # who hears may stop us
                self._listener(contact)


def _contact(*, closed: bool) -> Contact:
    return Contact.CLOSED if closed else Contact.OPEN
