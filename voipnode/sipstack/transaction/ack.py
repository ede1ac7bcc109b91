"""The ACK that a client transaction sends by itself, for a 300-699 response to INVITE."""

from __future__ import annotations

from voipnode.sipstack.message import Headers, Request, Response


def ack_for(invite: Request, response: Response) -> Request:
    """The ACK to a 300-699 `response` to `invite` (RFC 3261 §17.1.1.3).

    Request-URI, top Via, From, Call-ID, CSeq number, Route and credentials (§22.1) are those of the INVITE, To is that
    of the response. No body.
    """
    headers = Headers()
    headers.add("Via", invite.headers.values("Via")[0])
    headers.add("Max-Forwards", "70")
    headers.copy_fields(invite.headers, "Route", "Authorization", "Proxy-Authorization")
    headers.copy_fields(invite.headers, "From", "Call-ID")
    headers.copy_fields(response.headers, "To")
    headers.add("CSeq", f"{invite.cseq.number} ACK")
    return Request("ACK", invite.uri_text, headers)
