"""Which program goes first on this machine: the sound's, where the settings want that."""

from __future__ import annotations

import logging
import os

log = logging.getLogger(__name__)

PRIORITY = 10  # of 1 to 99: before all ordinary programs, behind what the system itself runs so


def go_first() -> bool:
    """Have the calling thread run before ordinary programs (SCHED_RR, sched(7)); False, and a warning, where the system
    does not allow it. Threads and processes that it starts later are ordinary ones."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
    except (OSError, AttributeError) as error:
        log.warning(
            "sip.qos.real_time has no effect: %s; it needs root, CAP_SYS_NICE or, in a systemd unit, LimitRTPRIO=%d",
            error,
            PRIORITY,
        )
        return False
    return True
