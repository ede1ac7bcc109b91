"""When it is loud at a microphone: by level, by time, by voice, and never by what the door itself plays."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.speech import speech
from voipnode.dsp.tones import Tone
from voipnode.modules.audio.noise import street
from voipnode.modules.sound_level.detector import SoundLevelDetector
from voipnode.modules.sound_level.settings import SoundLevelSettings, level_of

RATE_HZ = 8000
SILENCE = np.zeros(RATE_HZ // 100, np.float32)


def tone(seconds: float, level_dbfs: float) -> np.ndarray:
    source = Tone(500.0, rate_hz=RATE_HZ, level_dbfs=level_dbfs)
    return np.concatenate([source.next_frame() for _ in range(round(100 * seconds))])


def changes(
    detector: SoundLevelDetector, sound: np.ndarray, played: np.ndarray | None = None
) -> list[tuple[float, bool]]:
    """When, in seconds, the detector changed its mind, and to what."""
    frames = sound.astype(np.float32).reshape(-1, len(SILENCE))
    speaker = np.zeros_like(frames) if played is None else played.astype(np.float32).reshape(frames.shape)
    times = enumerate(zip(frames, speaker, strict=True), start=1)
    return [(at / 100, detector.is_above) for at, (heard, own) in times if detector.process(heard, own)]


def test_a_sound_is_loud_from_its_begin_until_it_has_been_over_for_the_hold_time() -> None:
    detector = SoundLevelDetector(RATE_HZ, -40.0, hold_s=1.0)
    sound = np.concatenate([tone(1, -60), tone(1, -30), tone(3, -60)])
    (begin, above), (end, below) = changes(detector, sound)
    assert (above, below) == (True, False)
    assert begin == pytest.approx(1.02, abs=0.02)
    # The meter falls by 35 dB a second: it is below 10 dB softer 0.29 s after the end.
    assert end == pytest.approx(2.0 + 0.29 + 1.0, abs=0.03)
    assert detector.level_dbfs == pytest.approx(-60.0, abs=0.5)


def test_what_comes_again_within_the_hold_time_is_one_event() -> None:
    detector = SoundLevelDetector(RATE_HZ, -40.0, hold_s=1.0)
    knocks = np.concatenate([np.concatenate([tone(0.1, -20), tone(0.8, -70)]) for _ in range(5)])
    assert [above for _, above in changes(detector, np.concatenate([knocks, tone(3, -70)]))] == [True, False]


def test_what_stays_below_is_never_told() -> None:
    assert changes(SoundLevelDetector(RATE_HZ, -40.0, hold_s=1.0), tone(3, -41)) == []


def test_what_the_loudspeaker_plays_is_not_judged() -> None:
    detector = SoundLevelDetector(RATE_HZ, -40.0, hold_s=0.5)
    played = np.concatenate([tone(2, -20), np.zeros(2 * RATE_HZ)])
    echo = np.concatenate([np.zeros(RATE_HZ // 5), played[: -RATE_HZ // 5]])  # 200 ms late
    assert changes(detector, 0.5 * echo, played) == []
    assert [above for _, above in changes(detector, tone(1, -20))] == [True]


def test_a_voice_counts_and_a_lorry_does_not_where_only_speech_shall() -> None:
    detector = SoundLevelDetector(RATE_HZ, -50.0, hold_s=0.5, speech_only=True)
    lorries = street(RATE_HZ, 1)[: 10 * RATE_HZ]
    lorries = 0.02 * lorries / np.std(lorries)
    assert 20 * np.log10(np.std(lorries)) > -50
    assert changes(detector, lorries) == []
    said = lorries.copy()
    said[3 * RATE_HZ : 6 * RATE_HZ] += speech(3.0, RATE_HZ)
    times = changes(detector, said)
    assert [above for _, above in times] == [True, False]
    assert 3.0 < times[0][0] < 5.0
    assert times[1][0] < 7.5


def test_levels_go_from_very_soft_to_full_scale() -> None:
    assert SoundLevelSettings(level=0).threshold_dbfs == -80.0
    assert SoundLevelSettings(level=100).threshold_dbfs == 0.0
    assert [level_of(SoundLevelSettings(level=level).threshold_dbfs) for level in (0, 1, 33, 50, 99, 100)] == [
        0, 1, 33, 50, 99, 100,
    ]  # fmt: skip
    assert (level_of(-120.0), level_of(3.0)) == (0, 100)
    for wrong in ({"level": 101}, {"level": -1}, {"hold_s": 0}, {"sound": "dogs"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            SoundLevelSettings.model_validate(wrong)


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_no_sound_makes_it_raise_or_deaf(value: float) -> None:
    detector = SoundLevelDetector(RATE_HZ, -40.0, hold_s=0.5, speech_only=False)
    bad = np.full(len(SILENCE), value, np.float32)
    with np.errstate(all="ignore"):
        for heard, played in ((bad, SILENCE), (SILENCE, bad), (bad, bad)):
            detector.process(heard, played)
    changes(detector, np.zeros(2 * RATE_HZ))
    assert not detector.is_above
    assert [above for _, above in changes(detector, tone(1, -20))] == [True]
