"""Kills doors at random moments while they let somebody in, and counts what came of it.

    python -m tests.support.door_kills [KILLS] [SEED]

The relay is watched from outside, by inotify on its line; uses are read from the entry list, grants from the event log
and openings from the guardian's journal, each as its file has it when everything that was killed is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.aio import PATIENCE_S
from tests.support.corpora import ROOT
from tests.support.door_stand_in import USES
from tests.support.guardian_process import boottime, read_journal
from tests.support.watch_file import FileWatch

OPEN, SHUT = b"1", b"0"  # of the door: the contact is closed, is open


@dataclass(slots=True)
class Outcome:
    """One killed door. Times in seconds; the lists of the line are as seen from outside."""

    duration_s: float
    killed_after: str  # the last word that was heard of it
    previous: str = ""  # what it told of the one before it
    seen_s: list[float] = field(default_factory=list)  # how long each opening was seen on the line
    shut_after_kill_s: float = 0.0  # 0: it was shut already
    cards: int = 0
    acknowledged: int = 0  # grants that it told
    opened: int = 0  # leases that the guardian gave for the door
    used: int = 0  # uses that are gone from the list
    granted: int = 0  # grants in the event log
    logged: int = 0  # openings in the event log
    named: int = 0  # openings in the guardian's journal that say who opened
    longest_s: float = 0.0  # that the guardian held the door

    def hear(self, word: dict[str, Any]) -> None:
        """Count what the door says."""
        self.cards += "card" in word
        self.acknowledged += word.get("outcome") == "granted"
        assert word.get("outcome", "granted") == "granted", word

    def faults(self, late_s: float) -> list[str]:
        """What must not be; `late_s`: by how much a line may be seen late."""
        found = []
        if self.longest_s > self.duration_s + late_s or max(self.seen_s, default=0.0) > self.duration_s + late_s:
            found.append(f"the relay was on for {max(self.longest_s, *self.seen_s):.3f} s of {self.duration_s:.3f} s")
        if self.opened > self.used:
            found.append(f"{self.opened} openings for {self.used} uses")
        if self.used > self.opened + 1:
            found.append(f"{self.used} uses are gone for {self.opened} openings")
        if self.acknowledged > min(self.opened, self.granted, self.logged, self.named):
            found.append(f"{self.acknowledged} grants were told, but {self}")
        if len(self.seen_s) > self.opened:
            found.append(f"{len(self.seen_s)} openings seen on the line, {self.opened} in the journal")
        return found


class Doors:
    """The process that makes doors; `kill_one` makes one, kills it and looks what is left."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self._rng = random.Random(seed)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.door_stand_in"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self._words = b""
        (folder / "lines").mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.kill()  # should it wait for a door still: that one's guardian shuts it
        self._process.wait()

    def kill_one(self, after: str = "") -> Outcome:
        """A door that lets somebody in, killed some milliseconds after it has said the word `after` ("card": one is
        being looked at, "acknowledged"), or within the first half second ("ready"); "": drawn."""
        rng = self._rng
        duration_s = rng.uniform(0.1, 0.4)
        used_before, events_before, began_at = self._used(), self._last_event(), boottime()
        assert self._process.stdin is not None
        told = {"folder": str(self.folder), "duration_s": duration_s, "seed": rng.randrange(1 << 30)}
        with FileWatch(self.folder / "lines" / "door") as line, FileWatch(self.folder / "guardian.jsonl") as files:
            self._process.stdin.write(json.dumps(told).encode() + b"\n")
            outcome = Outcome(duration_s, "ready")
            pid = self._until("pid", outcome)["pid"]
            outcome.previous = self._until("ready", outcome)["previous"]
            outcome.killed_after = after or rng.choice(("ready", "card"))
            wait_s = rng.uniform(0.0, 0.02)
            if outcome.killed_after == "ready":
                wait_s = rng.uniform(0.0, 0.6)
            else:
                self._until(outcome.killed_after, outcome)
            self._watch((line, files), outcome, pid, (began_at, wait_s))
        self._count(outcome, used_before, events_before, began_at)
        return outcome

    def _watch(
        self, watches: tuple[FileWatch, FileWatch], outcome: Outcome, pid: int, times: tuple[float, float]
    ) -> None:
        """Until everything of this door is gone: note what it says and what its line does, and kill it in time."""
        assert self._process.stdout is not None
        line, files = watches
        began_at, wait_s = times
        killed_at: float | None = None
        level, opened_at, ended = SHUT, 0.0, False
        kill_at = time.monotonic() + wait_s
        deadline = time.monotonic() + PATIENCE_S
        while not (ended and level == SHUT and self._is_over(began_at)):
            assert time.monotonic() < deadline, f"the door is {level!r}, the process has ended: {ended}"
            left_s = max(0.0, (kill_at if killed_at is None else deadline) - time.monotonic())
            ready = select.select([line.fileno(), files.fileno(), self._process.stdout], [], [], left_s)[0]
            for watch in watches:
                if watch.fileno() in ready:
                    os.read(watch.fileno(), 65536)
            if (now_level := line.present()) != level:
                level = now_level
                if level == OPEN:
                    opened_at = boottime()
                elif opened_at:
                    outcome.seen_s.append(boottime() - opened_at)
                    if killed_at is not None:
                        outcome.shut_after_kill_s = max(0.0, boottime() - killed_at)
            if self._process.stdout in ready:
                for word in self._heard():
                    ended = ended or "ended" in word
                    outcome.hear(word)
                    if killed_at is None:
                        outcome.killed_after = next(iter(word))
            if killed_at is None and time.monotonic() >= kill_at:
                killed_at = boottime()
                os.kill(pid, signal.SIGKILL)

    def _count(self, outcome: Outcome, used_before: int, events_before: int, began_at: float) -> None:
        """Read what is on the disk."""
        leases = [entry for entry in self._journal(began_at) if entry.get("line") == "door"]
        outcome.opened = sum(entry["active"] for entry in leases)
        outcome.named = sum(entry["active"] and "Anna" in entry["by"] for entry in leases)
        outcome.longest_s = max((entry["held_s"] for entry in leases if not entry["active"]), default=0.0)
        outcome.used = self._used() - used_before
        rows = self._rows("state.db", "SELECT name, data FROM events WHERE id > ?", events_before)
        outcome.granted = sum(name == "access.granted" for name, _ in rows)
        outcome.logged = sum(name == "door.opened" and json.loads(data)["port"] == "door" for name, data in rows)

    def _used(self) -> int:
        rows = self._rows("entry.db", "SELECT uses_left FROM holders WHERE name = 'Anna'")
        return USES - rows[0][0] if rows else 0

    def _last_event(self) -> int:
        rows = self._rows("state.db", "SELECT COALESCE(MAX(id), 0) FROM events")
        return rows[0][0] if rows else 0

    def _rows(self, name: str, query: str, *values: Any) -> list[Any]:
        if not (self.folder / name).exists():
            return []
        connection = sqlite3.connect(self.folder / name, timeout=PATIENCE_S)
        try:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            return connection.execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):  # killed before it had made any
                return []
            raise
        finally:
            connection.close()

    def _journal(self, since: float) -> list[dict[str, Any]]:
        """Its entries from a moment on; it begins a new file now and then."""
        folders = [folder for folder in (self.folder,) if (folder / "guardian.jsonl").exists()]
        return [entry for folder in folders for entry in read_journal(folder) if entry["at"] >= since]

    def _is_over(self, since: float) -> bool:
        """Whether the guardian has ended, and its journal with it."""
        return any(entry["what"] in ("end", "lost") for entry in self._journal(since))

    def _until(self, word: str, outcome: Outcome) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        assert self._process.stdout is not None
        while True:
            ready = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]
            assert ready, f"no {word} of the door"
            for told in self._heard(one=True):
                outcome.hear(told)
                if word in told:
                    return told

    def _heard(self, *, one: bool = False) -> list[dict[str, Any]]:
        """What it has said since; only the first line where `one`, the others stay."""
        assert self._process.stdout is not None
        if b"\n" not in self._words:
            data = os.read(self._process.stdout.fileno(), 65536)
            assert data, "the process that makes doors has ended"
            self._words += data
        *lines, self._words = self._words.split(b"\n", 1) if one else self._words.split(b"\n")
        return [json.loads(line) for line in lines]


