"""What session descriptions say about ICE (RFC 8839): candidates, credentials, options; ours and the far side's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from voipnode.sipstack.errors import ParseError, SipError
from voipnode.sipstack.sdp import Attribute, MediaDescription, SessionDescription, parse
from voipnode.sipstack.sdp_fields import literal_ip

MAX_CANDIDATE_LINES = 64
MAX_COMPONENT = 256
DEFAULT_PACING_MS = 50
MAX_PACING_MS = 500  # slower than that, and nobody waits for the end of it
TRICKLING_PORT = 9  # the default destination of those who have none yet (§4.2.5)
KINDS = ("host", "srflx", "prflx", "relay")

_CANDIDATE = re.compile(
    r"(?P<foundation>[A-Za-z0-9+/:.*_-]{1,32}) (?P<component>\d{1,3}) (?P<transport>\S{1,16}) (?P<priority>\d{1,10})"
    r" (?P<host>\S{1,255}) (?P<port>\d{1,5}) typ (?P<kind>\S{1,16})(?P<rest>.*)"
)
_RELATED = re.compile(r" raddr (\S{1,255})(?: rport (\d{1,5}))?")
_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,256}")


class IceCandidate(NamedTuple):
    """One `a=candidate` line over UDP (§5.1). `related`: where it stems from, None for a host candidate."""

    foundation: str
    component: int
    priority: int
    host: str
    port: int
    kind: str
    related: tuple[str, int] | None = None

    @classmethod
    def parse(cls, value: str) -> IceCandidate:
        """Reads an attribute's value; ParseError for what is malformed, of another transport, or no IP address.

        Names stay out (§5.1), those in .local too, and kinds that nobody has defined.
        """
        match = _CANDIDATE.fullmatch(" ".join(value.split()))
        if match is None:
            raise ParseError("a=candidate is malformed")
        ip = literal_ip(match["host"])
        component, priority, port = int(match["component"]), int(match["priority"]), int(match["port"])
        if match["transport"].upper() != "UDP" or ip is None or match["kind"] not in KINDS:
            raise ParseError("a=candidate: of a kind that is not served")
        if not (0 < component <= MAX_COMPONENT and 0 < priority < 2**31 and 0 < port <= 65_535):
            raise ParseError("a=candidate is out of range")
        related = _RELATED.match(match["rest"])
        from_ = (related[1], int(related[2] or 0)) if related is not None else None
        return cls(match["foundation"], component, priority, str(ip), port, match["kind"], from_)

    def attribute(self) -> Attribute:
        """The candidate as a line."""
        value = f"{self.foundation} {self.component} UDP {self.priority} {self.host} {self.port} typ {self.kind}"
        if self.related is not None:
            value += f" raddr {self.related[0]} rport {self.related[1]}"
        return Attribute("candidate", value)


@dataclass(frozen=True, slots=True)
class LocalIce:
    """What our description says. `remote_candidates`: by component the far side's, of the pairs that both keep to;
    only for the controlling side, once they are chosen (§4.4.1.2.2). `mismatch`: ICE is not used, and why (§5.3)."""

    ufrag: str
    password: str = field(repr=False)
    candidates: tuple[IceCandidate, ...] = ()
    remote_candidates: tuple[tuple[int, str, int], ...] = ()
    mismatch: bool = False

    def attributes(self) -> list[Attribute]:
        """The lines for our `m=` section."""
        if self.mismatch:
            return [Attribute("ice-mismatch")]
        lines = [
            Attribute("ice-ufrag", self.ufrag),
            Attribute("ice-pwd", self.password),
            Attribute("ice-options", "ice2"),
            *[candidate.attribute() for candidate in self.candidates],
        ]
        if self.remote_candidates:
            told = " ".join(f"{component} {host} {port}" for component, host, port in self.remote_candidates)
            lines.append(Attribute("remote-candidates", told))
        return lines

    def answering(self, remote: RemoteIce | None) -> LocalIce | None:
        """What our answer says to an offer: nothing where that has no ICE (§4.3.2)."""
        if remote is None:
            return None
        return replace(self, remote_candidates=(), mismatch=remote.mismatch)


@dataclass(frozen=True, slots=True)
class RemoteIce:
    """What the far side's description says. `ice2`: it follows RFC 8445, and nominates one pair.

    `mismatch`: ICE cannot be used with it: it says so itself (§5.3), or somebody on the way has put another default
    address into the description (§4.2.5).
    """

    ufrag: str
    password: str = field(repr=False)
    candidates: tuple[IceCandidate, ...] = ()
    lite: bool = False
    ice2: bool = False
    pacing_ms: int = DEFAULT_PACING_MS
    mismatch: bool = False


def read_ice(description: SessionDescription, media: MediaDescription) -> RemoteIce | None:
    """What a section says about ICE; None where it does not speak it. Never raises: a broken line counts as absent."""
    ufrag = _value("ice-ufrag", description, media)
    password = _value("ice-pwd", description, media)
    refused = media.attribute("ice-mismatch") is not None
    if refused:
        return RemoteIce("", "", mismatch=True)
    if not _UFRAG.fullmatch(ufrag) or not _PASSWORD.fullmatch(password):
        return None
    lines = [value for name, value in media.attributes if name == "candidate" and value is not None]
    lines = lines[:MAX_CANDIDATE_LINES]
    pacing = _value("ice-pacing", description, media)
    return RemoteIce(
        ufrag,
        password,
        candidates=tuple(_candidates(lines)),
        lite=any(name == "ice-lite" for name, _ in (*description.attributes, *media.attributes)),
        ice2="ice2" in _value("ice-options", description, media).split(),
        pacing_ms=min(int(pacing), MAX_PACING_MS) if re.fullmatch(r"\d{1,10}", pacing) else DEFAULT_PACING_MS,
        mismatch=not _default_is_candidate(description, media, lines),
    )


def credentials_of(body: bytes) -> tuple[str, str] | None:
    """Fragment and password of the first audio section that has them: others than before: a restart (§4.4.1.1.1)."""
    try:
        description = parse(body)
    except SipError:
        return None  # whoever takes the description says so
    for media in description.media:
        if media.kind.lower() == "audio" and media.port and (found := read_ice(description, media)) is not None:
            return found.ufrag, found.password
    return None


def _value(name: str, description: SessionDescription, media: MediaDescription) -> str:
    """The value of the section's own attribute, else of the session's (§5.4)."""
    for attributes in (media.attributes, description.attributes):
        for key, value in attributes:
            if key == name and value is not None:
                return value.strip()
    return ""


def _candidates(lines: Iterable[str]) -> Iterable[IceCandidate]:
    for line in lines:
        try:
            yield IceCandidate.parse(line)
        except ParseError:
            continue


def _default_is_candidate(description: SessionDescription, media: MediaDescription, lines: list[str]) -> bool:
    """§4.2.5: whether the default destination of each component stands among the candidates.

    A name does, and so does nobody's address, which means that no candidate was known yet.
    """
    connection = description.connection_of(media)
    if connection is None:
        return False
    listed = {key for line in lines if (key := _destination(line)) is not None}
    if not _is_listed(1, connection.address, media.port, listed):
        return False
    if media.rtcp_mux or not any(component == 2 for component, _, _ in listed):
        return True
    told = media.rtcp
    host = told.connection.address if told is not None and told.connection is not None else connection.address
    return _is_listed(2, host, told.port if told is not None else media.port + 1, listed)


def _is_listed(component: int, host: str, port: int, listed: set[tuple[int, str, int]]) -> bool:
    ip = literal_ip(host)
    if ip is None or (ip.is_unspecified and port == TRICKLING_PORT):
        return True
    return (component, str(ip), port) in listed


def _destination(line: str) -> tuple[int, str, int] | None:
    """Where a candidate leads, also one that we cannot use ourselves."""
    match = _CANDIDATE.fullmatch(" ".join(line.split()))
    if match is None:
        return None
    ip = literal_ip(match["host"])
    return int(match["component"]), match["host"].lower() if ip is None else str(ip), int(match["port"])
