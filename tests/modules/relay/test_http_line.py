"""A relay at the end of a network, with the processes that keep it: they are killed, the board is not."""

from __future__ import annotations

import contextlib
import os
import select
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.aio import PATIENCE_S, run_test
from tests.support.guardian_process import GuardianProcess, simulated
from tests.support.relay_board import PASSWORD, RelayBoard
from voipnode.modules.relay import http_messenger
from voipnode.modules.relay.settings import PortSettings

BOARD: dict[str, Any] = {"on_url": "http://board/on", "off_url": "http://board/off"}


def far(board: RelayBoard) -> dict[str, Any]:
    """A line as the guardian is told of it."""
    return PortSettings.model_validate({"name": "gate", "driver": "http", "http": board.settings}).to_spec().to_dict()


def messenger_of(pid: int) -> int:
    """Of the children of a guardian, the one that speaks with the board."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    [found] = [child for child in children if "http_messenger" in Path(f"/proc/{child}/cmdline").read_text()]
    return int(found)


def until_gone(pid: int) -> None:
    """Wait until a process that is not ours has ended."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        assert select.select([descriptor], [], [], PATIENCE_S)[0]
        os.close(descriptor)


def test_a_far_relay_goes_off_though_engine_and_guardian_are_killed(tmp_path: Path) -> None:
    with RelayBoard() as board, GuardianProcess(tmp_path, far(board), simulated("door")) as guardian:
        guardian.report("ready")
        board.until("/off")  # at rest is where it begins
        assert PASSWORD not in Path(f"/proc/{guardian.process.pid}/cmdline").read_text()
        until = guardian.lease("gate", 9.0, ref=5)
        report = guardian.report("linestate")  # which waits for the board
        assert (report["line"], report["active"], report["ref"], report["until"]) == ("gate", True, 5, until)
        assert board.is_on
        board.silent = True
        messenger = messenger_of(guardian.process.pid)
        guardian.process.kill()  # the engine's end of the socket is open still: nobody but the messenger is left
        board.until("/off")
        assert not board.is_on
        with GuardianProcess(tmp_path, far(board), simulated("door")) as second:  # and takes over from that one
            second.report("ready")
            until_gone(messenger)
            board.silent = False
            second.lease("gate", 9.0)
            assert second.report("linestate")["active"]
            assert board.is_on
            board.silent = True
            messenger = messenger_of(second.process.pid)
            second.send({"is": "bye"})
            assert second.wait() == 0  # it does not wait for a board: its messenger goes on by itself
            board.until("/off")
            board.silent = False
            until_gone(messenger)


def test_a_relay_has_one_keeper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_messenger, "TAKE_OVER_TRIES", 2)

    async def main() -> None:
        with await http_messenger.claim("here/gate") as first, await http_messenger.claim("here/door"):
            with pytest.raises(OSError, match="another guardian keeps this relay"):
                await http_messenger.claim("here/gate")
            assert first.recv(1) == b""  # whoever is only waiting for its board makes room now
        (await http_messenger.claim("here/gate")).close()

    run_test(main())


def test_a_silent_board_delays_nobody_and_who_waits_is_told(tmp_path: Path) -> None:
    with RelayBoard() as board, GuardianProcess(tmp_path, far(board), simulated("door")) as guardian:
        guardian.report("ready")
        board.until("/off")
        board.silent = True
        guardian.lease("gate", 9.0, ref=1)
        guardian.lease("door", 9.0, ref=2)
        guardian.send({"is": "release", "line": "door", "why": "released", "ref": 3})
        told = [guardian.report("linestate") for _ in range(2)]
        assert [(state["line"], state["active"], state["ref"]) for state in told] == [
            ("door", True, 2),
            ("door", False, 3),
        ]
        trouble = guardian.report("trouble")
        assert (trouble["line"], trouble["ref"], trouble["over"], trouble["unsure"]) == ("gate", 1, False, True)
        assert "not confirmed" in trouble["why"]
        board.until("/on")
        board.until("/off")  # it has done what it did not answer to, and is asked to undo it
        assert not board.is_on
        released = guardian.report("linestate")
        assert (released["line"], released["active"]) == ("gate", False)
        os.kill(messenger_of(guardian.process.pid), 9)  # whoever holds no more what it promised begins anew
        reports = iter(guardian.next_report, None)  # to the end of file; the board may be told of once more
        assert "has ended" in next(report["why"] for report in reports if report["is"] == "ending")
        assert guardian.wait() == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"driver": "http"}, "a table http belong together"),
        ({"http": BOARD}, "a table http belong together"),
        ({"driver": "http", "http": {**BOARD, "on_url": "ftp://board/on"}}, "should match pattern"),
        ({"driver": "http", "http": {**BOARD, "pulse_url": "http://board/pulse"}}, "no {seconds}, {tenths} or {ms}"),
        (
            {"driver": "http", "normal_state": "closed", "http": {**BOARD, "pulse_url": "http://board/{ms}"}},
            "for a contact that is normally open",
        ),
    ],
)
def test_a_board_that_cannot_work_is_refused_with_words(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        PortSettings.model_validate({"name": "gate", **settings})


def test_the_password_is_shown_to_nobody() -> None:
    settings = PortSettings.model_validate({"name": "gate", "driver": "http", "http": {**BOARD, "password": PASSWORD}})
    assert PASSWORD not in f"{settings!r} {settings.to_spec()!r} {settings.model_dump_json()}"
