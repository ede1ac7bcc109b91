"""The read model that is made of events."""

from __future__ import annotations

from datetime import UTC, datetime

from voipnode.calls.events import CallChanged, CallPath, CallReason, CallState, NodeStarted, PortChanged, Problem
from voipnode.web.view import MAX_CALLS, MAX_ENDED_CALLS, MAX_PROBLEMS, View


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def _changed(call: str, state: CallState, at: float) -> CallChanged:
    return CallChanged(
        at=at, call=call, state=state, reason=CallReason.INITIATED, direction="outgoing", remote="sip:a@b", account=""
    )


def _view() -> tuple[View, Clock]:
    clock = Clock()
    return View(clock, lambda: datetime(2026, 11, 20, 8, tzinfo=UTC)), clock


def test_a_call_counts_from_its_answer_to_its_end() -> None:
    view, clock = _view()
    view.on_event(_changed("c1", CallState.CALLING, 100.0))
    clock.now = 105.0
    assert view.calls()[0]["active_s"] == 0.0
    view.on_event(_changed("c1", CallState.ACTIVE, 105.0))
    clock.now = 112.5
    assert view.calls()[0]["active_s"] == 7.5
    view.on_event(_changed("c1", CallState.TERMINATED, 115.0))
    clock.now = 500.0
    [call] = view.calls()
    assert (call["active_s"], call["state"], call["began_utc"]) == (10.0, "Terminated", "2026-11-20T08:00:00.000Z")


def test_a_call_tells_by_which_way_its_sound_goes_and_how_soon_there_was_one() -> None:
    view, _ = _view()
    view.on_event(_changed("c1", CallState.ACTIVE, 100.0))
    assert (view.calls()[0]["path"], view.calls()[0]["path_found_ms"]) == ("", 0)
    for pair, after_ms in (("relay a with host b", 80), ("host c with host b", 230)):
        view.on_event(CallPath(at=100.1, call="c1", pair=pair, after_ms=after_ms))
    assert (view.calls()[0]["path"], view.calls()[0]["path_found_ms"]) == ("host c with host b", 80)
    view.on_event(CallPath(at=100.2, call="gone", pair="host c with host b", after_ms=1))


def test_a_lease_runs_down_on_the_clock_of_the_engine() -> None:
    view, clock = _view()
    view.on_event(PortChanged(at=100.0, port="door", active=True, why="pulse", who="sip:a@b", how="x", until_s=7.0))
    clock.now = 105.0
    assert view.ports()[0]["remaining_s"] == 2.0
    clock.now = 120.0
    assert view.ports()[0]["remaining_s"] == 0.0
    view.on_event(PortChanged(at=120.0, port="door", active=False, why="expired"))
    assert (view.ports()[0]["active"], view.ports()[0]["lease_s"]) == (False, 0.0)


def test_an_event_without_a_time_counts_from_when_it_was_heard() -> None:
    view, clock = _view()
    view.on_event(PortChanged(port="door", active=True, why="pulse", until_s=7.0))
    clock.now = 101.0
    assert view.ports()[0]["remaining_s"] == 6.0


def test_calls_that_go_on_come_first_and_only_the_last_ended_are_kept() -> None:
    view, _ = _view()
    view.on_event(_changed("going", CallState.ACTIVE, 1.0))
    for number in range(MAX_ENDED_CALLS + 5):
        view.on_event(_changed(f"c{number}", CallState.CALLING, 2.0 + number))
        view.on_event(_changed(f"c{number}", CallState.TERMINATED, 2.5 + number))
    names = [call["id"] for call in view.calls()]
    assert names[0] == "going"
    assert names[1:] == [f"c{number}" for number in reversed(range(5, MAX_ENDED_CALLS + 5))]


def test_nothing_grows_without_bound() -> None:
    view, _ = _view()
    for number in range(MAX_CALLS + 50):
        view.on_event(_changed(f"c{number}", CallState.RINGING, 1.0 + number))
        view.on_event(PortChanged(at=1.0, port=f"p{number}", active=False, why="restart"))
        view.on_event(PortChanged(at=1.0, port=f"q{number}", active=False, why="restart"))
        view.on_event(Problem(where=f"w{number}", detail="d"))
    assert len(view.calls()) == MAX_CALLS
    assert len(view.ports()) == 256
    assert len(view.problems()) == MAX_PROBLEMS
    assert view.problems()[0]["where"] == f"w{MAX_CALLS + 49}"


def test_the_start_of_the_node_tells_version_and_how_the_run_before_ended() -> None:
    view, _ = _view()
    assert view.node()["version"] == ""
    view.on_event(NodeStarted(version="1.2.3", previous="stopped cleanly"))
    assert view.node() == {
        "version": "1.2.3",
        "started_utc": "2026-11-20T08:00:00.000Z",
        "previous": "stopped cleanly",
    }
