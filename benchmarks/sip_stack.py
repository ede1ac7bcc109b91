"""What the SIP stack does on one core: messages read, calls answered: `python benchmarks/sip_stack.py --help`.

Prints a table with baresip, measured in the same run, and figures of other programs, quoted. The last line is JSON.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import tempfile
from pathlib import Path

from clean_rate import Search, find_clean_rate
from parse_rate import ParseRates, measure
from subjects import BenchmarkError, need, start_baresip, start_node

SIGNALLING_RATES = (100, 200, 400, 600, 800, 1000, 1200)
AUDIO_RATES = (50, 100, 150, 200, 300, 400)
TIMED_AT = 400
# Measured earlier on such a machine (two cores, sipp on the other one, calls of one second, medians of three):
# clean calls/s, CPU s per 1,000 calls, INVITE to 200 p99 in ms.
QUOTED_CALLS = (
    ("pjsua 2.17, with RTP", "1,000", "0.8 to 1.2", "0.9"),
    ("Asterisk 22, no RTP", "400", "1.6", "1.6"),
    ("aiosip, no RTP", "200", "1.3", "2.6"),
    ("baresip 1.0.0, with RTP", "100", "3 to 5", "1.1"),
    ("pyVoIP 1.6.8", "5", "12.5", "1,016"),
)
# Messages/s of a 1,030-byte INVITE with SDP: header fields only, and everything.
QUOTED_PARSERS = (("libosip2 (C)", "169k to 180k", "124k to 135k"), ("aiosip (loses data)", "43k", "-"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["parse", "calls"], help="leave out the other half")
    args = parser.parse_args()
    figures: dict[str, float | int | None] = {}
    try:
        if args.only != "calls":
            rates = measure()
            _show_parser(rates)
            figures |= {"parse_full_per_s": rates.parse_full_per_s, "parse_routing_per_s": rates.parse_routing_per_s}
        if args.only != "parse":
            need("sipp")
            with tempfile.TemporaryDirectory(prefix="sip-stack-") as scratch:
                figures |= _calls(Path(scratch))
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(figures))
    return 0


def _show_parser(rates: ParseRates) -> None:
    print(f"\nINVITE with SDP, {rates.message_bytes} bytes, messages per second of one core")
    print(f"  {'':<24} {'routing only':>14} {'everything':>14}")
    print(f"  {'voipnode':<24} {rates.parse_routing_per_s:>14,} {rates.parse_full_per_s:>14,}")
    for name, routing, full in QUOTED_PARSERS:
        print(f"  {name:<24} {routing:>14} {full:>14}   quoted")
    print(flush=True)


def _calls(folder: Path) -> dict[str, float | int | None]:
    signalling = functools.partial(start_node, audio="none", log_level="info")
    with_audio = functools.partial(start_node, audio="both", log_level="info")
    node = find_clean_rate(signalling, SIGNALLING_RATES, folder / "node", timed_at=TIMED_AT)
    sound = find_clean_rate(with_audio, AUDIO_RATES, folder / "node-audio", timed_at=50)
    baresip = find_clean_rate(start_baresip, AUDIO_RATES, folder / "baresip", timed_at=50)
    print("\nCalls of one second, answered at once; clean: no failure, nothing repeated")
    print(f"  {'':<24} {'clean calls/s':>14} {'CPU s / 1,000':>14} {'at calls/s':>11} {'p50 ms':>8} {'p99 ms':>8}")
    _show_calls("voipnode, no RTP", node, TIMED_AT)
    _show_calls("voipnode, with RTP", sound, 50)
    _show_calls("baresip, with RTP", baresip, 50)
    for name, clean, cpu, p99 in QUOTED_CALLS:
        print(f"  {name:<24} {clean:>14} {cpu:>14} {'':>11} {'':>8} {p99:>8}   quoted")
    at_400 = node.results.get(TIMED_AT)
    return {
        "clean_calls_per_s": node.highest,
        "cpu_s_per_1000_calls": at_400.cpu_s_per_1000_calls if at_400 else None,
        "p99_ms_at_400": at_400.response_ms_p99 if at_400 else None,
        "clean_calls_per_s_with_rtp": sound.highest,
        "baresip_clean_calls_per_s": baresip.highest,
    }


def _show_calls(name: str, search: Search, rate: int) -> None:
    result = search.results.get(rate)
    if result is None:
        print(f"  {name:<24} {search.highest:>14}")
        return
    p50, p99 = (f"{ms:.1f}" if ms is not None else "-" for ms in (result.response_ms_p50, result.response_ms_p99))
    print(f"  {name:<24} {search.highest:>14} {result.cpu_s_per_1000_calls:>14} {rate:>11} {p50:>8} {p99:>8}")


if __name__ == "__main__":
    sys.exit(main())
