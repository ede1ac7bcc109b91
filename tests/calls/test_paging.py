"""Calls that ask to be answered at once: the words for it, and whose wish counts."""

from __future__ import annotations

import pytest

from tests.support.switchboard import DOOR, Phone, Switchboard, sdp
from voipnode.calls.settings import AccountSettings, SipSettings
from voipnode.sipstack import events as sip
from voipnode.sipstack.endpoint import OutgoingInvite
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.transport import Hop
from voipnode.sipstack.uri import SipUri

TRUSTED = SipSettings(trusted_callers=("192.168.1.20",))
ANSWER_MODE = ("Answer-Mode", "Auto")


def page(board: Switchboard, *headers: tuple[str, str], host: str = "192.168.1.20") -> Phone:
    phone = board.phone("anna", host)
    assert isinstance(phone.uri, SipUri)
    target = SipUri(user="door", host=DOOR.host)
    call = OutgoingInvite(target, NameAddr(None, phone.uri), "anna", sdp(host), hop=Hop("UDP", DOOR), headers=headers)
    phone.session = phone.endpoint.invite(call, board.wire.now)
    board.wire.run(board.wire.now + 1.0)
    return phone


@pytest.mark.parametrize(
    "header",
    [
        ("Call-Info", "<sip:192.168.1.1>;answer-after=0"),
        ("Call-Info", '<sip:192.168.1.1>; answer-after="0"; x=y'),
        ("Alert-Info", "<http://127.0.0.1>;info=alert-autoanswer"),
        ("Alert-Info", '<http://127.0.0.1>;info="Auto Answer"'),
        ("Alert-Info", "<sip:pbx>;answer-after=0"),
        ("Alert-Info", "Ring Answer"),
        ANSWER_MODE,
        ("Answer-Mode", "auto;require"),
        ("Priv-Answer-Mode", "Auto"),
    ],
)
def test_a_trusted_caller_is_answered_at_once(header: tuple[str, str]) -> None:
    board = Switchboard(settings=TRUSTED)
    phone = page(board, header)
    assert board.states == ["Ringing", "Active"]
    assert phone.of(sip.CallAnswered)
    told = b"\r\nAnswer-Mode: Auto\r\n" in board.wire.ladder.pick("200 INVITE")[0].data
    assert told is header[0].endswith("Answer-Mode")


@pytest.mark.parametrize(
    "header",
    [
        ("Call-Info", "<sip:192.168.1.1>;answer-after=5"),
        ("Call-Info", "<http://x/?;answer-after=00x>"),
        ("Alert-Info", "<http://www.example.com/sound>"),
        ("Answer-Mode", "Manual"),
        ("Answer-Mode", "Manual;require"),
        ("Answer-Mode", "automatic"),
    ],
)
def test_what_does_not_ask_for_it_rings(header: tuple[str, str]) -> None:
    board = Switchboard(settings=TRUSTED)
    page(board, header)
    assert board.states == ["Ringing"]


def test_nobody_else_listens_in_at_the_door() -> None:
    board = Switchboard()
    page(board, ANSWER_MODE, ("Call-Info", "<sip:x>;answer-after=0"), ("Priv-Answer-Mode", "Auto"))
    assert board.states == ["Ringing"]
    assert not board.device.running


def test_it_can_be_switched_off() -> None:
    board = Switchboard(settings=TRUSTED, account=AccountSettings(page_auto_answer=False))
    page(board, ANSWER_MODE)
    assert board.states == ["Ringing"]


@pytest.mark.parametrize(
    ("account", "mode"),
    [(AccountSettings(), "Auto;require"), (AccountSettings(auto_answer=True), "Manual;require")],
)
def test_who_wants_it_so_or_not_at_all_is_refused(account: AccountSettings, mode: str) -> None:
    board = Switchboard(account=account)
    phone = page(board, ("Answer-Mode", mode))
    assert [event.status for event in phone.of(sip.SessionEnded)] == [403]
    board.wire.run(100.0)
    board.assert_quiet()
