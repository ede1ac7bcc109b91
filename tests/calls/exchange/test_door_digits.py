"""Digits of extensions that stand at the door, or look out of it: told, and acting where the extension may open."""

from __future__ import annotations

import pytest

from tests.support.exchange import part, passes, registered
from tests.support.extensions import Telephone, extension
from tests.support.switchboard import Switchboard
from voipnode.calls.exchange.service_settings import ConferenceSettings
from voipnode.calls.exchange.settings import SwitchSettings
from voipnode.sipstack import events as sip

PLAN = SwitchSettings(
    dial_plan=("600 -> conference house", "601 -> conference office", "700 -> page", "99 -> look out"),
    conferences=(ConferenceSettings(name="house", with_door=True), ConferenceSettings(name="office")),
)
HOST = "192.168.1.21"


def presses(dialled: str, *, opens: bool) -> tuple[Switchboard, Telephone]:
    """Extension 101 dials that, and presses 5."""
    board = Switchboard(extensions=(extension("101", opens=opens),), switching=PLAN)
    anna = registered(board, "101", HOST)
    anna.call_as(dialled)
    passes(board, 0.5)
    assert len(anna.of(sip.CallAnswered)) == 1
    anna.endpoint.info(anna.session, "application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", board.wire.now)
    passes(board, 0.5)
    return board, anna


@pytest.mark.parametrize("dialled", ["600", "700", "99"])
@pytest.mark.parametrize("opens", [True, False])
def test_at_the_door_they_act_for_who_may_open(dialled: str, opens: bool) -> None:
    board, anna = presses(dialled, opens=opens)
    assert [(event.digit, event.account, event.authorised) for event in board.digits] == [("5", "extension 101", opens)]
    part(board, anna)


def test_elsewhere_they_are_nobodys() -> None:
    board, anna = presses("601", opens=True)
    assert board.digits == []
    part(board, anna)
