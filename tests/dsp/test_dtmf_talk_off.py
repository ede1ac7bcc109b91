"""No voice is a key: everything that the installed voices say, as it is, and in another pitch."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.keypad import heard
from tests.support.speech import prompts, voices

pytestmark = pytest.mark.interop


def test_nothing_that_a_voice_says_is_a_key() -> None:
    found = voices()
    if not found:
        pytest.skip("no speech is installed (Debian: asterisk-core-sounds-en-g722)")
    for voice in found[:1]:
        sound = np.concatenate(list(prompts(voice)))
        assert len(sound) > 600 * 8000, "ten minutes at least"
        lower = np.interp(np.arange(0, len(sound) - 1, 0.85), np.arange(len(sound)), sound).astype(np.float32)
        assert heard(sound) == ""
        assert heard(lower) == ""
