"""A picture of a calibration with a test against it, as SVG: third octaves from left to right, levels upwards.

Written with attributes only, so that it is drawn where a page allows no style sheets of others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from voipnode.dsp.speaker_calibration import SpeakerCalibration

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 74, 62
STEP_DB = 10
MIN_SPAN_DB = 40
INK, FAINT, PAPER = "#1d2733", "#d5dbe2", "#ffffff"
CALIBRATED, BAND = "#2f6fb0", "#cfe0f2"
GOOD, BAD, UNSURE = "#1d7f4c", "#c0392b", "#98a2ad"
FONT = 'font-family="system-ui, sans-serif"'


def draw(calibration: SpeakerCalibration, result: dict[str, Any], words: str, shape_db: float) -> str:
    """The picture. `result` is a `SpeakerTestFinished` as data, or {}; `words` head it, `shape_db` is the tolerance."""
    return "\n".join(_Drawing(calibration, result, shape_db).lines(words)) + "\n"


class _Drawing:
    def __init__(self, calibration: SpeakerCalibration, result: dict[str, Any], shape_db: float) -> None:
        self._calibration = calibration
        self._names = calibration.bands.names_hz
        self._level = [float(level) for level in calibration.level_db]
        self._result = result if len(result.get("change_db", ())) == len(self._names) else {}
        self._tolerance = list(self._result.get("tolerance_db", ())) or [shape_db] * len(self._names)
        self._test = [level + change for level, change in zip(self._level, self._changes(), strict=True)]
        used = [level for level, flag in zip(self._level, calibration.used, strict=True) if flag] or self._level
        low = min([*used, *(level for level, flag in zip(self._test, self._counts(), strict=True) if flag)])
        high = max([*used, *self._test])
        self._top = float(np.ceil((high + 8.0) / STEP_DB) * STEP_DB)
        self._bottom = min(float(np.floor((low - 8.0) / STEP_DB) * STEP_DB), self._top - MIN_SPAN_DB)

    def _changes(self) -> Sequence[float]:
        changes: Sequence[float] = self._result.get("change_db", [0.0] * len(self._names))
        return changes

    def _counts(self) -> Sequence[bool]:
        counts: Sequence[bool] = self._result.get("counts", [False] * len(self._names))
        return counts

    def lines(self, words: str) -> Iterable[str]:
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
            f' role="img" {FONT} font-size="12" fill="{INK}"><title>Speaker test: {escape(words)}</title>'
        )
        yield f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="{PAPER}"/>'
        yield f'<text x="{LEFT}" y="26" font-size="14" font-weight="600">{escape(_shortened(words, 84))}</text>'
        yield from self._legend()
        yield from self._grid()
        yield from self._calibrated()
        if self._result:
            yield from self._tested()
        yield from self._foot()
        yield "</svg>"

    def _legend(self) -> Iterable[str]:
        items = [("calibration and tolerance", CALIBRATED)]
        if self._result:
            items += [("test", GOOD), ("out of tolerance", BAD), ("lost in noise", UNSURE)]
        x = float(LEFT)
        for words, colour in items:
            yield f'<circle cx="{x + 5:.0f}" cy="48" r="5" fill="{colour}"/>'
            yield f'<text x="{x + 15:.0f}" y="52">{words}</text>'
            x += 36 + 6.4 * len(words)

    def _grid(self) -> Iterable[str]:
        for level in np.arange(self._bottom, self._top + 1, STEP_DB):
            y = self._y(float(level))
            yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{FAINT}"/>'
            yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{level:.0f}</text>'
        yield (
            f'<text x="18" y="{(TOP + HEIGHT - BOTTOM) / 2:.0f}" text-anchor="middle"'
            f' transform="rotate(-90 18 {(TOP + HEIGHT - BOTTOM) / 2:.0f})">dB</text>'
        )
        for number, name in enumerate(self._names):
            if number % 2 == 0 or len(self._names) <= 16:
                text = f"{name / 1000:g}k" if name >= 1000 else f"{name:g}"
                yield f'<text x="{self._x(number):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{text}</text>'

    def _calibrated(self) -> Iterable[str]:
        edge = [*range(len(self._names))]
        over = [(number, self._level[number] + self._tolerance[number]) for number in edge]
        under = [(number, self._level[number] - self._tolerance[number]) for number in reversed(edge)]
        yield f'<path d="{self._path([*over, *under])}Z" fill="{BAND}"/>'
        line = self._path(list(enumerate(self._level)))
        yield f'<path d="{line}" fill="none" stroke="{CALIBRATED}" stroke-width="2"/>'

    def _tested(self) -> Iterable[str]:
        line = self._path(list(enumerate(self._test)))
        yield f'<path d="{line}" fill="none" stroke="{INK}" stroke-width="1.2" stroke-dasharray="3 3"/>'
        bands = zip(self._test, self._changes(), self._tolerance, self._counts(), strict=True)
        for number, (level, change, tolerance, counts) in enumerate(bands):
            colour = UNSURE if not counts else GOOD if abs(change) <= tolerance else BAD
            fill = PAPER if not counts else colour
            point = f'cx="{self._x(number):.1f}" cy="{self._y(level):.1f}"'
            yield f'<circle {point} r="4.5" fill="{fill}" stroke="{colour}" stroke-width="1.5"/>'

    def _foot(self) -> Iterable[str]:
        calibration, result = self._calibration, self._result
        then = (
            f"calibrated: distortion {_percent(calibration.distortion_db)}, noise {calibration.noise_dbfs:.0f} dBFS,"
            f" delay {calibration.delay_ms:.1f} ms"
        )
        yield f'<text x="{LEFT}" y="{HEIGHT - 24}" fill="{CALIBRATED}">{then}</text>'
        if result:
            now = (
                f"test: {result['offset_db']:+.1f} dB, distortion {_percent(result['distortion_db'])},"
                f" noise {result['noise_dbfs']:.0f} dBFS, delay {result['delay_ms']:.1f} ms,"
                f" likeness {result['sameness']:.2f}"
            )
            yield f'<text x="{LEFT}" y="{HEIGHT - 8}">{now}</text>'

    def _path(self, points: Sequence[tuple[int, float]]) -> str:
        return "M" + "L".join(f"{self._x(number):.1f} {self._y(level):.1f}" for number, level in points)

    def _x(self, number: int) -> float:
        return LEFT + (number + 0.5) * (WIDTH - LEFT - RIGHT) / len(self._names)

    def _y(self, level_db: float) -> float:
        """From the top; what is below the picture lies on its edge."""
        share = (self._top - max(level_db, self._bottom)) / (self._top - self._bottom)
        return TOP + share * (HEIGHT - TOP - BOTTOM)


def _percent(distortion_db: float) -> str:
    """As loudspeakers have it: the ratio of amplitudes."""
    percent = 100.0 * 10.0 ** (distortion_db / 20.0)
    return "below 0.1 %" if percent < 0.1 else f"{percent:.1f} %"


def _shortened(words: str, count: int) -> str:
    return words if len(words) <= count else words[: count - 1] + "…"
