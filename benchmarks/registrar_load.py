"""The node as registrar of a thousand extensions, beside Kamailio: `python benchmarks/registrar_load.py --help`.

How long a node with so many extensions takes to start, how many REGISTERs with digest it answers in a second, and what
a thousand of them cost, in the same run as Kamailio with one worker where that is installed. The telephones are on the
other core. The last line of the output is JSON. Exit code 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from registering import FIRST, PASSWORD
from subjects import BenchmarkError, Sample, Subject, free_port, on_core, start_node, start_program

HERE = Path(__file__).parent
# A thousand that refresh every minute are 17 a second; they should cost no more than a tenth of a core.
CPU_GOAL_S, START_GOAL_S = 6.0, 5.0
EXTENSION = '[[extensions]]\nnumber = "{number}"\npassword = "{password}"\n'
KAMAILIO = """\
#!KAMAILIO
children=1
log_stderror=yes
debug=0
disable_tcp=yes
auto_aliases=no
listen=udp:127.0.0.1:{port}
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/:/usr/lib/aarch64-linux-gnu/kamailio/modules/"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "xlog.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("auth", "nonce_expire", 300)
modparam("auth", "qop", "auth")
modparam("auth", "nonce_count", 1)
modparam("registrar", "max_expires", 3600)
modparam("usrloc", "db_mode", 0)
request_route {{
  if (!pv_www_authenticate("voipnode", "{password}", "0")) {{
    www_challenge("voipnode", "1");
    exit;
  }}
  save("location");
  exit;
}}
event_route[core:worker-one-init] {{
  xlog("L_ALERT", "this registrar is ready\\n");
}}
"""


@dataclass(frozen=True, slots=True)
class Result:
    """What one registrar did. `cpu_s`: processor seconds of a thousand REGISTERs; `rss_mb`: with all registered."""

    first_per_s: float
    refreshes_per_s: float
    first_cpu_s: float
    cpu_s: float
    rss_mb: float
    repeated: int


def start_kamailio(folder: Path) -> Subject:
    folder.mkdir(parents=True)
    port = free_port()
    (folder / "kamailio.cfg").write_text(KAMAILIO.format(port=port, password=PASSWORD))
    run = str(folder)
    command = ["kamailio", "-f", str(folder / "kamailio.cfg"), "-DD", "-E", "-w", run, "-Y", run, "-m", "64", "-M", "8"]
    return start_program("kamailio", command, port, folder / "output.log").wait_for("this registrar is ready")


def load(subject: Subject, args: argparse.Namespace) -> Result:
    """Have all register, and refresh so many times."""
    command = [
        *(*on_core(-1), sys.executable, str(HERE / "registering.py"), "--port", str(subject.sip_port)),
        *("--count", str(args.count), "--rounds", str(args.rounds)),
    ]
    samples = [sample_all(subject)]
    last = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as telephones:
        assert telephones.stdout is not None
        for line in telephones.stdout:
            last = line.strip()
            if last in ("registered", "refreshed"):
                samples.append(sample_all(subject))
    if telephones.returncode or len(samples) < 3:
        raise BenchmarkError(f"the telephones ended with {telephones.returncode}")
    begun, registered, refreshed = samples
    found = json.loads(last)
    return Result(
        round(found["first_per_s"]),
        round(found["refreshes_per_s"]),
        round(1000 * (registered.cpu_s - begun.cpu_s) / args.count, 3),
        round(1000 * (refreshed.cpu_s - registered.cpu_s) / (args.count * args.rounds), 3),
        round(refreshed.rss_mb),
        found["repeated"],
    )


def sample_all(subject: Subject) -> Sample:
    """What the program and those that it has begun have used so far (proc(5)); memory is the program's own."""
    own = subject.sample(0.0)
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if fields[1] == str(subject.pid):
            ticks += int(fields[11]) + int(fields[12])
    cpu_s = own.cpu_s + ticks / os.sysconf("SC_CLK_TCK")
    return Sample(own.at_s, own.rss_mb, cpu_s, own.waited_s, own.stolen_s)


def show(name: str, result: Result) -> None:
    print(
        f"  {name:<10} {result.first_per_s:>10.0f} {result.refreshes_per_s:>12.0f} {result.first_cpu_s:>16.3f}"
        f" {result.cpu_s:>16.3f} {result.rss_mb:>8.0f} {result.repeated:>9}",
        flush=True,
    )


def measure(folder: Path, args: argparse.Namespace) -> dict[str, float]:
    def started(name: str, more: str) -> tuple[Subject, float]:
        began = time.monotonic()
        node = start_node(folder / name, audio="none", log_level="warning", more=more)
        return node, time.monotonic() - began

    node, empty_s = started("empty", "")
    node.stop()
    extensions = "".join(EXTENSION.format(number=FIRST + n, password=PASSWORD) for n in range(args.count))
    node, full_s = started("full", extensions)
    try:
        ours = load(node, args)
    finally:
        node.stop()
    began = time.monotonic()
    again = start_program("voipnode", _command(folder / "full"), node.sip_port, folder / "full" / "again.log").wait_for(
        "is running"
    )
    restored_s = time.monotonic() - began
    again.stop()
    print(
        f"start with {args.count} extensions: {full_s:.2f} s, with all registered {restored_s:.2f} s, with none"
        f" {empty_s:.2f} s"
    )
    print(f"\n{args.count} users with digest over UDP, {args.rounds} refreshes each")
    print(
        f"  {'':<10} {'first/s':>10} {'refreshes/s':>12} {'CPU s/1000 first':>16} {'/1000 refreshes':>16} {'MB':>8}"
        f" {'repeated':>9}"
    )
    show("voipnode", ours)
    figures: dict[str, float] = {
        "start_s": round(full_s, 2),
        "start_restored_s": round(restored_s, 2),
        "start_without_s": round(empty_s, 2),
        "registers_per_s": ours.refreshes_per_s,
        "cpu_s_per_1000": ours.cpu_s,
        "first_per_s": ours.first_per_s,
        "first_cpu_s_per_1000": ours.first_cpu_s,
    }
    if shutil.which("kamailio") is None:
        print("  kamailio is not installed (Debian: kamailio)")
        return figures
    kamailio = start_kamailio(folder / "kamailio")
    try:
        theirs = load(kamailio, args)
    finally:
        kamailio.stop()
    show("Kamailio", theirs)
    figures["kamailio_registers_per_s"], figures["kamailio_cpu_s_per_1000"] = theirs.refreshes_per_s, theirs.cpu_s
    return figures


def _command(folder: Path) -> list[str]:
    settings = ("--settings", str(folder / "voipnode.toml"), "--state-dir", str(folder / "state"))
    return [sys.executable, "-m", "voipnode", "run", *settings]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="extensions")
    parser.add_argument("--rounds", type=int, default=5, help="refreshes of each")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        try:
            figures = measure(Path(name), args)
        except BenchmarkError as error:
            print(f"benchmark: {error}", file=sys.stderr)
            return 2
    missed = []
    if figures["cpu_s_per_1000"] > CPU_GOAL_S:
        missed.append(f"1,000 refreshes take {figures['cpu_s_per_1000']} s of a core; {CPU_GOAL_S} are right")
    if figures["start_s"] - figures["start_without_s"] > START_GOAL_S:
        missed.append(f"{args.count} extensions make the start longer by more than {START_GOAL_S} s")
    for words in missed:
        print(f"missed: {words}")
    print(json.dumps(figures))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
