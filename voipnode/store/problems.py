"""What can be wrong with a settings file, said so that who edits it knows where to look and what to write."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MAX_VALUE_CHARS = 60


@dataclass(frozen=True, slots=True)
class SettingsProblem:
    """One thing wrong, at `file`:`line`; `line` is None where there is no such place (no file at all).

    `key` is written as the settings name it ("sip.port", "accounts[1].transport", "" for the whole file), `value` is
    what stands there (None: nothing, or a whole table), `message` says what is wrong and what would be right.
    """

    file: str
    line: int | None
    key: str
    value: Any
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        if not self.key:
            return f"{place}: {self.message}"
        if self.value is None:
            return f"{place}: {self.key}: {self.message}"
        return f"{place}: {self.key} = {_as_toml(self.value)}: {self.message}"


class SettingsError(Exception):
    """The settings cannot be used; `problems` holds everything that is wrong, in the order of the file."""

    def __init__(self, problems: Sequence[SettingsProblem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line or 0))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def key_text(path: Sequence[str | int]) -> str:
    """A key path as people write it: ("accounts", 1, "transport") is "accounts[1].transport"."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def _as_toml(value: Any) -> str:
    """A value roughly as the file has it, on one line and short."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
    elif isinstance(value, list):
        text = "[" + ", ".join(_as_toml(item) for item in value[:MAX_VALUE_CHARS]) + "]"
    else:
        text = str(value)
    return text if len(text) <= MAX_VALUE_CHARS else text[: MAX_VALUE_CHARS - 1] + "…"
