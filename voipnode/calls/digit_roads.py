"""By which road a far side takes digits from us: telephone events, INFO or tones, in the order of its account."""

from __future__ import annotations

from voipnode.calls.account_settings import DigitRoad
from voipnode.calls.core import CallCore
from voipnode.calls.errors import NotNowError
from voipnode.calls.sip_leg import SipLeg
from voipnode.media.dtmf_info import build_info
from voipnode.media.errors import MediaError
from voipnode.sipstack.errors import LocalError

INFO_DURATION_MS = 160
FRAMES_PER_DIGIT = 24  # 10 ms each: 160 ms and a pause of 80 (`AudioStream.send_digits`)


class DigitRoads:
    """Sends digits to legs, whatever call they belong to."""

    def __init__(self, core: CallCore) -> None:
        self._core = core

    def of(self, leg: SipLeg) -> DigitRoad | None:
        """The first road of the leg's account that its far side takes; None: there is none."""
        return next((road for road in leg.account.dtmf_send_order if self._takes(leg, road)), None)

    def send(self, leg: SipLeg, digits: str) -> None:
        """Send digits (0-9 A-D # *) by the leg's road. Raises NotNowError."""
        road = self.of(leg)
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
