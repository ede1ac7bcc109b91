"""Settings of the multicast controller: `[multicast]` and `[[multicast.sources]]` of voipnode.toml."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from voipnode.media.srtp import SUITES

MAX_SOURCES = 32
Codec = Literal["PCMU", "PCMA", "G722", "opus", "L16/8000", "L16/16000"]
Suite = Literal[
    "AES_CM_128_HMAC_SHA1_80",
    "AES_CM_128_HMAC_SHA1_32",
    "AES_256_CM_HMAC_SHA1_80",
    "AES_256_CM_HMAC_SHA1_32",
    "AEAD_AES_128_GCM",
    "AEAD_AES_256_GCM",
]


class MulticastSourceSettings(BaseModel):
    """One group that is listened to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str = Field(min_length=1, max_length=64, description="Its name in events and logs.")
    address: str = Field(description="The multicast group: 224.0.1.0 to 239.255.255.255, or an IPv6 one (ff..).")
    port: Annotated[int, Field(ge=1024, le=65535)] = Field(description="The UDP port of its RTP.")
    priority: int = Field(default=50, ge=1, le=100, description="The higher one is heard, and interrupts a lower one.")
    profile: Literal["AVP", "SAVP"] = Field(
        default="AVP", description="RTP in the clear (RFC 3551), or SRTP (RFC 3711), which needs srtp_key."
    )
    srtp_key: SecretStr = Field(
        default=SecretStr(""), description="SRTP's master key and salt, in base64 as behind inline: in SDP (RFC 4568)."
    )
    srtp_suite: Suite = Field(default="AES_CM_128_HMAC_SHA1_80", description="SRTP's crypto suite.")
    sender: str = Field(default="", description='The IP address that alone may send; "" is anybody.')
    during_call: Literal["wait", "mix", "hold"] = Field(
        default="wait",
        description="What happens while a call is on: it waits, is heard beside the call (by the far side, too), or the"
        " call is put on hold for it.",
    )
    gain_db: float = Field(default=0.0, ge=-40.0, le=20.0, description="How much louder it is played, in dB.")

    @field_validator("address")
    @classmethod
    def _group(cls, value: str) -> str:
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            raise ValueError(f'"{value}" is no IP address; write a multicast group, for example 239.0.0.1') from None
        if not address.is_multicast or (address.version == 4 and address in ipaddress.ip_network("224.0.0.0/24")):
            raise ValueError(
                f'"{value}" is no group for sound; 224.0.1.0 to 239.255.255.255 are, and IPv6 addresses with ff'
            )
        return str(address)

    @field_validator("sender")
    @classmethod
    def _host(cls, value: str) -> str:
        if not value:
            return value
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            raise ValueError(f'"{value}" is no IP address; write the sender\'s, or "" for anybody') from None
        if address.is_multicast or address.is_unspecified:
            raise ValueError(f'"{value}" is nobody\'s address; write the sender\'s, or "" for anybody')
        return str(address)

    @model_validator(mode="after")
    def _keyed(self) -> Self:
        key = self.srtp_key.get_secret_value()
        if self.profile == "AVP":
            if key:
                raise ValueError('srtp_key is given, but profile = "AVP" is in the clear; set profile = "SAVP"')
            return self
        suite = SUITES[self.srtp_suite]
        wanted = suite.key_bytes + suite.salt_bytes
        try:
            found = len(base64.b64decode(key, validate=True))
        except (binascii.Error, ValueError):
            raise ValueError(f"srtp_key is not base64; {wanted} bytes of key and salt are right") from None
        if found != wanted:
            raise ValueError(f"srtp_key has {found} bytes; {self.srtp_suite} wants {wanted} (key and salt)")
        return self

    @property
    def key_salt(self) -> bytes:
        """SRTP's master key with its salt behind it; empty in the clear."""
        return base64.b64decode(self.srtp_key.get_secret_value())


class MulticastSettings(BaseModel):
    """Announcements by RTP multicast, played at the door's loudspeaker."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(default=False, description="Listen to the sources.")
    codec: Codec = Field(default="PCMU", description="What all sources send.")
    payload_type: int | None = Field(
        default=None, ge=0, le=127, description="Its RTP number, where it has none of its own: 96 unless set."
    )
    interface: str = Field(
        default="", max_length=15, description='The network interface to listen on ("eth0"); "" follows the routes.'
    )
    sources: tuple[MulticastSourceSettings, ...] = Field(default=(), max_length=MAX_SOURCES)

    @field_validator("payload_type")
    @classmethod
    def _payload_type(cls, value: int | None) -> int | None:
        if value is not None and 64 <= value <= 95:  # would look like RTCP (RFC 5761 §4)
            raise ValueError(f"payload type {value}: 0 to 63 or 96 to 127 is right")
        return value

    @model_validator(mode="after")
    def _different(self) -> Self:
        labels: dict[str, int] = {}
        places: dict[tuple[str, int], str] = {}
        for index, source in enumerate(self.sources):
            if source.label in labels:
                raise ValueError(
                    f'sources.{index}.label: "{source.label}" is used by sources.{labels[source.label]} already'
                )
            labels[source.label] = index
            place = source.address, source.port
            if place in places:
                raise ValueError(
                    f'sources.{index}: {source.address} port {source.port} is that of "{places[place]}" already'
                )
            places[place] = source.label
        return self
