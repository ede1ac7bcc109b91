"""What is heard behind bad networks, and with how much delay: `python benchmarks/listening.py --help`.

Real speech in PCMU through a network of ours (loss, bursts, jitter, reordering; seeded) to programs that send back what
they play: the node, and baresip beside it over the same network. PESQ of what came back, and the delay that the program
added between the arrival of a packet and the packet that returns it. The last line of the output is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import PIPE, run

import numpy as np

# What tests know of speech and networks is beside this folder, and not installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from echo_call import PACKET_S, RATE, EchoCall
from echoing_subjects import start_echoing_baresip, start_echoing_node
from subjects import BenchmarkError, Subject, on_core

from tests.support.fidelity import mean_opinion
from tests.support.listening import NETWORKS, Sound, find_lag, level, listen
from tests.support.speech import longest, voices

SPEECH_S, SHORT_S = 40.0, 16.0
AT_A_TIME = 2  # calls: more, and programs that start beside them make the machine the worse network
DRIFT, DRIFT_S = 200e-6, 180.0  # the last 40 s are rated
ROWS = ("clean", "loss1", "loss5", "loss10", "burst5", "jitter10", "jitter30", "jitter60", "jitter80", "reorder2")
JSON_ROWS = ("clean", "loss5", "loss10", "burst5", "jitter30", "jitter80", "reorder2")
SUBJECTS = {"voipnode": start_echoing_node, "baresip": start_echoing_baresip}
# Measured earlier on such a machine, 40 s of speech: ms / PESQ of what was played; the best that PCMU allowed was 3.87.
QUOTED = {
    "clean": ("20 / 3.87", "70 / 3.87", "60 / 3.87"),
    "loss1": ("17 / 3.63", "56 / 3.48", "60 / 3.45"),
    "loss5": ("24 / 3.09", "52 / 2.64", "60 / 2.45"),
    "loss10": ("23 / 2.63", "54 / 2.08", "40 / 1.90"),
    "burst5": ("13 / 2.91", "36 / 3.00", "40 / 2.65"),
    "jitter10": ("44 / 3.87", "77 / 3.87", "64 / 3.87"),
    "jitter30": ("102 / 3.69", "108 / 3.74", "115 / 3.87"),
    "jitter60": ("164 / 3.64", "168 / 3.66", "145 / 3.67"),
    "jitter80": ("193 / 3.46", "242 / 3.62", "136 / 3.19"),
    "reorder2": ("22 / 3.27", "77 / 3.87", "60 / 3.87"),
}


@dataclass(frozen=True, slots=True)
class Heard:
    """PESQ and added delay of one call."""

    pesq: float
    delay_ms: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="16 s of speech, and only the rows of the JSON line")
    parser.add_argument(
        "--offline", action="store_true", help="in virtual time, without sockets; all voices, two seeds"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--voice", type=int, default=0, help="which of the installed voices")
    parser.add_argument("--one", metavar="PORT:ROW:SECONDS", help=argparse.SUPPRESS)
    args = parser.parse_args()
    try:
        if args.one:
            port, row, seconds = args.one.split(":")
            print(json.dumps(asdict(_call(int(port), row, float(seconds), args.voice, args.seed))))
        elif args.offline:
            _offline(args.seed)
        else:
            rows = JSON_ROWS if args.short else ROWS
            tables = measure(rows, SHORT_S if args.short else SPEECH_S, seed=args.seed, voice=args.voice)
            print_table(tables, rows)
            print(json.dumps(figures(tables["voipnode"])))
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def measure(
    rows: Sequence[str] = JSON_ROWS,
    seconds: float = SHORT_S,
    *,
    subjects: Sequence[str] = tuple(SUBJECTS),
    seed: int = 1,
    voice: int = 0,
) -> dict[str, dict[str, Heard]]:
    """Each subject's figures of each row; one call to a process of its own for each, two at a time.

    Raises `BenchmarkError`, saying what is missing.
    """
    if len(voices()) <= voice:
        raise BenchmarkError("no real speech here (Debian: asterisk-core-sounds-en-g722)")
    return {name: _measure_one(name, rows, seconds, seed, voice) for name in subjects}


def figures(heard: dict[str, Heard]) -> dict[str, float]:
    """As the JSON line of a benchmark names them."""
    named = {f"pesq_{row}": round(one.pesq, 2) for row, one in heard.items()}
    return named | {f"delay_ms_{row}": round(one.delay_ms, 1) for row, one in heard.items()}


def print_table(tables: dict[str, dict[str, Heard]], rows: Sequence[str]) -> None:
    names = list(tables)
    print("Delay added in ms / PESQ. The right half is quoted: measured earlier on such a machine, of one direction.")
    print("| network | " + " | ".join([*names, "pjsua", "linphone", "Asterisk"]) + " |")
    print("|---" * (len(names) + 4) + "|")
    for row in rows:
        own = [f"{tables[name][row].delay_ms:.0f} / {tables[name][row].pesq:.2f}" for name in names]
        print("| " + " | ".join([row, *own, *QUOTED[row]]) + " |")


def _measure_one(name: str, rows: Sequence[str], seconds: float, seed: int, voice: int) -> dict[str, Heard]:
    def call(row: str, subject: Subject) -> Heard:
        # A process of its own for the caller: it shall be punctual.
        command = [sys.executable, __file__, "--one", f"{subject.sip_port}:{row}:{seconds}"]
        options = ["--seed", str(seed), "--voice", str(voice)]
        done = run([*on_core(1), *command, *options], stdout=PIPE, text=True, check=False)
        if done.returncode:
            raise BenchmarkError(f"{name}, {row}: the call failed")
        return Heard(**json.loads(done.stdout.splitlines()[-1]))

    heard: dict[str, Heard] = {}
    for begin in range(0, len(rows), AT_A_TIME):
        some = rows[begin : begin + AT_A_TIME]
        with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
            subjects = []
            for row in some:
                subjects.append(SUBJECTS[name](Path(folder) / row))
                running.callback(subjects[-1].stop)
            with ThreadPoolExecutor(AT_A_TIME) as pool:
                heard |= zip(some, pool.map(call, some, subjects), strict=True)
    return heard


def _speech(seconds: float, voice: int) -> Sound:
    return level(longest(voices()[voice], seconds, RATE))


def _call(port: int, row: str, seconds: float, voice: int, seed: int) -> Heard:
    said, network = _speech(seconds, voice), NETWORKS[row]
    call = EchoCall(port)
    call.talk(said, network, seed)
    # What came back is laid out from the moment at which the first sample was said.
    shift = round(call.begin_s * RATE)
    heard = call.heard[-shift:] if shift < 0 else np.concatenate((np.zeros(shift, np.float32), call.heard))
    lag = find_lag(said, heard)
    delay_ms = 1000 * (lag / RATE - PACKET_S - network.delay_s)
    return Heard(mean_opinion(said[: len(heard) - lag], heard[lag : lag + len(said)], RATE), delay_ms)


def _offline(seed: int) -> None:
    names = [voice.name for voice in voices()]
    print("| network | " + " | ".join(names) + " | delay ms |")
    print("|---" * (len(names) + 2) + "|")
    for row, network in NETWORKS.items():
        results = [[listen(_speech(SPEECH_S, voice), network, seed + n) for n in (0, 1)] for voice in range(len(names))]
        opinions = [f"{sum(one.opinion for one in two) / 2:.2f}" for two in results]
        delays = [one.delay_ms for two in results for one in two]
        print("| " + " | ".join([row, *opinions, f"{sum(delays) / len(delays):.0f}"]) + " |", flush=True)
    for drift in (-DRIFT, DRIFT):
        heard = [listen(_speech(DRIFT_S, n), NETWORKS["clean"], seed, drift=drift) for n in range(len(names))]
        opinions = [f"{one.opinion:.2f}" for one in heard]
        delay_ms = sum(one.delay_ms for one in heard) / len(heard)
        print("| " + " | ".join([f"{drift * 1e6:+.0f} ppm", *opinions, f"{delay_ms:.0f}"]) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
