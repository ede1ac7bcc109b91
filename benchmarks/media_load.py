"""What a call's sound costs, how evenly it is sent and how well it is heard: `python benchmarks/media_load.py --help`.

A hundred callers, with RTP both ways for all of them, at the node and then at baresip; processor time from /proc, send
jitter from the kernel's receive timestamps. Then what is heard behind bad networks (`listening.py`), of both as well.
The last line of the output is JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import listening
import microphone_delay
from subjects import BenchmarkError, Sample, Subject, need, on_core, start_baresip, start_node

CALLERS = Path(__file__).with_name("media_callers.py")
BARESIP_MICROPHONE_S = 90
MICROPHONE_S = 5.0
MAX_WAIT_PERCENT = 5.0
# Measured earlier on such a machine: per cent of a core per call at 100 calls, send jitter p50 and p99 in ms.
QUOTED = (("pjsua 2.17", 0.10, 0.17, 1.03), ("Asterisk 22", 0.25, 0.01, 0.07), ("baresip 1.0.0", 0.29, 0.46, 3.7))


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of call: how it is told to the callers, to the node's account and to baresip's."""

    name: str
    key: str  # in the JSON line
    callers: tuple[str, ...] = ()
    node: str = ""
    baresip: str = "audio_codecs=PCMU,PCMA"


KINDS = (
    Kind("G.711", "cpu_percent_per_call_at_100"),
    Kind(
        "G.711 by SRTP",
        "srtp_cpu_percent_per_call_at_100",
        callers=("--srtp",),
        node='media_encryption = "mandatory"\nsdes_in_clear_signalling = true',
        baresip="audio_codecs=PCMU,PCMA;mediaenc=srtp-mand",
    ),
    Kind(
        "G.722",
        "g722_cpu_percent_per_call_at_100",
        callers=("--codec", "G722"),
        node='audio_codecs = ["G722"]',
        baresip="audio_codecs=G722/16000/1",
    ),
)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one load. `waited_percent`: how long the subject was ready to run and others had its core;
    `stolen_percent`: how long the core was not even this machine's."""

    cpu_percent_per_call: float
    waited_percent: float
    stolen_percent: float
    received: int
    missing: int
    mixes_right: int
    send_jitter_p50_ms: float
    send_jitter_p99_ms: float
    send_jitter_max_ms: float


