"""Records what the loudspeaker plays, so that kill -9 at any moment leaves a WAV file that plays."""

from __future__ import annotations

import atexit
import queue
import struct
import threading
from pathlib import Path
from typing import BinaryIO

import numpy as np

from voipnode.calls.events import Problem
from voipnode.calls.hooks import AudioDevice, Bus, Frame

BATCH_FRAMES = 50  # half a second: what a crash may cost, and how often the writer takes the interpreter
MAX_WAITING = 120  # batches: a disk may stand still for a minute before sound is lost
HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
SAMPLE_BYTES = 2
EXIT_WAIT_S = 2.0

Batch = tuple[int, bytes]  # samples lost before it, then 16-bit samples


def wav_header(rate_hz: int, samples: int) -> bytes:
    """The 44 bytes before mono 16-bit PCM (RIFF, Microsoft 1991)."""
    size = samples * SAMPLE_BYTES
    return HEADER.pack(
        b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, rate_hz, rate_hz * SAMPLE_BYTES, SAMPLE_BYTES, 16, b"data", size
    )


class WavRecorder:
    """Writes mono 16-bit PCM to `path` from a thread of its own: the media clock never waits for a disk.

    The first `start` begins a new file; later ones continue it. Every half second of sound goes to the file at once and
    the header says so, before the next. What a slow disk costs becomes silence of the same length. After `max_s` of
    sound nothing more is written. `problem` is set, in words, when writing fails or ends.
    """

    def __init__(self, path: Path, rate_hz: int, *, max_s: float) -> None:
        self.path = path
        self.problem = ""
        self._rate_hz = rate_hz
        self._room = int(max_s * rate_hz)  # samples that may still be written; the writer's own
        self._written = 0  # samples in the file; the writer's own
        self._queue: queue.Queue[Batch | None] = queue.Queue()
        self._writer: threading.Thread | None = None
        self._running = False
        self._frames: list[bytes] = []
        self._lost = 0

    def start(self) -> None:
        """Record from now on; does nothing when it does."""
        if self._running:
            return
        self._running = True
        before, self._queue = self._writer, queue.Queue(MAX_WAITING + 1)
        self._writer = threading.Thread(target=self._write, args=(self._queue, before), name="wav-writer", daemon=True)
        if before is None:
            atexit.register(self.close)  # a daemon thread is not waited for at exit
        self._writer.start()

    def stop(self) -> None:
        """Record no more; what was taken is written soon, without waiting for it."""
        if not self._running:
            return
        self._running = False
        self._hand_over()
        self._queue.put_nowait(None)  # one place is kept free for it

    def close(self) -> None:
        """Stop, and wait until everything is written, 2 s at most."""
        atexit.unregister(self.close)
        self.stop()
        if self._writer is not None:
            self._writer.join(EXIT_WAIT_S)

    def write(self, frame: Frame) -> None:
        """Take 10 ms of sound; never blocks."""
        if not self._running:
            return
        scaled = np.clip(frame * np.float32(32767.0), -32768.0, 32767.0)
        self._frames.append(scaled.astype("<i2").tobytes())
        if len(self._frames) >= BATCH_FRAMES:
            self._hand_over()

    def _hand_over(self) -> None:
        if not self._frames:
            return
        data = b"".join(self._frames)
        self._frames.clear()
        if self._queue.qsize() >= MAX_WAITING:
            self._lost += len(data) // SAMPLE_BYTES
            return
        self._queue.put_nowait((self._lost, data))
        self._lost = 0

    # In the writer's thread

    def _write(self, batches: queue.Queue[Batch | None], before: threading.Thread | None) -> None:
        if before is not None:
            before.join()
        try:
            with self._open() as file:
                while (batch := batches.get()) is not None and self._room > 0:
                    lost, data = batch
                    self._append(file, bytes(min(lost, self._room) * SAMPLE_BYTES))
                    self._append(file, data[: self._room * SAMPLE_BYTES])
                    if self._room <= 0:
                        self.problem = f"the recording {self.path} is full: it ends here"
        except OSError as error:
            self.problem = f"the recording {self.path} cannot be written: {error}"

    def _open(self) -> BinaryIO:
        if self._written:
            try:
                file = self.path.open("r+b", buffering=0)
                file.seek(HEADER.size + self._written * SAMPLE_BYTES)
                return file
            except FileNotFoundError:  # somebody took it away: a new one
                self._written = 0
        file = self.path.open("wb", buffering=0)
        try:
            file.write(wav_header(self._rate_hz, 0))
        except OSError:
            file.close()
            raise
        return file

    def _append(self, file: BinaryIO, data: bytes) -> None:
        if not data:
            return
        file.write(data)
        self._written += len(data) // SAMPLE_BYTES
        self._room -= len(data) // SAMPLE_BYTES
        end = file.tell()
        file.seek(0)
        file.write(wav_header(self._rate_hz, self._written))
        file.seek(end)


class RecordedDevice:
    """An `AudioDevice` that is another one with its loudspeaker recorded; tells the bus when recording fails."""

    def __init__(self, device: AudioDevice, recorder: WavRecorder, bus: Bus) -> None:
        self.rate_hz = device.rate_hz
        self.description = f"{device.description}; loudspeaker recorded to {recorder.path}"
        self._device = device
        self._recorder = recorder
        self._bus = bus
        self._told = ""

    def start(self) -> None:
        self._recorder.start()
        self._device.start()

    def stop(self) -> None:
        self._device.stop()
        self._recorder.stop()

    def exchange(self, loudspeaker: Frame) -> Frame:
        self._recorder.write(loudspeaker)
        if self._recorder.problem != self._told:
            self._told = self._recorder.problem
            self._bus.publish(Problem(where="audio.loudspeaker_recording", detail=self._told))
        return self._device.exchange(loudspeaker)
