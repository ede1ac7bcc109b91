"""SystemEntropy: fresh, long enough, and of the right shape."""

from __future__ import annotations

import re

from voipnode.net.entropy import SystemEntropy
from voipnode.net.loop import loop_factory, run
from voipnode.sipstack.entropy import MAGIC_COOKIE, Entropy


def test_tokens_are_fresh_and_long_and_made_of_token_characters() -> None:
    entropy: Entropy = SystemEntropy()
    for make in (entropy.call_id, entropy.tag, entropy.branch, entropy.cnonce):
        tokens = {make() for _ in range(1000)}
        assert len(tokens) == 1000
        assert all(re.fullmatch(r"[A-Za-z0-9]{16,}", token) for token in tokens)
    assert entropy.branch().startswith(MAGIC_COOKIE)


def test_bits_stay_in_range_and_use_it() -> None:
    entropy = SystemEntropy()
    numbers = [entropy.bits(16) for _ in range(2000)]
    assert 0 <= min(numbers) < 2**12
    assert 2**16 - 2**12 < max(numbers) < 2**16
    assert re.fullmatch(r"[A-Za-z0-9_-]{16}", entropy.cname())


def test_run_uses_uvloop_where_it_is_installed_and_returns_the_result() -> None:
    import asyncio

    async def main() -> str:
        return type(asyncio.get_running_loop()).__module__

    assert loop_factory() is not None
    assert run(main()).startswith("uvloop")
