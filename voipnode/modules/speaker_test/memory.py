"""What the speaker test remembers: calibration and last result, in one file of the node's folder."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from voipnode.calls.events import SpeakerState
from voipnode.dsp.speaker_calibration import SpeakerCalibration

NAME = "speaker_test.json"
PICTURE = "speaker_test.svg"
VERSION = 1
MAX_BYTES = 1_000_000
LASTING = (SpeakerState.CALIBRATED, SpeakerState.OK, SpeakerState.FAILED)  # states that a start comes back to


class MemoryDamagedError(Exception):
    """The file is none of ours, or of a newer version; the message says which."""


@dataclass(slots=True)
class Remembered:
    """Calibration and last test; times in UTC. `result` is what `SpeakerTestFinished` told, `scheduled_utc` when a
    test by the schedule was last begun."""

    calibration: SpeakerCalibration | None = None
    calibrated_utc: str = ""
    state: SpeakerState = SpeakerState.UNCALIBRATED
    words: str = ""
    verdict: str = ""
    tested_utc: str = ""
    scheduled_utc: str = ""
    result: dict[str, Any] = field(default_factory=dict)


class SpeakerMemory:
    """The file. It is written beside and renamed over, so that kill -9 leaves the one before or this one whole."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def load(self) -> Remembered:
        """What was saved last; nothing where there is no file. Raises MemoryDamagedError, OSError."""
        try:
            with self.path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return Remembered()
        try:
            return _read(json.loads(content))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise MemoryDamagedError(str(error)) from None

    def save(self, what: Remembered) -> None:
        """Write and flush it to the disk. Blocks; raises OSError."""
        data = {
            "version": VERSION,
            "calibration": what.calibration.to_dict() if what.calibration is not None else None,
            "calibrated_utc": what.calibrated_utc,
            "state": what.state.value,
            "words": what.words,
            "verdict": what.verdict,
            "tested_utc": what.tested_utc,
            "scheduled_utc": what.scheduled_utc,
            "result": what.result,
        }
        self._write(self.path, json.dumps(data).encode())

    def save_picture(self, drawing: str) -> None:
        """Write the picture of the last test beside it, for who is told of that. Blocks; raises OSError."""
        self._write(self.path.with_name(PICTURE), drawing.encode())

    def _write(self, path: Path, content: bytes) -> None:
        beside = path.with_name(f".{path.name}.new")
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def set_aside(self) -> Path:
        """Rename a file that cannot be used; returns its new name. Raises OSError."""
        return self.path.replace(self.path.with_suffix(f".{datetime.now(UTC):%Y%m%dT%H%M%S}.damaged"))


def _read(data: Any) -> Remembered:
    if not isinstance(data, dict):
        raise TypeError("it holds no calibration")
    if data["version"] != VERSION:
        raise ValueError(f"it is of version {data['version']!r}, and {VERSION} is known here")
    stamps = {key: str(data[key])[:40] for key in ("calibrated_utc", "tested_utc", "scheduled_utc")}
    for text in filter(None, stamps.values()):
        if datetime.fromisoformat(text).tzinfo is None:
            raise ValueError(f"a time without a zone: {text!r}")
    return Remembered(
        calibration=SpeakerCalibration.from_dict(data["calibration"]) if data["calibration"] is not None else None,
        state=SpeakerState(data["state"]),
        words=str(data["words"]),
        verdict=str(data["verdict"]),
        result=dict(data["result"]),
        **stamps,
    )
