"""A few rows of `dtmf_detector.py`, for the sound pipeline's table: keys heard beside spandsp."""

from __future__ import annotations

from dtmf_detector import percent, same

from tests.support.keypad import Press, heard
from tests.support.spandsp import SpanDsp

ROWS = (
    ("40/40 ms", Press()),
    ("40/40 ms, SNR 15 dB", Press(snr_db=15.0)),
    ("twist -8 dB, SNR 15 dB", Press(high_dbm0=-18.0, snr_db=15.0)),
    ("twist +4 dB, SNR 15 dB", Press(high_dbm0=-6.0, snr_db=15.0)),
    ("+1.5 %, SNR 15 dB", Press(low_off=0.015, high_off=0.015, snr_db=15.0)),
    ("-1.5 %, SNR 15 dB", Press(low_off=-0.015, high_off=-0.015, snr_db=15.0)),
    ("to be refused: 23 ms", Press(on_ms=23.0, off_ms=57.0)),
)


def print_keys() -> None:
    """Per cent of 320 presses; `dtmf_detector.py` has more, and hours of speech."""
    try:
        theirs = SpanDsp().heard
    except OSError as error:
        theirs = None
        print(f"spandsp is left out: {error}")
    print(f"\n{'keys heard, % of 320':26}voipnode  spandsp")
    for title, press in ROWS:
        row = (title, press, same)
        other = f"{percent(row, theirs):9.1f}" if theirs else "        -"
        print(f"{title:26}{percent(row, heard):8.1f}{other}", flush=True)
