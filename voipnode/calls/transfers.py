"""Transfers that we ask for: the far side of a call is to talk to somebody else, or to that of another call."""

from __future__ import annotations

from dataclasses import dataclass

from voipnode.calls.call import Call
from voipnode.calls.core import CallCore
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.events import CallReason, CallState, CallTransfer
from voipnode.calls.sip_leg import SipLeg
from voipnode.sipstack import events as sip
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.grammar import printable
from voipnode.sipstack.uri import SipUri


@dataclass(frozen=True, slots=True)
class Transfer:
    """A REFER of ours: the call that is given away, the one it is joined with, and to whom."""

    call: Call
    other: Call | None
    to: str


class Transfers:
    """Sends far sides elsewhere (RFC 5589 §6, §7) and ends the call once they have arrived."""

    def __init__(self, core: CallCore) -> None:
        self._core = core
        self._under_way: dict[str, Transfer] = {}  # by token

    def blind(self, call: Call, to: SipUri) -> None:
        """Have the far side call `to`. Raises NotNowError."""
        leg = _answered(call)
        self._refer(Transfer(call, None, str(to)), leg, to, "")

    def attended(self, call: Call, other: Call) -> None:
        """Join the far sides of two calls of ours; both leave us. Raises CallError, NotNowError."""
        if call is other:
            raise CallError(f'call "{call.id}" cannot be joined with itself')
        leg, partner = _answered(call), _answered(other)
        self._refer(Transfer(call, other, other.remote), leg, None, partner.session)

    def _refer(self, transfer: Transfer, leg: SipLeg, to: SipUri | None, replaces: str) -> None:
        core = self._core
        ours = SipUri(user=leg.account.user_id, host=leg.local_host)
        try:
            token = core.endpoint.refer(leg.session, to, core.now, replaces=replaces, referred_by=f"<{ours}>")
        except LocalError as error:
            raise NotNowError(f'call "{transfer.call.id}": {error}') from error
        self._under_way[token] = transfer
        self._tell(transfer, 100, "asked for", final=False)

    def on_progress(self, event: sip.TransferProgress) -> None:
        """The far side tells how it goes; when it has arrived, there is nothing more to say here (RFC 5589 §6.1)."""
        transfer = self._under_way.get(event.token)
        if transfer is None:
            return
        if event.final:
            del self._under_way[event.token]
        self._tell(transfer, event.status, f"{event.status} {printable(event.reason)}", final=event.final)
        if event.final and 200 <= event.status < 300:
            outcome = (CallReason.TERMINATED, 0, f"transferred to {transfer.to}")
            self._core.end(transfer.call, outcome)
            if transfer.other is not None:
                self._core.end(transfer.other, (CallReason.TERMINATED, 0, f"joined with {transfer.call.remote}"))

    def _tell(self, transfer: Transfer, status: int, detail: str, *, final: bool) -> None:
        self._core.bus.publish(
            CallTransfer(
                at=self._core.now,
                call=transfer.call.id,
                to=transfer.to,
                by="here",
                status=status,
                final=final,
                detail=detail,
            )
        )


def _answered(call: Call) -> SipLeg:
    if call.state is not CallState.ACTIVE or call.winner is None:
        raise NotNowError(f'call "{call.id}" is {call.standing}: only an active call can be transferred')
    return call.winner
