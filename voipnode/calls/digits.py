"""Digits both ways: what the far side pressed, once each whatever road carried it, and what we press."""

from __future__ import annotations

import logging

from voipnode.calls.account_settings import DigitRoad
from voipnode.calls.call import Call
from voipnode.calls.core import CallCore
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.events import CallReason, CallState, DtmfReceived
from voipnode.calls.sip_leg import SipLeg
from voipnode.media.dtmf import DIGITS
from voipnode.media.dtmf_info import build_info, parse_info
from voipnode.media.errors import MediaError
from voipnode.media.events import DigitEchoed, DigitEnded, DigitStarted, MediaEvent, RemoteSilent
from voipnode.sipstack import events as sip
from voipnode.sipstack.errors import LocalError

log = logging.getLogger(__name__)

INFO_DURATION_MS = 160
MAX_DIGITS = 32
FRAMES_PER_DIGIT = 24  # 10 ms each: 160 ms and a pause of 80 (`AudioStream.send_digits`)


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
            raise NotNowError(f'call "{call.id}" is {call.state}: digits can be sent while it is Active')
        road = next((road for road in leg.account.dtmf_send_order if self._takes(leg, road)), None)
        try:
            if road is None:
                raise NotNowError(_no_road(leg))
            self._send_by(road, leg, digits)
        except (LocalError, MediaError) as error:
            raise NotNowError(f"digits: {error}") from error

    def _takes(self, leg: SipLeg, road: DigitRoad) -> bool:
        """Whether digits may go to this far side by that road."""
        match road:
            case "rtp":
                return leg.takes_rtp_digits
            case "info":
                return leg.account.dtmf_info and self._core.endpoint.takes_info(leg.session)
            case "inband":
                return leg.takes_tones

    def _send_by(self, road: DigitRoad, leg: SipLeg, digits: str) -> None:
        match road:
            case "rtp":
                leg.stream.send_digits(digits, self._core.now)
            case "info":
                self._send_info(leg, digits)
            case "inband":
                assert leg.inband is not None
                leg.inband.send(digits)
        if leg.inband is not None:
            leg.inband.sent(digits, len(digits) * FRAMES_PER_DIGIT)

    def _send_info(self, leg: SipLeg, digits: str) -> None:
        if not leg.proven:  # an INFO that overtakes our 2xx is answered 481
            raise NotNowError("the caller has not acknowledged our answer yet: try again")
        for digit in digits:
            content_type, body = build_info(digit, INFO_DURATION_MS)
            self._core.endpoint.info(leg.session, content_type, body, self._core.now)


def _no_road(leg: SipLeg) -> str:
    """Why digits cannot be sent, by what would have to be otherwise."""
    account = leg.account
    off = [name for name in ("dtmf_rtp", "dtmf_info", "dtmf_inband") if not getattr(account, name)]
    words = f'account "{account.name}": the far side takes digits by none of the roads that are on'
    return f"{words}; off: {', '.join(off)}" if off else words
