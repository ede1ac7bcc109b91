"""A binding that a server holds for an account, and how often the account asks."""

from __future__ import annotations

from dataclasses import dataclass

from voipnode.calls.account_settings import AccountSettings
from voipnode.calls.register_answer import Granted
from voipnode.calls.servers import AccountServer
from voipnode.calls.settings import SipSettings
from voipnode.sipstack.timers import Timers
from voipnode.sipstack.transport import Hop


@dataclass(frozen=True, slots=True)
class RegisterPace:
    """How often an account asks and how long it waits, in seconds: its own settings, else those of `[sip]`."""

    interval_s: int
    keep_alive_s: float
    answer_s: float
    failback_s: int
    repetitions: int

    @classmethod
    def of(cls, account: AccountSettings, sip: SipSettings) -> RegisterPace:
        def either(own: int | None, general: int) -> int:
            return general if own is None else own

        return cls(
            interval_s=either(account.registration_interval_s, sip.registration_interval_s),
            keep_alive_s=account.keep_alive_interval_s,
            answer_s=account.response_timeout_s,
            failback_s=either(account.failback_s, sip.failback_s),
            repetitions=either(account.max_retransmissions, sip.max_retransmissions),
        )

    def timeout_s(self, hop: Hop) -> float:
        """How long an answer from `hop` is waited for: over UDP no longer than the last repetition's turn lasts."""
        if hop.reliable:
            return self.answer_s
        timers = Timers()
        interval_s = until_s = timers.t1_s
        for _ in range(self.repetitions):
            interval_s = timers.next_interval_s(interval_s)
            until_s += interval_s
        return min(self.answer_s, until_s)


@dataclass(slots=True, eq=False)
class Binding:
    """Our contact at one server: where, for how long, and until when (engine's monotonic seconds).

    `flow`: `hop` with the connection that the server's answer came over, where it is one (RFC 5626 §4.2).
    `proven`: a keep-alive was answered since, so that the flow counts as a success (RFC 5626 §4.5). `stale`: contacts
    of ours before our address changed, which go with the next REGISTER.
    """

    server: AccountServer
    hop: Hop
    flow: Hop
    contact: str
    granted: Granted
    expires_at: float
    proven: bool = False
    stale: tuple[str, ...] = ()