def run_load(subject: Subject, kind: Kind, calls: int, warm_up_s: float, seconds: float) -> Result:
    """Have `calls` callers talk to `subject`; what it cost in the seconds after the warm-up."""
    command = [
        *(*on_core(-1), sys.executable, str(CALLERS), "--port", str(subject.sip_port), "--calls", str(calls)),
        *("--warm-up", str(warm_up_s), "--seconds", str(seconds), *kind.callers),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as callers:
        assert callers.stdout is not None
        marks: dict[str, Sample] = {}
        last = ""
        for line in callers.stdout:
            last = line.strip()
            if last in ("measuring", "measured"):
                marks[last] = subject.sample(0.0)
    if callers.returncode or len(marks) < 2:
        raise BenchmarkError(f"the callers of {subject.name} ended with {callers.returncode}")
    took_s = marks["measured"].at_s - marks["measuring"].at_s
    cpu_s = marks["measured"].cpu_s - marks["measuring"].cpu_s
    waited_s = marks["measured"].waited_s - marks["measuring"].waited_s
    stolen_s = marks["measured"].stolen_s - marks["measuring"].stolen_s
    return Result(
        cpu_percent_per_call=round(100 * cpu_s / took_s / calls, 3),
        waited_percent=round(100 * waited_s / took_s, 1),
        stolen_percent=round(100 * stolen_s / took_s, 1),
        **json.loads(last),
    )


def best_of(runs: int, start: Callable[[Path], Subject], kind: Kind, args: argparse.Namespace, folder: Path) -> Result:
    """The run with the least send jitter of several: a machine that does something else for a moment says nothing of
    the subject. Missing packets are missing in whichever run."""
    found = []
    for number in range(runs):
        subject = start(folder / f"{number}")
        try:
            found.append(run_load(subject, kind, args.calls, args.warm_up, args.seconds))
        finally:
            subject.stop()
        print(f"    {subject.name} {kind.name} {number + 1}: {found[-1]}", flush=True)
    return min(found, key=lambda result: (result.missing, result.send_jitter_p99_ms))


def show(kind: Kind, rows: list[tuple[str, Result]], calls: int) -> None:
    print(f"\n{calls} calls, {kind.name}, RTP both ways")
    print(f"  {'':<14} {'% of a core':>12} {'send jitter ms':>16} {'missing':>8} {'mixes':>6} {'waited, stolen':>15}")
    print(f"  {'':<14} {'per call':>12} {'p50 / p99':>16} {'packets':>8} {'right':>6} {'%':>15}")
    for name, result in rows:
        right = "-" if name == "baresip" else str(result.mixes_right)  # its calls hear nobody else
        jitter = f"{result.send_jitter_p50_ms:.2f} / {result.send_jitter_p99_ms:.2f}"
        print(
            f"  {name:<14} {result.cpu_percent_per_call:>12.3f} {jitter:>16} {result.missing:>8}"
            f" {right:>6} {f'{result.waited_percent:.1f}, {result.stolen_percent:.1f}':>15}"
        )


def show_quoted() -> None:
    print("\nMeasured earlier on such a machine, G.711 at 100 calls")
    for name, cpu, p50, p99 in QUOTED:
        print(f"  {name:<14} {cpu:>12.2f} {f'{p50:.2f} / {p99:.2f}':>16}")


def measure_kind(kind: Kind, args: argparse.Namespace, folder: Path) -> Result:
    """One table: the node, and baresip beside it."""

    def node(place: Path) -> Subject:
        return start_node(
            place,
            audio="both",
            log_level="warning",
            account=kind.node,
            microphone="tone:440",
            real_time=args.real_time,
        )

    def baresip(place: Path) -> Subject:
        return start_baresip(place, account=kind.baresip, microphone_s=BARESIP_MICROPHONE_S)

    ours = best_of(args.runs, node, kind, args, folder / "node")
    rows = [("voipnode", ours)]
    if not args.alone:
        rows.append(("baresip", best_of(1, baresip, kind, args, folder / "baresip")))
    show(kind, rows, args.calls)
    return ours


def listen(*, alone: bool) -> dict[str, float]:
    """The node's PESQ and delay behind each bad network, after a table with baresip."""
    print("\nOne call with real speech, behind bad networks", flush=True)
    tables = listening.measure(subjects=("voipnode",) if alone else tuple(listening.SUBJECTS))
    listening.print_table(tables, listening.JSON_ROWS)
    return listening.figures(tables["voipnode"])


def measure_microphone() -> dict[str, float]:
    """How long a sample takes from the microphone to the wire, at one call and at a hundred."""
    print("\nFrom a packet's oldest sample to the wire, ms", flush=True)
    found = {}
    for calls in (1, 100):
        delay = microphone_delay.figures(calls, MICROPHONE_S)
        print(f"  {calls:>3} calls: p50 {delay['p50']:.1f}, p99 {delay['p99']:.1f}, max {delay['max']:.1f}")
        found[f"microphone_to_packet_p99_ms_at_{calls}"] = delay["p99"]
    return found


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100, help="at the same time (100)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to measure (10)")
    parser.add_argument("--warm-up", type=float, default=5.0, help="seconds before that (5)")
    parser.add_argument("--runs", type=int, default=2, help="of the node, of which the quietest counts (2)")
    parser.add_argument("--only", choices=[kind.name for kind in KINDS], help="one kind of call")
    parser.add_argument(
        "--real-time", action="store_true", help="the node runs before ordinary programs (sip.qos.real_time)"
    )
    parser.add_argument("--no-listening", action="store_true", help="cost and send jitter only")
    parser.add_argument("--alone", action="store_true", help="without baresip")
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    figures: dict[str, float] = {}
    complaints = []
    try:
        if not args.alone:
            need("baresip")
        with tempfile.TemporaryDirectory(prefix="media-load-") as scratch:
            for kind in KINDS:
                if args.only not in (None, kind.name):
                    continue
                result = measure_kind(kind, args, Path(scratch) / kind.key)
                figures[kind.key] = result.cpu_percent_per_call
                if kind is KINDS[0]:
                    figures["send_jitter_p99_ms_at_100"] = result.send_jitter_p99_ms
                if result.missing:
                    complaints.append(f"{kind.name}: {result.missing} packets are missing")
                if result.mixes_right < args.calls:
                    complaints.append(f"{kind.name}: {args.calls - result.mixes_right} callers heard the wrong mix")
        show_quoted()
        if args.only is None:
            figures |= measure_microphone()
        if args.only is None and not args.no_listening:
            figures |= listen(alone=args.alone)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 2
    for complaint in complaints:
        print(f"NOT CLEAN: {complaint}")
    print(json.dumps({**figures, "ok": not complaints}))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
