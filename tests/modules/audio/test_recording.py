"""Recordings: right to the sample, and playable after kill -9, a full disk and a second call."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.support.corpora import ROOT
from tests.support.sound import measure_tone
from voipnode.calls.events import Problem
from voipnode.calls.hooks import Bus
from voipnode.modules.audio.files import FilesDevice
from voipnode.modules.audio.recording import BATCH_FRAMES, MAX_WAITING, RecordedDevice, WavRecorder
from voipnode.modules.audio.sources import Silence, Tone


def read_wav(path: Path) -> tuple[int, np.ndarray]:
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_what_was_played_is_recorded_to_the_sample(tmp_path: Path) -> None:
    recorder = WavRecorder(tmp_path / "out.wav", 16000, max_s=60)
    frames = np.random.default_rng(1).uniform(-1, 1, (123, 160)).astype(np.float32)
    recorder.start()
    for frame in frames:
        recorder.write(frame)
    recorder.close()
    rate_hz, samples = read_wav(recorder.path)
    assert rate_hz == 16000
    assert np.max(np.abs(samples - frames.ravel() * 32767)) < 1.0


def test_a_later_start_continues_the_file_and_a_new_recorder_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    recorder = WavRecorder(path, 8000, max_s=60)
    for level in (0.25, 0.5):
        recorder.start()
        recorder.start()
        for _ in range(60):
            recorder.write(np.full(80, level, np.float32))
        recorder.stop()
        recorder.stop()
        recorder.write(np.ones(80, np.float32))  # nobody wants it any more
    recorder.close()
    _, samples = read_wav(path)
    assert len(samples) == 2 * 60 * 80
    assert set(samples[:4800]) == {8191}
    assert set(samples[4800:]) == {16383}
    again = WavRecorder(path, 8000, max_s=60)
    again.start()
    again.close()
    assert len(read_wav(path)[1]) == 0


def test_it_ends_after_the_longest_time_and_says_so_once_on_the_bus(tmp_path: Path) -> None:
    problems: list[Problem] = []
    bus = Bus(lambda: 0.0)
    bus.subscribe(Problem, problems.append, who="test")
    recorder = WavRecorder(tmp_path / "out.wav", 8000, max_s=1.0)
    device = RecordedDevice(FilesDevice(8000, Silence(8000)), recorder, bus)
    device.start()
    for _ in range(300):
        device.exchange(np.ones(80, np.float32))
    recorder.close()
    for _ in range(5):
        device.exchange(np.ones(80, np.float32))
    assert len(read_wav(recorder.path)[1]) == 8000
    assert [(problem.where, "is full" in problem.detail) for problem in problems] == [
        ("audio.loudspeaker_recording", True)
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_a_problem_and_no_exception(tmp_path: Path) -> None:
    problems: list[Problem] = []
    bus = Bus(lambda: 0.0)
    bus.subscribe(Problem, problems.append, who="test")
    recorder = WavRecorder(Path("/dev/full"), 8000, max_s=10)
    device = RecordedDevice(FilesDevice(8000, Tone(8000, 1000, -12)), recorder, bus)
    device.start()
    for _ in range(60):
        assert device.exchange(np.zeros(80, np.float32)).any()
    recorder.close()
    device.exchange(np.zeros(80, np.float32))
    assert "No space left" in problems[0].detail


def test_a_disk_that_stands_still_never_blocks_and_costs_silence_of_the_same_length(tmp_path: Path) -> None:
    released = threading.Event()

    class Slow(WavRecorder):
        def _write(self, batches: queue.Queue[tuple[int, bytes] | None], before: threading.Thread | None) -> None:
            released.wait(20)
            super()._write(batches, before)

    recorder = Slow(tmp_path / "out.wav", 8000, max_s=600)
    frame = np.full(80, 0.5, np.float32)
    recorder.start()
    for _ in range((MAX_WAITING + 3) * BATCH_FRAMES):  # three half seconds too many
        recorder.write(frame)
    drained = recorder._queue
    released.set()
    while drained.qsize() > MAX_WAITING // 2:  # the writer is at work now
        threading.Event().wait(0.001)
    for _ in range(BATCH_FRAMES):
        recorder.write(frame)
    recorder.close()
    _, samples = read_wav(recorder.path)
    lost = np.flatnonzero(samples == 0)
    assert len(samples) == (MAX_WAITING + 4) * BATCH_FRAMES * 80
    assert len(lost) == 3 * BATCH_FRAMES * 80
    assert lost[0] == MAX_WAITING * BATCH_FRAMES * 80


def test_a_file_that_somebody_took_away_is_begun_anew(tmp_path: Path) -> None:
    recorder = WavRecorder(tmp_path / "out.wav", 8000, max_s=60)
    for _ in range(2):
        recorder.start()
        for _ in range(10):
            recorder.write(np.zeros(80, np.float32))
        recorder.close()
        assert len(read_wav(recorder.path)[1]) == 800
        recorder.path.unlink()


RECORD_FOR_EVER = """
import sys, time
from pathlib import Path
from voipnode.modules.audio.recording import WavRecorder
from voipnode.modules.audio.sources import Tone
recorder, tone = WavRecorder(Path(sys.argv[1]), 8000, max_s=3600), Tone(8000, 1000, -6)
recorder.start()
for _ in range(500):
    recorder.write(tone.read())
while recorder._queue.qsize():
    time.sleep(0.001)
print("recorded", flush=True)
for _ in range(3000):
    recorder.write(tone.read())
    time.sleep(0.001)
"""


def test_a_recording_plays_after_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    with subprocess.Popen(
        [sys.executable, "-c", RECORD_FOR_EVER, str(path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"recorded\n"
        process.send_signal(signal.SIGKILL)
    _, samples = read_wav(path)
    assert len(samples) >= 450 * 80  # the batch in the writer's hand may be missing
    tone = measure_tone(samples[:8000] / np.float32(32768), 8000)
    assert tone.frequency_hz == pytest.approx(1000, abs=0.1)
    assert tone.snr_db > 70


def test_what_was_taken_is_written_when_the_program_ends_without_a_stop(tmp_path: Path) -> None:
    program = RECORD_FOR_EVER.split("while recorder")[0]
    path = tmp_path / "out.wav"
    subprocess.run(
        [sys.executable, "-c", program, str(path)], check=True, timeout=30, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert len(read_wav(path)[1]) == 500 * 80
