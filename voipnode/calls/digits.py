"""Digits both ways: what the far side pressed, once each whatever road carried it, and what we press."""

from __future__ import annotations

import logging

from voipnode.calls.call import Call
from voipnode.calls.core import CallCore
from voipnode.calls.digit_roads import DigitRoads
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.events import CallReason, CallState, DtmfReceived
from voipnode.calls.sip_leg import SipLeg
from voipnode.media.dtmf import DIGITS
from voipnode.media.dtmf_info import parse_info
from voipnode.media.events import DigitEchoed, DigitEnded, DigitStarted, MediaEvent, RemoteSilent
from voipnode.sipstack import events as sip

log = logging.getLogger(__name__)

MAX_DIGITS = 32


class Digits:
    """Turns telephone events and INFO into `DtmfReceived`, and the other way round."""

    def __init__(self, core: CallCore) -> None:
        self._core = core
        self._roads = DigitRoads(core)

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
            self._on_started(call, leg, event)
        elif isinstance(event, DigitEnded):
            leg.merger.ended(event.road, event.digit, event.at)
            if leg.inband is not None and event.road == "rtp":
                leg.inband.unhush(event.at)
        elif isinstance(event, DigitEchoed):
            log.info("call %s: the tone of key %s that came back was in our own sound", call.id, event.digit)
        elif isinstance(event, RemoteSilent) and call.winner is leg and not call.over:
            words = f"the far side has been silent for {event.since_s:.0f} s"
            self._core.end(call, (CallReason.FAILED, 0, words))

    def _on_started(self, call: Call, leg: SipLeg, event: DigitStarted) -> None:
        if event.road == "rtp":
            if not leg.account.dtmf_rtp:
                return
            if leg.inband is not None:
                leg.inband.hush()
        if leg.merger.started(event.road, event.digit, event.at, held=True):
            self._received(call, leg, event.digit, event.road)

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
                account=leg.account.name,
                remote=leg.remote,
                authorised=call.authorised and leg.proven,
            )
        )

    def send(self, call: Call, digits: str) -> None:
        """Send digits by the first road of the account that the far side takes. Raises CallError, NotNowError."""
        digits = digits.upper()
        if not 1 <= len(digits) <= MAX_DIGITS or not set(digits) <= set(DIGITS):
            raise CallError(f'digits "{digits}": 1 to {MAX_DIGITS} of 0-9 A-D # * are needed')
        leg = call.winner
        if call.state is not CallState.ACTIVE or leg is None:
            raise NotNowError(f'call "{call.id}" is {call.standing}: digits can be sent while it is Active')
        self._roads.send(leg, digits)
