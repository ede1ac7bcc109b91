"""A router that forwards ports for who asks, one behind another router, and none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.doctor_case import found_by
from tests.support.igd_router import IgdRouter
from tests.support.running import running
from voipnode.doctor.forwarding import check_forwarding


def wanted(timeout_s: float) -> dict[str, object]:
    return {"sip": {"upnp": {"enabled": True, "timeout_s": timeout_s}}}


@pytest.mark.parametrize(("outer", "level"), [("9.9.9.9", "good"), ("192.168.1.7", "warning")])
def test_a_router_that_forwards_ports_is_told_with_its_outer_address(tmp_path: Path, outer: str, level: str) -> None:
    async def play() -> None:
        async with running(IgdRouter.start(outer)):
            (finding,) = await found_by(check_forwarding, wanted(10.0), tmp_path)
        assert finding.level == level
        assert f"outside it is {outer}" in finding.words

    run_test(play())


def test_no_router_is_told_with_what_to_do(tmp_path: Path) -> None:
    (finding,) = run_test(found_by(check_forwarding, wanted(1.0), tmp_path))
    assert finding.level == "problem"
    assert "UPnP" in finding.remedy


def test_nobody_is_asked_where_it_is_not_wanted(tmp_path: Path) -> None:
    assert run_test(found_by(check_forwarding, {}, tmp_path)) == []
