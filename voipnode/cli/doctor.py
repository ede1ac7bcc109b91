"""`voipnode doctor`: what is wrong here, in words, and what helps."""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from voipnode.cli.check import load_or_complain
from voipnode.cli.console import errors, output
from voipnode.cli.exit_codes import ExitCode
from voipnode.cli.run import default_state_dir
from voipnode.doctor.checkup import LIMIT_S, examine_node
from voipnode.doctor.findings import Level, Report
from voipnode.net.loop import run
from voipnode.settings import NodeSettings

MARKS = {
    Level.GOOD: "[green]ok[/green]  ",
    Level.NOTE: "[cyan]note[/cyan]",
    Level.WARNING: "[yellow]warn[/yellow]",
    Level.PROBLEM: "[red]bad[/red] ",
}
GRACE_S = 2.0  # beyond the limit of the checks, for what they close


def examine_here(
    settings_path: Path | None, state_dir: Path | None, *, ntp: str, plays: bool, as_json: bool
) -> ExitCode:
    """Examine this machine with these settings, and tell."""
    settings = load_or_complain(settings_path)
    if settings is None:
        return ExitCode.SETTINGS
    logging.disable(logging.CRITICAL)  # what the parts would say in a log is said here, in order
    folder = (state_dir or default_state_dir()).resolve()
    with errors().status("examining; this takes up to a quarter of a minute"):
        reports, lingers = _examined(settings, folder, ntp=ntp, plays=plays)
    if reports is None:
        errors().print(f"[red]The examination did not come to its end within {LIMIT_S + GRACE_S:g} s.[/red]")
        _leave(ExitCode.FAILED)
        return ExitCode.FAILED
    (_print_json if as_json else _print_words)(output(), settings_path, reports)
    bad = any(report.worst is Level.PROBLEM for report in reports)
    code = ExitCode.FAILED if bad else ExitCode.OK
    if lingers:
        _leave(code)
    return code


def _examined(settings: NodeSettings, state_dir: Path, *, ntp: str, plays: bool) -> tuple[list[Report] | None, bool]:
    """The reports, None where the limit did not hold; and whether something still hangs.

    The loop runs in a thread that nobody waits for: a system library that does not come back (a look-up of names, a
    sound system) would hold the loop's end, though not the checks.
    """
    results: queue.Queue[list[Report]] = queue.Queue()

    def work() -> None:
        async def main() -> None:
            results.put(await examine_node(settings, state_dir, ntp=ntp, plays=plays))

        run(main())

    thread = threading.Thread(target=work, name="doctor", daemon=True)
    thread.start()
    try:
        reports = results.get(timeout=LIMIT_S + GRACE_S)
    except queue.Empty:
        return None, True
    thread.join(timeout=0.5)
    return reports, thread.is_alive()


def _leave(code: ExitCode) -> None:
    """End the process without waiting for threads that hang."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _print_words(console: Console, settings_path: Path | None, reports: Sequence[Report]) -> None:
    console.print(f"[bold]Settings[/bold]\n  {MARKS[Level.GOOD]}  {settings_path or 'the defaults'}: no problems")
    for report in reports:
        if not report.findings:  # not wanted by these settings
            continue
        console.print(f"[bold]{escape(report.title)}[/bold]")
        for finding in report.findings:
            console.print(f"  {MARKS[finding.level]}  {escape(finding.words)}")
            if finding.remedy:
                console.print(f"        [dim]->[/dim] {escape(finding.remedy)}")
    found = [finding.level for report in reports for finding in report.findings]
    problems, warnings = found.count(Level.PROBLEM), found.count(Level.WARNING)
    if not problems and not warnings:
        console.print("[bold green]Nothing is wrong.[/bold green]")
    else:
        console.print(f"[bold]{_counted(problems, 'problem')}, {_counted(warnings, 'warning')}.[/bold]")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _print_json(console: Console, settings_path: Path | None, reports: Sequence[Report]) -> None:
    told = {
        "settings": str(settings_path) if settings_path is not None else None,
        "worst": max((report.worst for report in reports), key=list(Level).index, default=Level.GOOD),
        "checks": [
            {
                "title": report.title,
                "worst": report.worst,
                "findings": [
                    {"level": finding.level, "words": finding.words, "remedy": finding.remedy}
                    for finding in report.findings
                ],
            }
            for report in reports
        ],
    }
    console.print(json.dumps(told, ensure_ascii=False, indent=2), markup=False)
