"""Settings of the MQTT client: `[mqtt]` and `[[mqtt.subscriptions]]` of voipnode.toml."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

DEFAULT_PORTS = {"tcp": 1883, "tls": 8883, "ws": 80, "wss": 443}
MAX_SUBSCRIPTIONS = 64
Qos = Literal[0, 1, 2]


def _topic(text: str) -> str:
    """A topic that can be published to (MQTT 3.1.1 §4.7)."""
    if any(sign in text for sign in "+#\x00") or text.startswith("/") or text.endswith("/"):
        raise ValueError(f'"{text}" is no topic to publish to: neither + nor #, and no / at its ends')
    return text


def _filter(text: str) -> str:
    """A topic filter (§4.7.1): "+" is a whole level, "#" the whole rest."""
    levels = text.split("/")
    for number, level in enumerate(levels):
        is_last = number == len(levels) - 1
        if "\x00" in level or ("+" in level and level != "+") or ("#" in level and (level != "#" or not is_last)):
            raise ValueError(f'"{text}" is no topic filter: + stands for a whole level, # at the end for the rest')
    return text


Topic = Annotated[str, Field(max_length=255), AfterValidator(_topic)]
Filter = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_filter)]


class SubscriptionSettings(BaseModel):
    """Something that others publish, as a condition of rules."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=64, description="Its name in rules and events.")
    filter: Filter = Field(description="Which topics; + is a level, # the rest.")
    use_prefix: bool = Field(default=False, description="topic_prefix is put before the filter.")
    qos: Qos = 0
    on: str = Field(
        default="", max_length=255, description='With this payload it is on, with any other off; "": each is a moment.'
    )


class DiscoverySettings(BaseModel):
    """Home Assistant finds the door, its buttons and outputs by itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    prefix: Topic = Field(default="homeassistant", min_length=1, description="Where Home Assistant looks.")


class StatusMessage(BaseModel):
    """A message that tells whether the node is there: the first one, or the will that the broker publishes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    topic: Topic = Field(default="status", min_length=1, description="Behind topic_prefix.")
    payload: str = Field(default="", max_length=4096, description="Empty: online, or offline.")
    retain: bool = Field(default=True, description="The broker keeps it.")
    qos: Qos | None = Field(default=None, description="That of the others unless set.")


class VapixCondition(BaseModel):
    """Which events are published in the form of VAPIX, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: str = Field(
        default="//.",
        min_length=1,
        max_length=255,
        pattern=r"^[^+#\x00]+$",
        description='Such as "onvif:Device/axis:IO/Port"; "//." at the end is all below it, alone everything.',
    )
    retain: Literal["none", "property", "all"] = Field(
        default="none", description="What the broker keeps: nothing, states, or moments, too."
    )
    qos: Qos = 0


class VapixSettings(BaseModel):
    """Events also in the form in which Axis devices publish them, for clients that know those."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = False
    prefix: Topic = Field(default="", description="Before their topics; empty: topic_prefix and /event.")
    include_topic: bool = Field(default=True, description="The event's own topic is part of it.")
    include_namespaces: bool = Field(default=True, description="With tns:onvif and tns:axis in it.")
    include_serial: bool = Field(default=True, description="The serial number is in the payload.")
    serial: str = Field(
        default="", max_length=32, pattern=r"^[A-Za-z0-9_-]*$", description="Empty: the address of a network interface."
    )
    conditions: tuple[VapixCondition, ...] = Field(
        default=(VapixCondition(),), max_length=64, description="The first one that an event fits is its own."
    )


class MqttSettings(BaseModel):
    """The node as a client of an MQTT broker."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = False
    host: str = Field(default="", max_length=255, description="The broker: a name or an IP address.")
    transport: Literal["tcp", "tls", "ws", "wss"] = "tcp"
    port: int | None = Field(
        default=None, ge=1, le=65535, description="1883, with tls 8883, with ws 80, with wss 443 unless set."
    )
    path: str = Field(default="/mqtt", max_length=255, pattern=r"^/\S*$", description="Of WebSocket.")
    alpn: tuple[str, ...] = Field(default=(), max_length=4, description="Protocols to name in TLS (RFC 7301).")
    username: str = Field(default="", max_length=255)
    password: SecretStr = SecretStr("")
    client_id: str = Field(
        default="",
        max_length=64,
        pattern=r"^[^\s\x00]*$",
        description="Who we are; empty: voipnode- and the host's name.",
    )
    proxy: str = Field(
        default="", max_length=255, pattern=r"^(http://[^\s@/]+:\d{1,5}/?)?$", description="http://host:port (CONNECT)."
    )
    proxy_username: str = Field(default="", max_length=255)
    proxy_password: SecretStr = SecretStr("")
    reconnect: bool = Field(default=True, description="Off: once it is lost, the broker is left alone.")
    clean_session: bool = Field(default=True, description="The broker forgets us while we are away.")
    keep_alive_s: int = Field(default=60, ge=5, le=3600)
    timeout_s: float = Field(default=10.0, ge=1, le=60, description="For an answer of the broker.")
    ca: str = Field(default="", max_length=1024, description="Authority's certificates (PEM); empty: the system's.")
    verify: bool = Field(default=True, description="Off: whoever stands in the way can read and write all of it.")
    topic_prefix: Topic = Field(default="voipnode", min_length=1, description="Before each of our topics.")
    name: str = Field(default="", max_length=64, description="Of the device; empty: the node's name.")
    events: tuple[str, ...] = Field(
        default=("call.changed", "dtmf.matched", "input.changed", "door.opened", "door.refused", "access.granted",
                 "access.denied", "problem"),
        max_length=64,
        description='Which events are published, by their names; "all" is every one.',
    )  # fmt: skip
    qos: Qos = Field(default=1, description="Of what we publish.")
    retain: Literal["none", "states", "all"] = Field(
        default="states", description="What the broker keeps: nothing, states, or events, too."
    )
    connect_message: StatusMessage = StatusMessage()
    last_will: StatusMessage = StatusMessage()
    commands: bool = Field(
        default=False, description="Obey topics that open doors and press buttons: whoever may publish there may enter."
    )
    discovery: DiscoverySettings = DiscoverySettings()
    vapix: VapixSettings = VapixSettings()
    subscriptions: tuple[SubscriptionSettings, ...] = Field(default=(), max_length=MAX_SUBSCRIPTIONS)

    @property
    def broker_port(self) -> int:
        return DEFAULT_PORTS[self.transport] if self.port is None else self.port

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.enabled and not self.host:
            raise ValueError('host = "": the broker\'s name or address is needed where enabled = true')
        if self.password.get_secret_value() and not self.username:
            raise ValueError("password: a username is needed with it (MQTT 3.1.1 §3.1.2.9)")
        if self.proxy_username and not self.proxy:
            raise ValueError(f'proxy_username = "{self.proxy_username}": no proxy is set')
        if self.alpn and self.transport not in ("tls", "wss"):
            raise ValueError(f'alpn: it is part of TLS; transport = "tls" or "wss" has it, "{self.transport}" has not')
        if self.commands and not self.clean_session:
            raise ValueError(
                "clean_session = false: the broker would keep commands while we are away, and a door would open late;"
                " leave it true where commands = true"
            )
        names = [each.name for each in self.subscriptions]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f'the subscription name "{twice[0]}" is used twice; names must differ')
        return self
