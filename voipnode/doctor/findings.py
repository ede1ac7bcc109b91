"""What a check finds, and what a check is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from voipnode.net.dns import Dns
from voipnode.net.locator import Locator
from voipnode.net.resolver import Resolver
from voipnode.settings import NodeSettings


class Level(StrEnum):
    """How bad a finding is: "good" and "note" leave the exit code 0, "warning" too, "problem" does not."""

    GOOD = "good"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was seen; `remedy` says what helps, where anything is to be done."""

    level: Level
    words: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """What is examined. `ntp` is a time server to ask, "" for none; with `plays` the loudspeaker is heard."""

    settings: NodeSettings
    state_dir: Path
    resolver: Resolver
    dns: Dns
    locator: Locator
    ntp: str = ""
    plays: bool = True


@dataclass(frozen=True, slots=True)
class Check:
    """One part of the examination; `run` yields findings as they come, and is ended after `limit_s`."""

    title: str
    limit_s: float
    run: Callable[[Case], AsyncIterator[Finding]]


@dataclass(slots=True)
class Report:
    """What one check found, in the order in which it came."""

    title: str
    findings: list[Finding] = field(default_factory=list)

    @property
    def worst(self) -> Level:
        order = list(Level)
        return max((finding.level for finding in self.findings), key=order.index, default=Level.GOOD)


def good(words: str) -> Finding:
    return Finding(Level.GOOD, words)


def note(words: str, remedy: str = "") -> Finding:
    return Finding(Level.NOTE, words, remedy)


def warning(words: str, remedy: str) -> Finding:
    return Finding(Level.WARNING, words, remedy)


def problem(words: str, remedy: str) -> Finding:
    return Finding(Level.PROBLEM, words, remedy)


async def examine(case: Case, checks: tuple[Check, ...]) -> list[Report]:
    """Run all checks side by side, each within its limit; nothing that one does keeps the others from their end."""
    return list(await asyncio.gather(*(_run(check, case) for check in checks)))


async def _run(check: Check, case: Case) -> Report:
    report = Report(check.title)
    try:
        async with asyncio.timeout(check.limit_s):
            async for finding in check.run(case):
                report.findings.append(finding)
    except TimeoutError:
        words = f"this was not done within {check.limit_s:g} s; what is said above is all that came"
        report.findings.append(problem(words, "look at what was to come next: something there does not answer"))
    except Exception as error:  # noqa: BLE001 -- the edge: one check's failure must not hide what the others found
        words = f"this could not be examined: {type(error).__name__}: {error}"
        report.findings.append(problem(words, "this is a fault of the doctor itself; tell its makers"))
    return report
