"""Calls through every pair of routers: who hears whom, by which way, and how soon after the answer.

    python benchmarks/nat_matrix.py                            the node with Chromium and with baresip, both ways round
    python benchmarks/nat_matrix.py --pairs chromium-chromium  one pair; the one named first is behind A and calls
    python benchmarks/nat_matrix.py --only "symmetric"         cases with these words in their line
    python benchmarks/nat_matrix.py --turn-dies udp tcp        the TURN server is killed in the middle of a call

Each call has a laboratory of its own (`tests/support/nat_lab.py`): Kamailio and coturn between two routers. Root,
nftables, coturn, Kamailio, baresip and Chromium are needed. The last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import datetime
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.aio import run_test
from tests.support.nat_calls import (
    BaresipTelephone,
    ChromiumTelephone,
    NodeTelephone,
    Sound,
    Telephone,
    converse,
    node_traversal,
)
from tests.support.nat_lab import Nat, Site, can_meet
from tests.support.nat_stage import ICE, TURN, Stage
from tests.support.sound import PCM_TONE_HZ, measure_tone

PAIRS = ("node-chromium", "chromium-node", "node-baresip", "baresip-node")
ALL_PAIRS = (*PAIRS, "chromium-chromium", "baresip-baresip")
CONES = (Nat.FULL_CONE, Nat.RESTRICTED, Nat.SYMMETRIC)
A_HZ, B_HZ = 440.0, PCM_TONE_HZ
ENCRYPTED = 'media_encryption = "best_effort"\n'  # a browser takes no other call
DEATH_S = 90.0  # how long what comes of a dead server is watched
LISTEN_S = 2.5
CALL_S = 45.0  # and the call has failed
TONE_HZ, TONE_DB = 1.0, 20.0  # this near and this pure, and the tone counts as heard


class Case(NamedTuple):
    """`relay`: how a TURN server is reached, "" where none is needed; `alone`: without ICE."""

    pair: str
    a: Nat
    b: Nat
    relay: str
    alone: bool = False

    def __str__(self) -> str:
        return f"{self.pair:18} {self.a.value:24} {self.b.value:24} {self.help:14}"

    @property
    def help(self) -> str:
        """The TURN server, in words."""
        return f"TURN {self.relay}{' alone' * self.alone}" if self.relay else ""


@dataclasses.dataclass
class Result:
    """What came of a case; `a_hears_db` is the purity of the tone that A heard of B, and None where it heard none."""

    case: Case
    way: str = ""
    a_hears_db: float | None = None
    b_hears_db: float | None = None
    a_first_ms: float | None = None
    b_first_ms: float | None = None
    problem: str = ""

    @property
    def good(self) -> bool:
        return not self.problem and self.a_hears_db is not None and self.b_hears_db is not None


def cases(pairs: list[str]) -> list[Case]:
    """All combinations in which the two can hear each other."""
    found = []
    for pair in pairs:
        for a in CONES:
            found += [Case(pair, a, b, _relay(pair, a, b)) for b in CONES]
        found += [Case(pair, Nat.TURN_ONLY, Nat.TURN_ONLY, "udp"), Case(pair, Nat.TURN_ONLY, Nat.TURN_ONLY, "tcp")]
        if "baresip" not in pair:  # which has TURN over UDP alone
            found += [Case(pair, Nat.NO_UDP, Nat.NO_UDP, relay) for relay in ("tcp", "tls")]
        elif "node" in pair:
            found.append(Case(pair, Nat.TURN_ONLY, Nat.TURN_ONLY, "udp", alone=True))
            sides = (Nat.NO_UDP, Nat.TURN_ONLY) if pair.startswith("node") else (Nat.TURN_ONLY, Nat.NO_UDP)
            found += [Case(pair, *sides, relay, alone=True) for relay in ("tcp", "tls")]
    return found


def _relay(pair: str, a: Nat, b: Nat) -> str:
    # baresip, which has no relay within its ICE, has no luck with a symmetric router either, whatever the other one is.
    meet = a.is_cone and b.is_cone if "baresip" in pair else can_meet(a, b)
    return "" if meet else "udp"


async def telephone(kind: str, folder: Path, stage: Stage, site: Site, case: Case, user: str, hz: float) -> Telephone:
    transport = "tcp" if site.nat is Nat.NO_UDP else "udp"
    if kind == "chromium":
        return await ChromiumTelephone.start(folder, stage, site, user=user, hz=hz, relay=case.relay)
    if kind == "baresip":
        return await BaresipTelephone.start(
            folder, stage, site, user=user, hz=hz, media=TURN if case.relay else ICE, transport=transport
        )
    help_through = node_traversal(case.relay, stage.authority.ca, ice=not case.alone)
    account = ENCRYPTED if "chromium" in case.pair else ""
    return await NodeTelephone.start(
        folder, stage, site, hz=hz, help_through=help_through, account=account, transport=transport
    )


async def play(case: Case, folder: Path) -> Result:
    stage = await Stage.open(folder, case.a, case.b)
    kinds, users = case.pair.split("-"), ["alice", "bob"]
    users = ["door" if kind == "node" else user for kind, user in zip(kinds, users, strict=True)]
    a = await telephone(kinds[0], folder, stage, stage.lab.a, case, users[0], A_HZ)
    b = await telephone(kinds[1], folder, stage, stage.lab.b, case, users[1], B_HZ)
    result = Result(case)
    try:
        async with asyncio.timeout(CALL_S):
            sounds = await converse(a, b, users[1], seconds=LISTEN_S)
        result.a_hears_db, result.b_hears_db = purity(sounds[0], b.hz), purity(sounds[1], a.hz)
        result.a_first_ms, result.b_first_ms = (round(sound.first_ms) for sound in sounds)
        result.way = ", ".join(f"{kind}: {sound.way}" for kind, sound in zip(kinds, sounds, strict=True) if sound.way)
    except (AssertionError, TimeoutError, OSError) as error:
        result.problem = " ".join(str(error).split())[:300] or type(error).__name__
        for user, one in zip(users, (a, b), strict=True):
            (folder / f"{user}.log").write_text(await one.log())
    return result


async def turn_dies(relay: str, folder: Path, *, returns: bool) -> list[str]:
    """kill -9 of the TURN server in the middle of a call that goes through it; what both sides say, and when.

    `returns`: it is started again at once, knowing nothing of its relays.
    """
    stage = await Stage.open(folder, Nat.SYMMETRIC, Nat.SYMMETRIC)
    case = Case("node-chromium", Nat.SYMMETRIC, Nat.SYMMETRIC, relay)
    node = await NodeTelephone.start(
        folder, stage, stage.lab.a, hz=A_HZ, help_through=node_traversal(relay, stage.authority.ca), account=ENCRYPTED
    )
    phone = await telephone("chromium", folder, stage, stage.lab.b, case._replace(relay=""), "bob", B_HZ)
    assert isinstance(phone, ChromiumTelephone)
    await node.call("bob")
    await phone.hear(LISTEN_S)
    way, mark, phone_mark = await node.way(), len(node.node.events), len(phone.phone.events)
    stage.turn.kill()
    killed_at = time.time()
    words = [f"TURN by {relay}, the node's way is {way}; the server is killed" + returns * " and started again"]
    if returns:
        await stage.turn_again(folder)
        with contextlib.suppress(AssertionError):
            await phone.phone.received(20)
            words.append(f"  {time.time() - killed_at:5.1f} s  Chromium has had 20 more packets of sound")
    else:
        with contextlib.suppress(AssertionError):
            await node.node.event("call.changed", state="Terminated", after=mark, seconds=DEATH_S)
        words += [f"  the call is still up after {DEATH_S} s"] * (time.time() - killed_at >= DEATH_S)
    for event in node.node.events[mark:]:
        if event["event"].startswith("call."):
            after_s = datetime.datetime.fromisoformat(event["time"]).timestamp() - killed_at
            told = {key: event[key] for key in ("state", "pair", "detail") if event.get(key)}
            words.append(f"  {after_s:5.1f} s  node: {event['event']} {told}")
    words += [f"           Chromium: {what} {detail}" for what, detail in phone.phone.events[phone_mark:]]
    return words


def purity(sound: Sound, hz: float) -> float | None:
    """The SNR of the tone in its best second, where it is the tone: what the way lets through, whatever else the
    machine had to do meanwhile."""
    size = sound.rate_hz
    starts = range(0, len(sound.samples) - size + 1, size // 4)
    tones = [measure_tone(sound.samples[at : at + size], size) for at in starts]
    best = max(tones, key=lambda tone: tone.snr_db, default=None)
    if best is None or abs(best.frequency_hz - hz) > TONE_HZ or best.snr_db < TONE_DB:
        return None
    return round(float(best.snr_db), 1)


def run(case: Case, keep: Path | None) -> Result:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if keep is None else keep / "-".join(str(case).split())
        folder.mkdir(parents=True, exist_ok=True)
        try:
            return run_test(play(case, folder))
        except (AssertionError, TimeoutError) as error:  # what should have been ready was not
            return Result(case, problem=" ".join(str(error).split())[:300] or type(error).__name__)


def show(result: Result) -> None:
    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.0f}"

    pure = f"{number(result.a_hears_db):>3} {number(result.b_hears_db):>3} dB"
    first = f"{number(result.a_first_ms):>5} {number(result.b_first_ms):>5} ms"
    print(f"{result.case} {pure}  {first}  {result.problem or result.way}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", nargs="+", choices=ALL_PAIRS, default=list(PAIRS))
    parser.add_argument("--only", default="", help="cases with these words in their line")
    parser.add_argument("--keep", type=Path, help="keep settings, recordings, and logs of failures in this folder")
    parser.add_argument("--turn-dies", nargs="+", choices=("udp", "tcp", "tls"), help="kill -9 of the TURN server")
    parser.add_argument("--and-returns", action="store_true", help="and it is started again")
    arguments = parser.parse_args()
    for relay in arguments.turn_dies or ():
        with tempfile.TemporaryDirectory() as scratch:
            words = run_test(turn_dies(relay, Path(scratch), returns=arguments.and_returns))
            print("\n".join(words), flush=True)
    if arguments.turn_dies:
        return 0
    print(f"{'A-B: A calls':18} {'behind A':24} {'behind B':24} {'by help of':14} {'A, B hear':10}  first sound")
    results = []
    for case in cases(arguments.pairs):
        if arguments.only in str(case):
            results.append(run(case, arguments.keep))
            show(results[-1])
    lines = [
        {**dataclasses.asdict(result), "case": " ".join(str(result.case).split()), "good": result.good}
        for result in results
    ]
    print(json.dumps({"good": sum(result.good for result in results), "of": len(results), "calls": lines}))
    return 0 if all(result.good for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
