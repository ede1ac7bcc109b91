"""Pictures of a case: ERLE over time of everybody, and what came out of each as a spectrogram."""

from __future__ import annotations

from pathlib import Path

import dsp_measures as measures
import matplotlib as mpl
import numpy as np
from dsp_cases import Call, Case
from dsp_signals import Sound, active

mpl.use("agg")
import matplotlib.pyplot as plt

LOUDEST_DB, SOFTEST_DB = -40.0, -110.0
NAMES = {"far": "far end alone", "changed": "path changed", "both": "both", "after": "after", "near": "near end alone"}
COLOURS = {"ours": "C0", "linear": "C9", "speex": "C1", "speex_mdf": "C8", "aec3": "C3"}


def plot_case(case: Case, which: str, call: Call, outs: dict[str, Sound], folder: Path) -> Path:
    """One PNG; `outs` are moved back by each subject's delay."""
    rows = {"microphone": call.near, "near end": call.clean} | {n: o for n, o in outs.items() if n != "none"}
    figure, axes = plt.subplots(
        len(rows) + 1, 1, sharex=True, figsize=(13, 2.0 * len(rows) + 3), layout="constrained",
        height_ratios=[2.0] + [1.0] * len(rows),
    )  # fmt: skip
    _erle(axes[0], case, call, outs)
    for ax, (name, sound) in zip(axes[1:], rows.items(), strict=True):
        _, _, _, image = ax.specgram(
            sound + 1e-9, NFFT=512, noverlap=256, Fs=case.rate_hz, vmin=SOFTEST_DB, vmax=LOUDEST_DB, cmap="magma"
        )
        ax.set_ylabel(f"{name}\nHz")
    figure.colorbar(image, ax=axes[1:], label="dB", pad=0.01)
    axes[-1].set(xlabel="seconds", xlim=(0, len(call.near) / case.rate_hz))
    figure.suptitle(f"{case.name}, {which}: {_words(case)}")
    path = folder / f"{case.name}-{which}.png"
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=70)
    plt.close(figure)
    return path


def _erle(ax: plt.Axes, case: Case, call: Call, outs: dict[str, Sound]) -> None:
    loud = active(call.echo, case.rate_hz)
    for name, out in outs.items():
        if name == "none":
            continue
        over_time = measures.erle_over_time(call.echo, out, loud, case.rate_hz)
        ax.plot(np.arange(1, len(over_time) + 1) / 100, over_time, label=name, color=COLOURS.get(name), lw=1)
    for part, where in call.parts.items():
        ax.axvline(where.start / case.rate_hz, color="0.6", lw=0.8)
        ax.text(where.start / case.rate_hz + 0.1, 61, NAMES[part], fontsize=9, va="top")
    both = call.parts["both"]
    ax.axvspan(both.start / case.rate_hz, both.stop / case.rate_hz, color="0.92")
    ax.axhline(20, color="0.6", ls=":", lw=0.8)
    ax.set(ylim=(-15, 62), ylabel="echo over output, dB")
    ax.legend(loc="lower right", ncols=5, fontsize=9)


def _words(case: Case) -> str:
    words = [f"RT60 {case.rt60_s:g} s", f"delay {case.delay_ms:g} ms", f"{case.rate_hz // 1000} kHz"]
    words += [f"clipping at {case.knee:g} of the peak"] if case.knee else []
    words += [f"drift {case.drift_ppm:+g} ppm"] if case.drift_ppm else []
    words += [f"street noise {case.snr_db:g} dB below speech"] if case.snr_db is not None else []
    words += [f"then {case.jumps_ms:g} ms later"] if case.jumps_ms else []
    return ", ".join(words)
