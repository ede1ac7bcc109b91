"""SendPhase: up at once, down after long, and nowhere without cause."""

from __future__ import annotations

from voipnode.net.send_phase import CALM_WINDOWS, STEPS_S, WINDOW, SendPhase


def worked(phase: SendPhase, ms: float, windows: int = 1, *, once_ms: float | None = None) -> float:
    """The delay in ms after so many windows of ticks that took `ms`, one in each `once_ms`."""
    for _ in range(windows):
        for tick in range(WINDOW):
            phase.note((once_ms if once_ms is not None and tick == 7 else ms) / 1000)
    return 1000 * phase.delay_s


def test_short_work_waits_for_nothing() -> None:
    assert worked(SendPhase(), 0.2, 100) == 0.0


def test_it_rises_at_once_to_where_the_work_fits_with_room() -> None:
    phase = SendPhase()
    assert [worked(phase, ms) for ms in (0.2, 0.3, 0.6, 0.9, 1.2, 1.4)] == [0.0, 0.5, 1.0, 1.0, 2.0, 2.0]


def test_a_single_late_tick_is_forgiven() -> None:
    assert worked(SendPhase(), 0.1, 50, once_ms=9.0) == 0.0


def test_a_second_late_one_is_followed_at_once() -> None:
    phase = SendPhase()
    for ms in (0.1, 3.0, 0.1, 2.2):
        assert phase.delay_s == 0.0
        phase.note(ms / 1000)
    assert phase.delay_s == 0.003


def test_it_has_an_end() -> None:
    assert worked(SendPhase(), 5.9, 20) == 1000 * STEPS_S[-1]


def test_halts_that_no_delay_would_hide_move_nothing() -> None:
    assert worked(SendPhase(), 6.1, 20) == 0.0
    phase = SendPhase()
    assert worked(phase, 1.4) == 2.0
    for ms in (1.4, 10.7, 1.4, 9.3, 1.4, 60.0):
        phase.note(ms / 1000)
    assert 1000 * phase.delay_s == 2.0


def test_it_falls_one_step_after_half_a_minute_that_had_room_for_it() -> None:
    phase = SendPhase()
    assert worked(phase, 1.2) == 2.0
    assert worked(phase, 1.2, 2 * CALM_WINDOWS) == 2.0  # no room in the step below
    assert worked(phase, 1.1, CALM_WINDOWS) == 2.0  # the first window holds the last of what was before
    assert worked(phase, 1.1) == 1.5
    assert worked(phase, 1.1, 5 * CALM_WINDOWS) == 1.5
    assert worked(phase, 0.1, 3 * CALM_WINDOWS + 1) == 0.0
