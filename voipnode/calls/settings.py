"""Settings of the call layer: `[sip]` of voipnode.toml; those of `[[accounts]]` are passed on from their own file."""

from __future__ import annotations

import ipaddress
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from voipnode.calls.access_settings import AccessSettings
from voipnode.calls.account_settings import AccountSettings, complete_accounts
from voipnode.calls.clips.settings import EarlyMediaSettings, IncomingSettings, SoundsSettings
from voipnode.calls.ice_settings import IceSettings
from voipnode.calls.network_settings import DnsSettings, NatSettings, Network, QosSettings
from voipnode.calls.registrar.settings import RegistrarSettings
from voipnode.calls.session_settings import RingbackSettings, SessionSettings
from voipnode.calls.transport_settings import Port, TlsSettings, WebSocketSettings, check_ports
from voipnode.calls.traversal_settings import MAX_SERVERS, StunSettings, TurnSettings, UpnpSettings
from voipnode.sipstack.config import PRIVATE_NETWORKS

__all__ = ["AccountSettings", "SipSettings", "complete_accounts"]


class SipSettings(BaseModel):
    """How the node speaks SIP; every time is in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(default=True, description="Take and place SIP calls at all.")
    hosts: tuple[str, ...] = Field(
        default=("0.0.0.0",),  # noqa: S104 -- who may call is decided by incoming_networks
        min_length=1,
        max_length=2,
        description='Addresses to listen on, at most one IPv4 and one IPv6; "0.0.0.0" and "::" are every one.',
    )
    port: Port = Field(default=5060, description="SIP port, UDP and TCP.")
    udp_to_tcp: bool = Field(
        default=True,
        description="Send a request of more than 1300 bytes over TCP for once, and over UDP where TCP is refused.",
    )
    rtp_start_port: Port = Field(default=4000, description="First RTP port; RTP takes even ports, RTCP the odd ones.")
    allow_incoming: bool = Field(default=True, description="Take incoming calls.")
    incoming_networks: tuple[Network, ...] = Field(
        default=PRIVATE_NETWORKS, description="Where incoming calls may come from; loopback and private networks."
    )
    trusted_callers: tuple[str, ...] = Field(
        default=(),
        description='Callers whose digits act in calls they place, as "user@address" or "address" (an IP address or'
        " network, compared with where the packets come from).",
    )
    calling_timeout_s: int = Field(default=60, ge=1, le=600, description="Give up an outgoing call nobody answers.")
    incoming_call_timeout_s: int = Field(default=60, ge=1, le=600, description="Give up an incoming call that rings.")
    max_call_duration_s: int | Literal["infinite"] = Field(
        default=600, description='End calls after this long, 1 to 3600 s, or "infinite".'
    )
    dead_call_timeout_s: int = Field(
        default=20, ge=5, le=600, description="End a call whose far side has sent neither RTP nor RTCP for this long."
    )
    follow_redirects: bool = Field(
        default=True, description="Call on where a called party redirects to (300, 301, 302), at most 10 addresses."
    )
    allow_transfer: Literal["never", "trusted", "always"] = Field(
        default="trusted",
        description="Whose wish to be transferred is carried out: nobody's; that of parties that the node called and of"
        " trusted callers; everybody's. Whoever may transfer has the node call any address.",
    )
    max_calls: int = Field(default=1, ge=1, le=4000, description="Calls at the same time; further ones hear busy.")
    registration_interval_s: int = Field(
        default=600, ge=10, le=86_400, description="Registrations are asked for with this validity."
    )
    max_retransmissions: int = Field(
        default=10, ge=0, le=10, description="Give up connecting to a server after so many unanswered repetitions."
    )
    failback_s: int = Field(
        default=60, ge=1, le=86_400, description="Return to the first server this long after a failover."
    )
    access: AccessSettings = AccessSettings()
    registrar: RegistrarSettings = RegistrarSettings()
    session: SessionSettings = SessionSettings()
    ringback: RingbackSettings = RingbackSettings()
    early_media: EarlyMediaSettings = EarlyMediaSettings()
    sounds: SoundsSettings = SoundsSettings()
    incoming: IncomingSettings = IncomingSettings()
    dtmf_payload_type: int = Field(default=101, ge=96, le=127, description="RTP payload type of telephone events.")

    dns: DnsSettings = DnsSettings()
    nat: NatSettings = NatSettings()
    qos: QosSettings = QosSettings()
    ice: IceSettings = IceSettings()
    tls: TlsSettings = TlsSettings()
    websocket: WebSocketSettings = WebSocketSettings()
    stun: StunSettings = StunSettings()
    turn: tuple[TurnSettings, ...] = Field(
        default=(), max_length=MAX_SERVERS, description="TURN servers, in the order in which they are tried."
    )
    upnp: UpnpSettings = UpnpSettings()

    @model_validator(mode="after")
    def _ports(self) -> Self:
        check_ports(self.port, self.tls, self.websocket)
        if self.upnp.enabled and self.upnp.rtp_pairs < self.max_calls:
            raise ValueError(
                f"upnp.rtp_pairs = {self.upnp.rtp_pairs}: a call has a pair of ports of its own, and sip.max_calls ="
                f" {self.max_calls}"
            )
        return self

    @field_validator("hosts")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        versions = []
        for host in value:
            try:
                versions.append(ipaddress.ip_address(host).version)
            except ValueError:
                raise ValueError(f'"{host}" is no IP address; write one of this machine, or 0.0.0.0 for all') from None
        if len(set(versions)) != len(versions):
            raise ValueError("at most one IPv4 and one IPv6 address can be listened on")
        return value

    @field_validator("max_call_duration_s")
    @classmethod
    def _duration(cls, value: int | str) -> int | str:
        if isinstance(value, int) and not 1 <= value <= 3600:
            raise ValueError('a call may last 1 to 3600 seconds, or "infinite"')
        return value

    @field_validator("trusted_callers")
    @classmethod
    def _callers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for caller in value:
            _, _, address = caller.rpartition("@")
            try:
                ipaddress.ip_network(address.strip("[]"), strict=False)
            except ValueError:
                raise ValueError(
                    f'"{caller}": write user@address or address with an IP address or network after the @, for example'
                    " alice@192.168.1.20; a name would be believed from anywhere"
                ) from None
        return value
