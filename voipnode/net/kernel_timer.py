"""A timer that the kernel keeps, and its word that the wall's clock was set: Linux's timerfd_create(2).

The loop's own timers count whole milliseconds, which puts packets that should leave every 20 ms half a millisecond off
their time; this one is off by hundredths. Python has it from 3.13 on; here it is called by its C name.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import logging
import os
from collections.abc import Callable
from functools import cache

log = logging.getLogger(__name__)

_CLOCK_REALTIME, _CLOCK_MONOTONIC = 0, 1
_ABSOLUTE, _CANCEL_ON_SET = 1, 2  # TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET
_NEVER_S = 2.0**62 / 1e9  # as late as the kernel counts
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC
_NS = 1_000_000_000
_SOON_S = 1e-9  # long past: nought would mean never


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("it_interval", _Timespec), ("it_value", _Timespec))


def _timespec(seconds: float) -> _Timespec:
    whole, rest = divmod(round(seconds * _NS), _NS)
    return _Timespec(whole, rest)


class KernelTimer:
    """Calls `on_due` when it is due, once or again and again; `cancel` ends it, and must be called.

    Raises OSError where the system has no such timer.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_due: Callable[[], None]) -> None:
        self._loop = loop
        self._on_due = on_due
        self._fd = _create(_CLOCK_MONOTONIC)
        loop.add_reader(self._fd, self._fire)

    def set(self, at: float, period_s: float = 0.0) -> None:
        """Be due at `at` (seconds of `time.monotonic`), and every `period_s` from then on where that is not 0.

        A time that has passed is now; periods that pass while the loop is busy make one call.
        """
        spec = _Itimerspec(_timespec(period_s), _timespec(max(at, _SOON_S)))
        _check(_library().timerfd_settime(self._fd, _ABSOLUTE, ctypes.byref(spec), None))

    def cancel(self) -> None:
        """Call no more; to be called once."""
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _fire(self) -> None:
        try:
            os.read(self._fd, 8)  # how many periods have passed: whoever is called knows the time
        except BlockingIOError:  # set anew since it was due
            return
        self._on_due()


class ClockWatch:
    """Calls `on_set` whenever somebody, a time server among them, sets the wall's clock.

    The kernel cancels a timer on that clock then, and says so; a clock that is slowed down or hurried is not set. Where
    there is no such timer, nothing is told.
    """

    def __init__(self, on_set: Callable[[], None]) -> None:
        self._on_set = on_set
        self._fd = -1

    def start(self) -> None:
        try:
            self._fd = _create(_CLOCK_REALTIME)
            self._arm()
        except OSError as error:
            log.info("it is not noticed at once when the clock is set: %s", error)
            self._close()
            return
        asyncio.get_running_loop().add_reader(self._fd, self._fire)

    async def stop(self) -> None:
        """Call no more; may be called twice."""
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
        self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _arm(self) -> None:
        spec = _Itimerspec(_timespec(0.0), _timespec(_NEVER_S))
        _check(_library().timerfd_settime(self._fd, _ABSOLUTE | _CANCEL_ON_SET, ctypes.byref(spec), None))

    def _fire(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.ECANCELED:
                raise
        self._arm()
        log.info("the clock was set")
        self._on_set()


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _create(clock: int) -> int:
    try:
        create = _library().timerfd_create
    except AttributeError:
        raise OSError("this system has no timerfd_create") from None
    return _check(create(clock, _FLAGS))


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
