"""What `[audio]` makes of the door's sound: improved where it is a door's, as it is where it is a file or a tone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from voipnode.dsp.front_end_options import PLAIN, FrontEndOptions
from voipnode.modules.audio.settings import AudioSettings


@pytest.mark.parametrize("device", ["auto", "sound_card", "simulated"])
def test_a_door_has_everything_on(device: str) -> None:
    assert AudioSettings(device=device).front_end == FrontEndOptions()  # type: ignore[arg-type]  # one of them


def test_files_are_played_as_they_are_unless_it_is_said_otherwise() -> None:
    assert AudioSettings(device="files").front_end == PLAIN
    wanted = AudioSettings(device="files", microphone="talk.wav", echo_cancellation=True, high_pass_hz=200)
    assert wanted.front_end == replace(PLAIN, echo_cancellation=True, high_pass_hz=200.0)


def test_a_tone_in_a_room_is_no_noise_there() -> None:
    options = AudioSettings(device="simulated", microphone="tone:1000").front_end
    assert options == FrontEndOptions(noise_suppression=False, automatic_gain_control=False)
    wanted = AudioSettings(device="simulated", microphone="tone:1000", noise_cancellation=True)
    assert wanted.front_end.noise_suppression


def test_gains_and_switches_are_taken_over() -> None:
    settings = AudioSettings(
        input_enabled=False, input_gain_db=3, input_muted=True, output_gain_db=-3, output_muted=True, target_dbfs=-26
    )
    assert settings.front_end == FrontEndOptions(
        input_enabled=False,
        input_gain_db=3.0,
        input_muted=True,
        output_gain_db=-3.0,
        output_muted=True,
        target_dbfs=-26.0,
    )


@pytest.mark.parametrize("field", ["input_gain_db", "output_gain_db", "target_dbfs", "noise_reduction_db"])
def test_what_is_out_of_range_is_refused_by_name(field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        AudioSettings.model_validate({field: 41.0})
