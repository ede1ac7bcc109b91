"""What the guardian's journal says about the run before, in words."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from voipnode.modules.relay.journal import MAX_BYTES, NAME, boot_id, older

Entry = dict[str, Any]
END_OF_TIME = 253_402_300_799  # 31 December 9999, the last day that can be told in words


def previous_run(state_dir: Path) -> str:
    """How the run before ended, in words; "" when there was none. Ask before the relay module starts a new one."""
    entries = _read(older(state_dir / NAME)) + _read(state_dir / NAME)
    starts = [index for index, entry in enumerate(entries) if entry["what"] == "start"]
    if not starts:
        return ""
    return _tell(entries[starts[-1] :])


def ended_badly(state_dir: Path) -> bool:
    """Whether the last run in the journal ended by anything but an orderly stop."""
    entries = _read(state_dir / NAME) or _read(older(state_dir / NAME))
    return bool(entries) and not (entries[-1]["what"] == "end" and entries[-1].get("why") in ("stop", "terminated"))


def _read(path: Path) -> list[Entry]:
    """The entries of one file; half a line (full disk, power cut) is passed over."""
    try:
        with path.open("rb") as file:
            lines = file.read(2 * MAX_BYTES).splitlines()
    except OSError:
        return []
    entries = []
    for line in lines:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if _is_entry(entry):
            entries.append(entry)
    return entries


def _is_entry(data: Any) -> bool:
    """Whether it can be told; a power cut may leave anything in a file, which must not keep the node from starting."""
    if not isinstance(data, dict) or not isinstance(data.get("what"), str):
        return False
    wall = data.get("wall")
    return isinstance(wall, int | float) and 0 <= wall <= END_OF_TIME


def _tell(run: list[Entry]) -> str:
    """One run, from its start entry on."""
    last = run[-1]
    moment = datetime.fromtimestamp(last["wall"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    why = last.get("why")
    if last["what"] == "end" and why in ("stop", "terminated"):
        return f"stopped in order at {moment}"
    states = _states(run)
    left_on = [name for name, entry in states.items() if entry.get("active")]
    if last["what"] == "end":
        cause = f"{last.get('detail') or 'the guardian ended'} at {moment}"
        return "; ".join([cause, *_released(run, str(why))])
    if last["what"] == "lost":
        cause = f"the guardian was lost at {moment}"
    elif run[0].get("boot") != boot_id():
        cause = f"the machine stopped without warning after {moment}"
    else:
        cause = f"the guardian and its journal were lost after {moment}"
    return "; ".join([cause, *(f"relay '{name}' was on{_by(states[name])} and fell back with it" for name in left_on)])


def _by(entry: Entry) -> str:
    """By whom, as the journal has it."""
    return f" (by {str(entry['by'])[:200]})" if entry.get("by") else ""


def _states(run: list[Entry]) -> dict[str, Entry]:
    """The last entry of every line."""
    return {str(entry.get("line")): entry for entry in run if entry["what"] == "line"}


def _released(run: list[Entry], why: str) -> list[str]:
    """The lines that were on when it happened: their release carries the same reason as the end."""
    openers = {str(entry.get("line")): entry for entry in run if entry["what"] == "line" and entry.get("active")}
    return [
        f"relay '{name}' was on{_by(openers.get(name, {}))} and was released after {entry.get('held_s')} s by the"
        " guardian"
        for name, entry in _states(run).items()
        if entry.get("why") == why and not entry.get("active")
    ]
