"""Calls a node many times a second, and tells what it cost: `python benchmarks/sip_load.py --help`.

The last line of the output is JSON. Exit code 1 when a call failed, a packet had to be repeated, or memory grew.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from answer_times import AnswerTimes, percentile
from subjects import BenchmarkError, Sample, Subject, free_port, need, on_core, start_baresip, start_node

SCENARIO = Path(__file__).with_name("caller.xml")
REMEMBERED_S = (
    32.0  # 64*T1: how long UDP makes a node remember a finished call (RFC 3261 §17); only then is memory level
)
WARM_UP_S = 35.0
MAX_GROWTH = 0.05
LOOK_EVERY_S = 9.5


@dataclass(frozen=True, slots=True)
class Load:
    """How to call: `rate` calls a second for `seconds` after `warm_up_s`, each `call_s` long.

    `timed`: capture the packets, for the times from INVITE to 200. It costs a little of both cores.
    """

    rate: int
    seconds: float
    warm_up_s: float
    call_s: float
    timed: bool = True

    @property
    def calls(self) -> int:
        return int(self.rate * (self.warm_up_s + self.seconds))


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it. The memory's growth compares the second and the last quarter of the time after the warm-up; it
    is None where the warm-up was too short for it to mean anything.

    `core_wait_percent`: of the time, how long it waited for a core that others had. Above a few per cent the machine is
    busy with something else, and the response times are its.
    """

    subject: str
    rate: int
    calls: int
    failed: int
    retransmissions: int
    cpu_s_per_1000_calls: float
    core_wait_percent: float
    rss_mb_start: float
    rss_mb_end: float
    rss_mb_max: float
    rss_growth_percent: float | None
    response_ms_p50: float | None
    response_ms_p99: float | None

    @property
    def clean(self) -> bool:
        """No call failed and nothing had to be repeated."""
        return self.failed == 0 and self.retransmissions == 0

    def complaints(self) -> list[str]:
        found = []
        if self.failed:
            found.append(f"{self.failed} of {self.calls} calls failed")
        if self.retransmissions:
            found.append(f"{self.retransmissions} messages had to be repeated")
        if self.rss_growth_percent is not None and self.rss_growth_percent > 100 * MAX_GROWTH:
            found.append(f"memory grew by {self.rss_growth_percent:.1f} %")
        return found


def run_load(subject: Subject, load: Load, folder: Path) -> Result:
    """Call `subject` and sample it every second until sipp has ended."""
    folder.mkdir(parents=True, exist_ok=True)
    statistics = folder / "statistics.csv"
    times = AnswerTimes(folder / "load.pcap", subject.sip_port) if load.timed else None
    began = time.monotonic()
    before = subject.sample(began)
    print(
        f"{subject.name}: {load.rate} calls/s, {load.calls} calls of {load.call_s:g} s, of which the first"
        f" {load.warm_up_s:g} s are warm-up"
    )
    if load.seconds >= LOOK_EVERY_S:
        print(f"{'s':>5} {'RSS MB':>8} {'CPU %':>6}")
    caller = _start_sipp(subject.sip_port, load, folder, statistics)
    try:
        samples = _watch(subject, caller, before, began)
    finally:
        if caller.poll() is None:
            caller.terminate()
            caller.wait()
        answered_ms = times.stop() if times is not None else []
    counts = _read_statistics(statistics)
    return _result(subject.name, load, before, samples, counts, answered_ms)


def _start_sipp(port: int, load: Load, folder: Path, statistics: Path) -> subprocess.Popen[bytes]:
    limit_s = int(load.warm_up_s + load.seconds + load.call_s + 60)
    command = [
        *on_core(-1),
        *("sipp", f"127.0.0.1:{port}", "-sf", str(SCENARIO), "-s", "door", "-nostdin"),
        *("-i", "127.0.0.1", "-p", str(free_port()), "-mi", "127.0.0.1", "-ci", "127.0.0.1", "-cp", str(free_port())),
        *("-r", str(load.rate), "-m", str(load.calls), "-l", "5000", "-d", str(int(load.call_s * 1000))),
        *("-timeout", f"{limit_s}s", "-timeout_error"),
        *("-trace_stat", "-stf", str(statistics), "-fd", "1"),
        *("-trace_err", "-error_file", str(folder / "errors.log")),
    ]
    with (folder / "sipp.log").open("wb") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=folder)


def _watch(subject: Subject, caller: subprocess.Popen[bytes], before: Sample, began: float) -> list[Sample]:
    samples = [before]
    shown = before
    next_at = began
    while caller.poll() is None:
        next_at += 1.0
        time.sleep(max(0.0, next_at - time.monotonic()))
        samples.append(subject.sample(began))
        last = samples[-1]
        if last.at_s - shown.at_s >= LOOK_EVERY_S:
            share = 100 * (last.cpu_s - shown.cpu_s) / (last.at_s - shown.at_s)
            print(f"{last.at_s:5.0f} {last.rss_mb:8.1f} {share:6.1f}", flush=True)
            shown = last
    samples.append(subject.sample(began))
    return samples


