"""go_first: the calling thread alone, and a warning where it may not."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from voipnode.net.priority import PRIORITY, go_first


def in_a_thread(what: Callable[[], object]) -> None:
    """Run it where the test's own thread keeps its place."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(what).result()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_only_the_thread_that_asks_goes_first() -> None:
    def body() -> None:
        assert go_first()
        assert os.sched_getscheduler(0) == os.SCHED_RR | os.SCHED_RESET_ON_FORK
        assert os.sched_getparam(0).sched_priority == PRIORITY
        in_a_thread(lambda: policies.append(os.sched_getscheduler(0)))

    policies: list[int] = []
    in_a_thread(body)
    assert policies == [os.SCHED_OTHER]
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_where_it_may_not_it_says_what_is_needed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    with caplog.at_level(logging.WARNING):
        assert not go_first()
    assert "CAP_SYS_NICE" in caplog.text
