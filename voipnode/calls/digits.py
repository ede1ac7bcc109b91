"""Digits both ways: what the far side pressed, once each whatever road carried it, and what we press."""

from __future__ import annotations

import logging

from voipnode.calls.call import Call
from voipnode.calls.core import CallCore
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.events import CallReason, CallState, DtmfReceived
from voipnode.calls.sip_leg import SipLeg
from voipnode.media.dtmf import DIGITS
from voipnode.media.dtmf_info import build_info, parse_info
from voipnode.media.errors import MediaError
from voipnode.media.events import DigitEnded, DigitStarted, MediaEvent, RemoteSilent
from voipnode.sipstack import events as sip
from voipnode.sipstack.errors import LocalError

log = logging.getLogger(__name__)

INFO_DURATION_MS = 160
MAX_DIGITS = 32


class Digits:
    """Turns telephone events and INFO into `DtmfReceived`, and the other way round."""

    def __init__(self, core: CallCore) -> None:
        self._core = core

    def on_info(self, call: Call, event: sip.InfoReceived) -> None:
        """An INFO of a type that carries digits came in the call."""
        leg = call.legs[event.session]
        leg.proven = True  # it overtook the ACK, and carries the same tag
        digit = parse_info(event.content_type, event.body)
        if digit is None:
            log.debug("call %s: INFO (%s) holds no digit", call.id, event.content_type)
        elif leg.account.dtmf_info and leg.merger.started("info", digit, self._core.now):
            self._received(call, leg, digit, "info")

    def on_media_event(self, call: Call, leg: SipLeg, event: MediaEvent) -> None:
        """The leg's audio stream tells of a key, or that the far side has fallen silent."""
        if isinstance(event, DigitStarted):
            if leg.account.dtmf_rtp and leg.merger.started("rtp", event.digit, event.at, held=True):
                self._received(call, leg, event.digit, "rtp")
        elif isinstance(event, DigitEnded):
            leg.merger.ended("rtp", event.digit, event.at)
        elif isinstance(event, RemoteSilent) and call.winner is leg and not call.over:
            words = f"the far side has been silent for {event.since_s:.0f} s"
            self._core.end(call, (CallReason.FAILED, 0, words))

    def _received(self, call: Call, leg: SipLeg, digit: str, road: str) -> None:
        if call.state is not CallState.ACTIVE or call.winner is not leg:
            return
        if not leg.digit_pace.allows(self._core.now):
            return
        self._core.bus.publish(
            DtmfReceived(
                at=self._core.now,
                call=call.id,
                digit=digit,
                road=road,
                account=call.account.name,
                remote=leg.remote,
                authorised=call.authorised and leg.proven,
            )
        )

    def send(self, call: Call, digits: str) -> None:
        """Send digits by RTP events where the peer takes them, else by INFO. Raises CallError, NotNowError."""
        digits = digits.upper()
        if not 1 <= len(digits) <= MAX_DIGITS or not set(digits) <= set(DIGITS):
            raise CallError(f'digits "{digits}": 1 to {MAX_DIGITS} of 0-9 A-D # * are needed')
        leg = call.winner
        if call.state is not CallState.ACTIVE or leg is None:
            raise NotNowError(f'call "{call.id}" is {call.state}: digits can be sent while it is Active')
        try:
            if leg.takes_rtp_digits:
                leg.stream.send_digits(digits, self._core.now)
            elif leg.account.dtmf_info:
                self._send_info(leg, digits)
            else:
                raise NotNowError(f'account "{leg.account.name}": the peer takes no RTP digits, and dtmf_info is off')
        except (LocalError, MediaError) as error:
            raise NotNowError(f"digits: {error}") from error

    def _send_info(self, leg: SipLeg, digits: str) -> None:
        if not leg.proven:  # an INFO that overtakes our 2xx is answered 481
            raise NotNowError("the caller has not acknowledged our answer yet: try again")
        for digit in digits:
            content_type, body = build_info(digit, INFO_DURATION_MS)
            self._core.endpoint.info(leg.session, content_type, body, self._core.now)
