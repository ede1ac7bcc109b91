"""The sound pipeline beside its peers, in one run: `make bench-dsp`, or `python benchmarks/dsp.py --help`.

Echo and noise at a door, of the tuned and of the held-out set, processor time, and keys beside spandsp; the last line
is JSON with the held-out set's figures. `dsp_cases.py` and `dsp_noise.py` do a part of it, for whoever tunes.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path

import dsp_cases as cases
import dsp_noise as noises
from dsp_cases import CASES, GROUPS, SETS, Figures, medians
from dsp_cost import AT_ONCE, cost, crowd_us
from dsp_keys import print_keys
from dsp_noise import NOISES, SNR_DB, Gain
from dsp_signals import Sound
from dsp_subjects import available
from dsp_table import json_line, print_table

ECHO_SUBJECTS = ("none", "linear", "ours", "speex_mdf", "speex", "aec3")
NOISE_SUBJECTS = ("none", "ours", "speex", "speex25", "webrtc2", "rnnoise")
COST_SUBJECTS = ("ours_all", "linear", "speex", "aec3")
NAMED = {"ours_all": "ours"}  # in the table
WORKERS = 2

EchoRow = dict[str, Figures]
NoiseRow = dict[str, Gain]
Numbers = dict[str, dict[str, float]]  # of each subject


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2, help="of each case: other rooms, sentences, noise (2)")
    parser.add_argument("--plots", type=Path, default=Path("build/bench-dsp"), help="folder for a picture of each case")
    parser.add_argument("--no-plots", action="store_true")
    parser.add_argument("--no-keys", action="store_true", help="leave out DTMF")
    options = parser.parse_args()
    folder, begun = None if options.no_plots else options.plots, time.monotonic()
    names = available(list(dict.fromkeys(ECHO_SUBJECTS + NOISE_SUBJECTS + COST_SUBJECTS)))
    os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")  # of each of the processes below
    context = multiprocessing.get_context("spawn")  # WebRTC's threads do not survive a fork
    with ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
        costs = pool.submit(cost, [name for name in COST_SUBJECTS if name in names]).result()
        crowd = pool.submit(crowd_us, "ours_all").result()
        numbers = {which: _measure(pool, which, names, options.draws, folder) for which in SETS}
    for which, found in numbers.items():
        for name, one in costs.items():
            found[NAMED.get(name, name)] |= {"frame_us_median": one.median_us, "frame_us_p99": one.p99_us}
        print_table(which, found)
    print(
        f"\n{AT_ONCE} calls in turn: {crowd:.0f} µs of processor time for 10 ms of each: {1e4 / crowd:.0f} on a core."
    )
    if not options.no_keys:
        print_keys()
    print(f"\n{time.monotonic() - begun:.0f} s" + (f"; pictures are in {folder}" if folder else ""))
    print(json.dumps(json_line(numbers["held-out"])))
    return 0


def _measure(pool: Executor, which: str, names: list[str], draws: int, folder: Path | None) -> Numbers:
    """All of a set: prints its cases and returns each subject's medians and means."""
    echo_names = [name for name in ECHO_SUBJECTS if name in names]
    noise_names = [name for name in NOISE_SUBJECTS if name in names]
    each_case = list(product(range(len(CASES)), range(draws)))
    each_noise = list(product(NOISES, SNR_DB, range(draws)))
    echo_rows = pool.map(partial(_echo_job, echo_names, which, folder), each_case)
    noise_rows = pool.map(partial(_noise_job, noise_names, which), each_noise)
    numbers = _echo(which, echo_names, each_case, list(echo_rows))
    for name, one in _noise(which, noise_names, each_noise, list(noise_rows)).items():
        numbers.setdefault(name, {}).update(one)
    return numbers


def _echo_job(names: list[str], which: str, folder: Path | None, job: tuple[int, int]) -> EchoRow:
    case, draw = CASES[job[0]], job[1]
    call, row, outs = cases.make_call(case, which, draw), {}, dict[str, Sound]()
    for name in names:
        row[name], outs[name] = cases.rate_call(name, case, call)
    if folder and draw == 0:
        from dsp_plots import plot_case  # matplotlib takes a second, and is not needed for figures

        plot_case(case, which, call, outs, folder)
    return row


def _noise_job(names: list[str], which: str, job: tuple[str, int, int]) -> NoiseRow:
    noise, snr_db, draw = job
    return noises.rate_noisy(names, noise, snr_db, which, draw)


def _echo(which: str, names: list[str], jobs: list[tuple[int, int]], rows: list[EchoRow]) -> Numbers:
    print(f"\nEcho, {which} set; median of each case's draws\n{cases.HEAD}")
    for index, case in enumerate(CASES):
        some = [row for (at, _), row in zip(jobs, rows, strict=True) if at == index]
        for name in names:
            print(cases.line(case.name, name, medians(row[name] for row in some)))
    grouped = {
        (group, name): [row[name] for (at, _), row in zip(jobs, rows, strict=True) if CASES[at].group == group]
        for group in GROUPS
        for name in names
    }
    for (group, name), figures in grouped.items():
        print(cases.line(f"median, {group}", name, medians(figures)))

    def of_case(name: str, wanted: str) -> Figures:
        return medians(row[name] for (at, _), row in zip(jobs, rows, strict=True) if CASES[at].name == wanted)

    numbers: Numbers = {}
    for name in names:
        middle = medians(grouped["echo", name])
        numbers[name] = {
            "erle_db": middle.erle_db,
            "erle_after_double_talk_db": middle.erle_after_double_talk_db,
            "pesq_double_talk": middle.pesq_double_talk,
            "stoi_double_talk": middle.stoi_double_talk,
            "seconds_to_20_db": middle.seconds_to_20_db,
            "drift100_erle_db": of_case(name, "drift100").erle_db,
            "path_change_seconds": of_case(name, "change").path_change_seconds,
            "jump_seconds": of_case(name, "jump").path_change_seconds,
            "near_end_pesq": middle.near_end_pesq,
        }
    return numbers


def _noise(which: str, names: list[str], jobs: list[tuple[str, int, int]], rows: list[NoiseRow]) -> Numbers:
    print(f"\nNoise, {which} set; mean over SNR {SNR_DB[0]} to {SNR_DB[-1]} dB\n{noises.HEAD}")
    numbers: Numbers = {}
    for noise in NOISES:
        some = [row for (kind, _, _), row in zip(jobs, rows, strict=True) if kind == noise]
        for name in names:
            print(noises.line(noise, name, noises.mean(row[name] for row in some)))
    for name in names:
        all_of_it = noises.mean(row[name] for row in rows)
        print(noises.line("mean", name, all_of_it))
        numbers[name] = {"noise_pesq_gain": all_of_it.pesq_gain, "noise_stoi_gain": all_of_it.stoi_gain}
    return numbers


if __name__ == "__main__":
    sys.exit(main())
