"""Frames from two lines of the kernel's GPIO character device, through libgpiod 2 (package `gpiod`).

To send pulses of 40 µs takes hardware; to hear them does not: the kernel writes down when each edge came, and keeps up
to 1024 of them while we are busy. The lines are high at rest; a pulse is a line pulled low.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import Any

from voipnode.calls.errors import CallError
from voipnode.credentials.bits import CredentialError
from voipnode.credentials.frames import FrameCollector, Pulse, Timing

CONSUMER = "voipnode"
KEPT_EDGES = 1024


class GpioFrames:
    """Frames from the lines D0 and D1, numbers of `lines` at `chip`. A test passes its own `gpiod` as `library`."""

    def __init__(self, chip: str, lines: tuple[int, ...], frame_gap_us: int, *, library: Any = None) -> None:
        self._chip = chip
        self._lines = lines
        self._gap_us = frame_gap_us
        self._library = library
        self._gpiod: Any = None
        self._request: Any = None
        self._collector = FrameCollector(Timing(frame_gap_us=frame_gap_us))
        self._began_us: dict[int, int] = {}  # when the pulse began that a line is in
        self._last_edge = 0  # its number: the kernel counts also those that it had to drop
        self._timer: asyncio.TimerHandle | None = None
        self._heard: Callable[[str | CredentialError], None] | None = None
        self._lost: Callable[[str], None] | None = None

    def open(self, heard: Callable[[str | CredentialError], None], lost: Callable[[str], None]) -> None:
        try:
            self._gpiod = self._library or importlib.import_module("gpiod")
        except ImportError as error:
            raise CallError("readers: lines of GPIO need the package gpiod: install voipnode[gpio]") from error
        line = self._gpiod.line
        settings = self._gpiod.LineSettings(
            direction=line.Direction.INPUT, edge_detection=line.Edge.BOTH, bias=line.Bias.PULL_UP
        )
        try:
            self._request = self._gpiod.request_lines(
                self._chip, config={self._lines: settings}, consumer=CONSUMER, event_buffer_size=KEPT_EDGES
            )
        except ValueError as error:  # an offset that the chip does not have
            raise OSError(0, f"lines {self._lines[0]} and {self._lines[1]}: {error}") from error
        self._heard, self._lost = heard, lost
        self._collector = FrameCollector(Timing(frame_gap_us=self._gap_us))
        self._began_us, self._last_edge = {}, 0
        asyncio.get_running_loop().add_reader(self._request.fd, self._read)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        request, self._request = self._request, None
        if request is not None:
            asyncio.get_running_loop().remove_reader(request.fd)
            request.release()

    def _read(self) -> None:
        try:
            edges = self._request.read_edge_events()
        except OSError as error:  # the chip is gone: an adapter on USB was pulled
            if self._lost is not None:
                self._lost(error.strerror or str(error))
            return
        for edge in edges:
            self._edge(edge)
        if self._timer is not None:
            self._timer.cancel()
        if self._collector.next_deadline() is not None:
            # By our own clock, a little late: a frame is over when nothing more has come for the gap.
            self._timer = asyncio.get_running_loop().call_later(self._gap_us / 1e6, self._silence)

    def _edge(self, edge: Any) -> None:
        """An edge that the kernel dropped, or a pulse whose beginning nobody saw, spoils its frame."""
        at_us, bit = edge.timestamp_ns // 1000, self._lines.index(edge.line_offset)
        is_whole = self._last_edge in (0, edge.global_seqno - 1)
        self._last_edge = edge.global_seqno
        if not is_whole:
            self._began_us.clear()
            self._pulse(Pulse(bit, at_us, 0))
        elif edge.event_type == self._gpiod.EdgeEvent.Type.FALLING_EDGE:
            self._began_us[bit] = at_us
        elif (began_us := self._began_us.pop(bit, None)) is not None:
            self._pulse(Pulse(bit, began_us, at_us - began_us))

    def _pulse(self, pulse: Pulse) -> None:
        self._tell(self._collector.receive(pulse))

    def _silence(self) -> None:
        self._timer = None
        deadline = self._collector.next_deadline()
        if deadline is not None:
            self._tell(self._collector.on_deadline(deadline))

    def _tell(self, frame: str | CredentialError | None) -> None:
        if frame is not None and self._heard is not None:
            self._heard(frame)
