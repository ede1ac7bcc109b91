"""What calls through the node cost, and how soon it rings: `python benchmarks/calls.py --help`.

A press of the button through the HTTP API until the first INVITE is on the wire; calls between extensions through the
node, set up one after the other, and fifty at the same time with RTP both ways, in one codec, with SRTP on one side and
in two codecs; a thousand extensions that refresh (`registrar_load.py`). The telephones are on the other core. The last
line of the output is JSON. Exit code 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from answer_times import percentile
from subjects import BenchmarkError, Sample, Subject, on_core, start_node
from telephones import FIRST_CALLED, FIRST_CALLER, PASSWORD

HERE = Path(__file__).parent
PRESS_GOAL_MS, CORE_GOAL_PERCENT = 10.0, 50.0
MAX_WAIT_PERCENT = 5.0
EXTENSION = """
[[extensions]]
number = "{number}"
password = "{password}"
audio_codecs = ["{codec}"]
{more}
"""
SRTP = 'media_encryption = "mandatory"\nsdes_in_clear_signalling = true'
BUTTON = """
[[inputs]]
name = "button"

[[buttons]]
name = "front-door"
input = "button"
recipients = ["sip:anna@127.0.0.1:{port}"]
"""
# Measured earlier on such a machine (Asterisk 22 answering G.711 calls with RTP both ways, two legs less than we have).
QUOTED = "Asterisk 22, answering 50 calls itself (half of the legs): 11.5 % of a core; pjsua 5 %, baresip 14.5 %"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of call through the node: what the telephones are told, and the callers' extensions."""

    name: str
    key: str  # in the JSON line
    telephones: tuple[str, ...] = ()
    callers: str = ""
    called_codec: str = "PCMU"