def main() -> int:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 30)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -11)  # what is late is to be the door, not who looks at it
    print(f"{kills} kills, seed {seed}", flush=True)
    outcomes: list[Outcome] = []
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as folder, Doors(Path(folder), seed) as doors:
        for number in range(1, kills + 1):
            outcomes.append(doors.kill_one())
            for fault in outcomes[-1].faults(late_s=0.05):
                faults.append(f"kill {number}: {fault}")
                print(faults[-1], flush=True)
    report(outcomes)
    print(f"{len(faults)} faults")
    return 1 if faults else 0


def report(outcomes: list[Outcome]) -> None:
    """The figures of all kills."""
    after = [outcome.killed_after for outcome in outcomes]
    open_when_killed = [outcome.shut_after_kill_s for outcome in outcomes if outcome.shut_after_kill_s]
    seen = [outcome.duration_s - seen_s for outcome in outcomes for seen_s in outcome.seen_s]
    over = [outcome.longest_s - outcome.duration_s for outcome in outcomes if outcome.longest_s]
    lost = sum(outcome.used - outcome.opened for outcome in outcomes)
    print(f"killed after: {', '.join(f'{word} {after.count(word)}' for word in sorted(set(after)))}")
    print(f"cards shown {sum(o.cards for o in outcomes)}, grants acknowledged {sum(o.acknowledged for o in outcomes)}")
    print(
        f"openings {sum(o.opened for o in outcomes)} in the journal, {len(seen)} seen on the line,"
        f" {sum(o.logged for o in outcomes)} in the event log; uses gone {sum(o.used for o in outcomes)}, lost {lost}"
    )
    print(
        f"doors open when killed {len(open_when_killed)}, shut {1000 * max(open_when_killed, default=0):.1f} ms later"
    )
    over_ms, seen_ms = 1000 * max(over, default=0.0), -1000 * min(seen, default=0.0)
    print(f"longest over its time: {over_ms:.1f} ms by the guardian, {seen_ms:.1f} ms as seen")


if __name__ == "__main__":
    sys.exit(main())