def _read_statistics(path: Path) -> dict[str, int]:
    """The counts of sipp's last row."""
    if not path.exists():
        words = path.with_name("sipp.log").read_text(errors="replace")
        raise BenchmarkError(f"sipp did not start: {words[-500:]}")
    with path.open(newline="") as file:
        row = list(csv.DictReader(file, delimiter=";"))[-1]
    names = ("TotalCallCreated", "SuccessfulCall(C)", "Retransmissions(C)")
    return {name: int(row[name]) for name in names}


def _result(
    name: str, load: Load, before: Sample, samples: list[Sample], counts: dict[str, int], answered_ms: list[float]
) -> Result:
    calls = counts["TotalCallCreated"]
    p50, p99 = percentile(answered_ms, 0.50), percentile(answered_ms, 0.99)
    level = load.warm_up_s >= REMEMBERED_S
    return Result(
        subject=name,
        rate=load.rate,
        calls=calls,
        # A call that sipp never placed, or never finished, because its time was up, has failed as well.
        failed=load.calls - counts["SuccessfulCall(C)"],
        retransmissions=counts["Retransmissions(C)"],
        cpu_s_per_1000_calls=round(1000 * (samples[-1].cpu_s - before.cpu_s) / max(calls, 1), 3),
        core_wait_percent=round(100 * (samples[-1].waited_s - before.waited_s) / max(samples[-1].at_s, 1e-9), 2),
        rss_mb_start=round(before.rss_mb, 1),
        rss_mb_end=round(samples[-1].rss_mb, 1),
        rss_mb_max=round(max(sample.rss_mb for sample in samples), 1),
        rss_growth_percent=round(100 * _growth(load, samples), 2) if level else None,
        response_ms_p50=None if p50 is None else round(p50, 2),
        response_ms_p99=None if p99 is None else round(p99, 2),
    )


def _growth(load: Load, samples: list[Sample]) -> float:
    """Mean memory of the last quarter against the second, as a share of it."""
    quarter_s = load.seconds / 4

    def mean(number: int) -> float:
        start_s = load.warm_up_s + number * quarter_s
        found = [sample.rss_mb for sample in samples if start_s <= sample.at_s < start_s + quarter_s]
        return sum(found) / len(found) if found else samples[-1].rss_mb

    return mean(3) / mean(1) - 1.0


def show(result: Result) -> None:
    """The result as a table."""
    for key, value in asdict(result).items():
        print(f"  {key:<22} {'-' if value is None else value:>12}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=100, help="calls a second (100)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to measure (60)")
    parser.add_argument(
        "--warm-up",
        type=float,
        default=WARM_UP_S,
        help=f"seconds of load before; under {REMEMBERED_S:g}, memory is not judged ({WARM_UP_S:g})",
    )
    parser.add_argument("--calls", type=int, default=0, help="instead of --seconds: so many calls after the warm-up")
    parser.add_argument("--call-s", type=float, default=1.0, help="length of a call; 0 hangs up at once (1)")
    parser.add_argument(
        "--audio", choices=["none", "both"], default="none", help="none: signalling only; both: RTP as well (none)"
    )
    parser.add_argument("--log-level", default="info", help="the node's log level (info)")
    parser.add_argument(
        "--vs-baresip", type=int, metavar="RATE", default=0, help="then call baresip this often, for comparison"
    )
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    load = Load(args.rate, args.calls / args.rate or args.seconds, args.warm_up, args.call_s)
    try:
        need("sipp")
        with tempfile.TemporaryDirectory(prefix="sip-load-") as scratch:
            node = start_node(Path(scratch) / "node", audio=args.audio, log_level=args.log_level)
            try:
                result = run_load(node, load, Path(scratch) / "load")
            finally:
                node.stop()
            show(result)
            ratio = _against_baresip(args, load, result, Path(scratch)) if args.vs_baresip else {}
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 2
    complaints = result.complaints()
    for complaint in complaints:
        print(f"NOT CLEAN: {complaint}")
    print(json.dumps({**asdict(result), **ratio, "ok": not complaints}))
    return 1 if complaints else 0


def _against_baresip(args: argparse.Namespace, load: Load, result: Result, folder: Path) -> dict[str, float | bool]:
    """The same load at baresip's own rate; how many times its processor time a call costs here."""
    baresip = start_baresip(folder / "baresip")
    try:
        other = run_load(
            baresip, Load(args.vs_baresip, load.seconds, load.warm_up_s, load.call_s), folder / "baresip-load"
        )
    finally:
        baresip.stop()
    show(other)
    ratio = round(result.cpu_s_per_1000_calls / max(other.cpu_s_per_1000_calls, 1e-9), 2)
    print(f"  A call here costs {ratio} times the processor time of one of baresip's.")
    return {
        "baresip_cpu_s_per_1000_calls": other.cpu_s_per_1000_calls,
        "baresip_clean": other.clean,
        "cpu_ratio_to_baresip": ratio,
    }


if __name__ == "__main__":
    sys.exit(main())
