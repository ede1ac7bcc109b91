"""One telephone of an extension: what it registered, and where requests to it are sent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.register_request import RegisterRequest, WantedContact
from voipnode.sipstack.routing import DEFAULT_PORTS, hop_to
from voipnode.sipstack.transport import Address, Hop
from voipnode.sipstack.uri import SipUri, normal_host, parse_uri


@dataclass(frozen=True, slots=True)
class Device:
    """A binding (RFC 3261 §10.3, RFC 5626 §6): `uri` and `params` as the telephone wrote them in its Contact.

    `source`: where its REGISTER came from, the connection included. `path`: Route values on the way to it. `expires_at`
    is the engine's monotonic time.
    """

    uri: SipUri
    params: str
    instance: str
    reg_id: int
    call_id: str
    cseq: int
    source: Hop
    path: tuple[str, ...]
    expires_at: float
    user_agent: str = ""

    @classmethod
    def of(cls, contact: WantedContact, request: RegisterRequest, source: Hop, expires_at: float) -> Device:
        """The binding that `contact` of this request makes."""
        return cls(
            uri=contact.uri,
            params=contact.params,
            instance=contact.instance,
            reg_id=contact.reg_id,
            call_id=request.call_id,
            cseq=request.cseq,
            source=source,
            path=request.path,
            expires_at=expires_at,
            user_agent=request.user_agent,
        )

    def is_of(self, contact: WantedContact) -> bool:
        """Whether a Contact names this binding: by its flow (RFC 5626 §6), else by its address (RFC 3261 §19.1.4)."""
        if contact.reg_id or self.reg_id:
            return (self.instance, self.reg_id) == (contact.instance, contact.reg_id)
        return self.uri.equivalent(contact.uri)

    def contact(self, now: float) -> str:
        """The Contact value that an answer to REGISTER lists."""
        return f"<{self.uri}>{self.params};expires={max(1, round(self.expires_at - now))}"

    @property
    def ends_with_connection(self) -> bool:
        """Whether nobody can be reached once the connection is gone: with a Path, it was a proxy's, which stays."""
        return self.source.reliable and not self.path

    @property
    def hop(self) -> Hop:
        """Where requests to it are sent: where its REGISTER came from, which the challenge has proven.

        So nobody is called at an address that is not his own, and a NAT in between is passed by the way that it knows
        (RFC 3581 §4, RFC 5626 §5.3). Only the port may be another one, where the Contact, or the first proxy of a Path,
        names the same host.
        """
        if self.ends_with_connection:
            return self.source
        source = replace(self.source, connection=None)  # a proxy's connections come and go
        named = self._named()
        if named is None or named.transport != source.transport:
            return source
        if normal_host(named.remote.host) != normal_host(source.remote.host):
            return source
        return replace(source, remote=Address(source.remote.host, named.remote.port), domain=named.domain)

    @property
    def is_behind_nat(self) -> bool:
        """Whether it is elsewhere than it says, over UDP."""
        at = Address(normal_host(self.uri.host), self.uri.port or DEFAULT_PORTS["UDP"])
        return not self.source.reliable and not self.path and self.hop.remote != at

    def _named(self) -> Hop | None:
        uri = NameAddr.parse(self.path[0]).uri if self.path else self.uri
        try:
            return hop_to(uri) if isinstance(uri, SipUri) else None
        except LocalError:  # a transport that we do not speak, though it has reached us
            return None

    # ---- what is remembered over a restart

    def to_record(self, left_s: float, now_utc_s: float) -> dict[str, Any]:
        """As JSON-ready data; its end as the time of day, in seconds since 1970."""
        return {
            "uri": str(self.uri),
            "params": self.params,
            "instance": self.instance,
            "reg_id": self.reg_id,
            "call_id": self.call_id,
            "cseq": self.cseq,
            "source": [self.source.transport, self.source.remote.host, self.source.remote.port],
            "path": list(self.path),
            "expires_utc_s": round(now_utc_s + left_s),
            "user_agent": self.user_agent,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any], now: float, now_utc_s: float) -> Device:
        """Back from `to_record`. Raises ValueError, TypeError, KeyError or ParseError for anything else."""
        transport, host, port = record["source"]
        uri = parse_uri(record["uri"])
        if not isinstance(uri, SipUri):
            raise ValueError(f"{uri} is no SIP URI")
        return cls(
            uri=uri,
            params=str(record["params"]),
            instance=str(record["instance"]),
            reg_id=int(record["reg_id"]),
            call_id=str(record["call_id"]),
            cseq=int(record["cseq"]),
            source=Hop(str(transport), Address(str(host), int(port))),
            path=tuple(str(value) for value in record["path"]),
            expires_at=now + float(record["expires_utc_s"]) - now_utc_s,
            user_agent=str(record["user_agent"]),
        )
