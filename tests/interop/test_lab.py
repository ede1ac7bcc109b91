"""The laboratory itself: a registrar that dies, freezes and comes back when it is told to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.certificates import Authority
from tests.support.peers.kamailio import Kamailio
from tests.support.running import running

pytestmark = pytest.mark.interop


def test_the_registrar_starts_knows_nobody_and_comes_back(tmp_path: Path) -> None:
    certificate = Authority(tmp_path / "ca").issue("localhost", "127.0.0.1")

    async def play() -> None:
        async with running(Kamailio.start(tmp_path / "pbx", certificate=certificate)) as pbx:
            assert await pbx.contacts("bob") == []
            pbx.kill()
            assert await pbx.process.wait() != 0
            await pbx.again()
            pbx.freeze()
            pbx.thaw()
            assert await pbx.contacts("bob") == []

    run_test(play())
