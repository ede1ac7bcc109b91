"""Writes down what the node did in a capture: commands, and the tokens that it drew, in the order it drew them."""

from __future__ import annotations

from voipnode.media.dtmf_info import parse_info
from voipnode.media.formats import codec_names, payload_format
from voipnode.media.stun.message import is_stun
from voipnode.replay.registrations import aor_of
from voipnode.replay.seen import Seen
from voipnode.replay.steps import Answer, Digit, HangUp, Ring, Script, credentials_in, describe, digests_of
from voipnode.sipstack import sdp
from voipnode.sipstack.audio import STATIC_FORMATS
from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.ice_attributes import read_ice
from voipnode.sipstack.message import Message, Request, Response
from voipnode.sipstack.routing import DEFAULT_PORTS
from voipnode.sipstack.transport import Address, Hop
from voipnode.sipstack.uri import SipUri

_BINDING_REQUEST = b"\0\1"
_FORMATS = {name: payload_format(name, 48000) for name in codec_names()}
_NAMES = {(each.name.lower(), each.clock_hz): name for name, each in _FORMATS.items()}


class Writer:
    """Writes down what the node did: commands, and the tokens it drew, in the order it drew them."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._known: set[str] = set()
        self._done: set[tuple[str, str]] = set()
        self.media_addresses: set[Address] = set()

    def node_sent(self, seen: Seen, message: Message) -> None:
        if not self._first_time(message.to_bytes().hex()):
            return  # a retransmission
        self._script.sent.append(describe(message))
        self._script.digests += digests_of(message)
        self._media(message)
        if isinstance(message, Request):
            self._request(seen, message)
        elif isinstance(message, Response):
            self._response(seen.at, message)

    def _first_time(self, token: str) -> bool:
        if token in self._known:
            return False
        self._known.add(token)
        return True

    def _media(self, message: Message) -> None:
        try:
            description = sdp.parse(message.body) if message.body else None
        except ParseError:
            return
        if description is None:
            return
        for media in description.media:
            connection = description.connection_of(media)
            if media.port == 0 or connection is None:
                continue
            self._codecs(media)
            self.media_addresses |= {Address(connection.address, media.port + odd) for odd in (0, 1)}
            ice = read_ice(description, media)
            if ice is not None and not ice.mismatch and self._first_time(f"ice {ice.ufrag}"):
                self._script.ice.append(ice.ufrag + ice.password)
            if self._first_time(f"rtp {media.port}"):
                self._script.rtp_ports.append(media.port)

    def node_checked(self, seen: Seen) -> None:
        """A datagram left one of the node's media ports: perhaps a check of ICE."""
        if is_stun(seen.data) and seen.data[:2] == _BINDING_REQUEST and self._first_time(seen.data[8:20].hex()):
            self._script.checks.append(seen.data[8:20])

    def _codecs(self, media: sdp.MediaDescription) -> None:
        """Which ones the node had then, and in which order it liked them."""
        said, found = media.rtpmaps(), self._script.codecs
        for text in media.formats:
            number = int(text) if text.isdigit() else -1
            rtpmap = said.get(number) or STATIC_FORMATS.get(number)
            name = rtpmap and _NAMES.get((rtpmap.name.lower(), rtpmap.clock_rate_hz))
            if name and name not in found:
                found.append(name)

    def _request(self, seen: Seen, request: Request) -> None:
        script, call_id = self._script, request.call_id
        via = request.via
        script.local.setdefault(seen.transport, Address(via.host, via.port or DEFAULT_PORTS.get(via.transport, 5060)))
        self._cnonce(request)
        if self._first_time(f"call {call_id}") and request.to.tag is None:
            script.call_ids.append(call_id)
        self._tag(request.from_.tag)
        branch = request.via.branch
        if branch is not None and self._first_time(f"branch {branch}"):
            script.branches.append(branch)
        if request.method == "INVITE" and request.to.tag is None and isinstance(request.uri, SipUri):
            if self._once("ring", call_id):
                hop = Hop(seen.transport, seen.destination, None)
                script.steps.append(Ring(seen.at, call_id, request.uri, hop, aor_of(request)))
        elif request.method in ("CANCEL", "BYE") and self._once("end", call_id):
            script.steps.append(HangUp(seen.at, call_id))
        elif request.method == "INFO":
            kind = request.content_type
            digit = parse_info(f"{kind.type}/{kind.subtype}", request.body) if kind else None
            if digit is not None:
                script.steps.append(Digit(seen.at, call_id, digit))

    def _cnonce(self, request: Request) -> None:
        """One was drawn for each request that was signed, whether its challenge wanted it or not; ACK and CANCEL have
        the credentials of their INVITE (RFC 3261 §22.1)."""
        said = credentials_in(request)
        if said and request.method not in ("ACK", "CANCEL"):
            self._script.cnonces.append(said[0].get("cnonce", "unused"))

    def _response(self, at: float, response: Response) -> None:
        self._tag(response.to.tag)
        if (
            response.cseq.method != "INVITE"
            or response.status == 100
            or not self._once(f"final {response.status // 100}", response.call_id)
        ):
            return
        if 200 <= response.status < 300:
            if ("final 1", response.call_id) not in self._done:
                self._script.answers_by_itself = True
            self._script.steps.append(Answer(at, response.call_id))
        elif response.status in (480, 486) and ("final 1", response.call_id) in self._done:
            self._script.steps.append(HangUp(at, response.call_id))

    def _tag(self, tag: str | None) -> None:
        if tag is not None and self._first_time(f"tag {tag}"):
            self._script.tags.append(tag)

    def _once(self, what: str, call_id: str) -> bool:
        if (what, call_id) in self._done:
            return False
        self._done.add((what, call_id))
        return True
