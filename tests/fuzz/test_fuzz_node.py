"""A running node under fire for VOIPNODE_FUZZ_SECONDS (4 by default); `make fuzz-node` does it for 100,000 messages."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.fuzz.attack import attack
from tests.support.aio import PATIENCE_S, run_test

pytestmark = pytest.mark.fuzz

SECONDS = float(os.environ.get("VOIPNODE_FUZZ_SECONDS", "4"))


@pytest.mark.timeout(max(300, int(SECONDS * 3)))
@pytest.mark.parametrize("networks", [["127.0.0.1/32"], ["192.0.2.0/24"]], ids=["friends", "strangers"])
def test_a_node_under_fire_keeps_its_calls(tmp_path: Path, networks: list[str]) -> None:
    seed = time.time_ns()
    work = attack(tmp_path / "node", messages=2000, every=1000, seed=seed, networks=networks, seconds=SECONDS)
    try:
        print(run_test(work, limit_s=max(3 * PATIENCE_S, SECONDS * 3)))
    except BaseException as error:
        error.add_note(f"seed {seed}")
        raise
