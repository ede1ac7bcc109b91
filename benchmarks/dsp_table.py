"""The benchmark's figures beside what they shall be, as a table and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping

# What each figure shall be; some are measured by Speex with its preprocessor.
GOALS = {
    "erle_db": ">= 35",
    "erle_after_double_talk_db": ">= 30",
    "pesq_double_talk": ">= speex + 0.2",
    "stoi_double_talk": ">= 0.94",
    "seconds_to_20_db": "<= 1",
    "drift100_erle_db": ">= 25",
    "path_change_seconds": "<= 1",
    "jump_seconds": "<= 1.5",
    "near_end_pesq": ">= 4",
    "noise_pesq_gain": ">= speex + 0.1",
    "noise_stoi_gain": ">= 0",
    "frame_us_median": "<= 300",
    "frame_us_p99": "<= 1000",
}
NOT_IN_JSON = ("jump_seconds", "noise_stoi_gain")
NAN = float("nan")

Numbers = Mapping[str, Mapping[str, float]]  # of each subject


def print_table(which: str, numbers: Numbers) -> None:
    """A row for each figure, a column for each subject."""
    names = [name for name in numbers if name != "none"]
    print(f"\n| {which} set | goal | " + " | ".join(names) + " | reached |")
    print("|---" * (len(names) + 3) + "|")
    for figure, goal in GOALS.items():
        values = [_shown(numbers[name].get(figure, NAN)) for name in names]
        reached = _reached(figure, goal, numbers)
        print("| " + " | ".join([figure, goal, *values, {True: "yes", False: "no", None: "-"}[reached]]) + " |")


def json_line(numbers: Numbers) -> dict[str, float | None]:
    """Ours under the figures' names, Speex's with its preprocessor under the same with `speex_`; None: not measured."""
    return {
        prefix + figure: _number(numbers.get(name, {}).get(figure, NAN))
        for prefix, name in (("", "ours"), ("speex_", "speex"))
        for figure in GOALS
        if figure not in NOT_IN_JSON
    }


def _reached(figure: str, goal: str, numbers: Numbers) -> bool | None:
    value = numbers.get("ours", {}).get(figure, NAN)
    sign, *rest = goal.split()
    wanted = float(rest[-1]) + (numbers.get("speex", {}).get(figure, NAN) if rest[0] == "speex" else 0.0)
    if math.isnan(value) or math.isnan(wanted):
        return None
    return value >= wanted if sign == ">=" else value <= wanted


def _shown(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}" if abs(value) >= 1 else f"{value:.3f}"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 3)