KINDS = (
    Kind("G.711, packets passed on", "b2bua_{calls}_calls_core_percent"),
    Kind("SRTP on one side", "b2bua_{calls}_calls_srtp_one_side_core_percent", ("--srtp",), SRTP),
    Kind("PCMU to PCMA", "b2bua_{calls}_calls_transcoding_core_percent", ("--transcode",), called_codec="PCMA"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one load. `waited_percent`: how long the node was ready to run and others had its core."""

    core_percent: float
    waited_percent: float
    received: int
    missing: int
    changed: int = 0
    delay_p50_ms: float | None = None
    delay_p99_ms: float | None = None


def extensions(kind: Kind, count: int) -> str:
    """Settings of a house with so many callers and as many who are called."""
    found = [f"[switch]\nmax_calls = {count + 8}\n"]
    for first, codec, more in ((FIRST_CALLER, "PCMU", kind.callers), (FIRST_CALLED, kind.called_codec, "")):
        found += [
            EXTENSION.format(number=first + number, password=PASSWORD, codec=codec, more=more)
            for number in range(count)
        ]
    return "".join(found)


def with_node(place: Path, more: str, work: Callable[[Subject], Any], *, real_time: bool) -> Any:
    node = start_node(place, audio="both", log_level="warning", more=more, real_time=real_time)
    try:
        return work(node)
    finally:
        node.stop()


def ask(script: str, *arguments: object, descriptors: tuple[int, ...] = ()) -> Any:
    """Run one of our programs on the other core; what its last line says."""
    command = [*on_core(-1), sys.executable, str(HERE / script), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, pass_fds=descriptors)
    if done.returncode:
        raise BenchmarkError(f"{script} ended with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def follow(node: Subject, script: str, *options: str) -> tuple[str, dict[str, Sample]]:
    """Run one of our programs on the other core; its last line, and how the node stood when it said it measured."""
    command = [*on_core(-1), sys.executable, str(HERE / script), *options]
    marks: dict[str, Sample] = {}
    last = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        for line in program.stdout:
            last = line.strip()
            if last in ("measuring", "measured"):
                marks[last] = node.sample(0.0)
    if program.returncode or len(marks) < 2:
        raise BenchmarkError(f"{script} ended with {program.returncode}")
    return last, marks


def run_load(node: Subject, kind: Kind, args: argparse.Namespace) -> Result:
    """Have so many pairs talk through the node; what it cost in the seconds after the warm-up."""
    options = ("--port", str(node.sip_port), "--calls", str(args.calls))
    times = ("--warm-up", str(args.warm_up), "--seconds", str(args.seconds))
    last, marks = follow(node, "telephones.py", *options, *times, *kind.telephones)
    took_s = marks["measured"].at_s - marks["measuring"].at_s
    cpu_s = marks["measured"].cpu_s - marks["measuring"].cpu_s
    waited_s = marks["measured"].waited_s - marks["measuring"].waited_s
    return Result(round(100 * cpu_s / took_s, 1), round(100 * waited_s / took_s, 1), **json.loads(last))


def presses(place: Path, args: argparse.Namespace) -> dict[str, float]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as telephone:
        telephone.bind(("127.0.0.1", 0))
        place_of, port = telephone.fileno(), telephone.getsockname()[1]

        def work(node: Subject) -> list[float]:
            options = ("--web-port", node.web_port, "--telephone", place_of, "--presses", args.presses)
            found: list[float] = ask("presses.py", *options, descriptors=(place_of,))
            return found

        times_ms = with_node(place, BUTTON.format(port=port), work, real_time=args.real_time)
    result = {f"press_to_invite_p{p}_ms": round(percentile(sorted(times_ms), p / 100) or 0.0, 2) for p in (50, 99)}
    print(f"press to INVITE, {args.presses} presses: {result}, longest {max(times_ms):.2f} ms", flush=True)
    return result


def set_ups(place: Path, args: argparse.Namespace) -> dict[str, float]:
    def work(node: Subject) -> list[float]:
        found: list[float] = ask("telephones.py", "--port", node.sip_port, "--set-ups", args.set_ups)
        return found

    times_ms = with_node(place, extensions(KINDS[0], 1), work, real_time=args.real_time)
    result = {f"b2bua_set_up_p{p}_ms": round(percentile(sorted(times_ms), p / 100) or 0.0, 2) for p in (50, 99)}
    print(f"INVITE to 200 through the node, {args.set_ups} calls: {result}, longest {max(times_ms):.2f} ms", flush=True)
    return result


def loads(place: Path, args: argparse.Namespace) -> dict[str, float]:
    found: dict[str, float] = {}
    print(f"\n{args.calls} calls through the node, RTP both ways")
    print(f"  {'':<26} {'% of a core':>12} {'delay ms p50 / p99':>20} {'missing':>8} {'changed':>8} {'waited %':>9}")
    for kind in KINDS:
        if args.kind and args.kind not in kind.name:
            continue
        runs: list[Result] = []
        for number in range(args.runs):
            work = partial(run_load, kind=kind, args=args)
            runs.append(
                with_node(place / f"{kind.key}{number}", extensions(kind, args.calls), work, real_time=args.real_time)
            )
        best = min(runs, key=lambda result: (result.missing, result.core_percent))
        delay = "-" if best.delay_p50_ms is None else f"{best.delay_p50_ms:.2f} / {best.delay_p99_ms:.2f}"
        print(
            f"  {kind.name:<26} {best.core_percent:>12.1f} {delay:>20} {best.missing:>8} {best.changed:>8}"
            f" {best.waited_percent:>9.1f}",
            flush=True,
        )
        key = kind.key.format(calls=args.calls)
        found[key] = best.core_percent
        found[key.replace("core_percent", "missing")] = best.missing
        if best.delay_p99_ms is not None:
            found[key.replace("core_percent", "delay_p99_ms")] = best.delay_p99_ms
    print(f"  {QUOTED}")
    return found


def registrations(goals: list[str]) -> dict[str, float]:
    """What `registrar_load.py` says of a thousand extensions, at the node and at Kamailio; a goal that is missed."""
    print("\nA thousand extensions")
    done = subprocess.run(
        [sys.executable, str(HERE / "registrar_load.py")], stdout=subprocess.PIPE, text=True, check=False
    )
    *lines, last = done.stdout.splitlines() or [""]
    print("\n".join(lines), flush=True)
    if done.returncode not in (0, 1):
        raise BenchmarkError(f"registrar_load.py ended with {done.returncode}")
    goals += [line.removeprefix("missed: ") for line in lines if line.startswith("missed: ")]
    return {f"registrar_{name}": value for name, value in json.loads(last).items()}


def missed(figures: dict[str, float], calls: int) -> list[str]:
    """Which goals are missed, in words."""
    found = []
    if figures.get("press_to_invite_p99_ms", 0.0) >= PRESS_GOAL_MS:
        words = f"press to INVITE takes {figures['press_to_invite_p99_ms']} ms"
        found.append(f"{words}; less than {PRESS_GOAL_MS} are right")
    core = figures.get(f"b2bua_{calls}_calls_core_percent", 0.0)
    if core > CORE_GOAL_PERCENT:
        found.append(f"{calls} calls take {core} % of a core; {CORE_GOAL_PERCENT} are right")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["presses", "set-ups", "calls", "registrations"])
    parser.add_argument("--kind", default="", help="of the calls, those that have this in their name")
    parser.add_argument("--presses", type=int, default=500)
    parser.add_argument("--set-ups", type=int, default=300)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--warm-up", type=float, default=3.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--real-time", action="store_true", help="the node runs before ordinary programs; needs root")
    args = parser.parse_args()
    figures: dict[str, float] = {}
    goals: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            if args.only in (None, "presses"):
                figures |= presses(folder / "presses", args)
            if args.only in (None, "set-ups"):
                figures |= set_ups(folder / "set-ups", args)
            if args.only in (None, "calls"):
                figures |= loads(folder / "calls", args)
            if args.only in (None, "registrations"):
                figures |= registrations(goals)
        except BenchmarkError as error:
            print(f"benchmark: {error}", file=sys.stderr)
            return 2
    goals += missed(figures, args.calls)
    for words in goals:
        print(f"missed: {words}")
    print(json.dumps(figures))
    return 1 if goals else 0


if __name__ == "__main__":
    sys.exit(main())
