"""Telephones of the node's own on the virtual wire: they register at the switchboard, and call by its digest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import SecretStr

from tests.support.switchboard import DOOR, Phone, Switchboard, sdp
from voipnode.calls.registrar.settings import ExtensionSettings
from voipnode.sipstack import events as sip
from voipnode.sipstack.digest import Credentials
from voipnode.sipstack.endpoint import OutgoingInvite, OutsideRequest
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.message import Response
from voipnode.sipstack.transport import Hop
from voipnode.sipstack.uri import SipUri

PASSWORD = "correct horse"
OUTBOUND = (("Supported", "path, outbound"),)


def extension(number: str, **settings: Any) -> ExtensionSettings:
    return ExtensionSettings(number=number, password=SecretStr(PASSWORD), **settings)


class Memory:
    """What is remembered of one run for the next."""

    def __init__(self) -> None:
        self.records: dict[str, Sequence[dict[str, Any]]] = {}

    async def load(self) -> Mapping[str, Sequence[dict[str, Any]]]:
        return dict(self.records)

    def keep(self, number: str, records: Sequence[dict[str, Any]]) -> None:
        self.records[number] = records


class Telephone(Phone):
    """A telephone of the extension `number` at `host`."""

    def __init__(
        self,
        board: Switchboard,
        number: str,
        host: str,
        *,
        password: str = PASSWORD,
        transport: str = "UDP",
        plan: Callable[[Phone, sip.Event], None] | None = None,
    ) -> None:
        super().__init__(board.wire, f"{number}-{host}", host, plan=plan)
        self.number = number
        self.credentials = (Credentials(number, password),)
        self.node = Hop(transport, DOOR)
        self.aor = NameAddr(None, SipUri("sip", user=number, host=DOOR.host))
        self.series = self.endpoint.series(self.credentials)

    def contact(self, *, params: str = "", expires: int | None = None) -> str:
        transport = "" if self.node.transport == "UDP" else f";transport={self.node.transport.lower()}"
        ends = "" if expires is None else f";expires={expires}"
        return f"<sip:{self.number}@{self.address.host}{transport}>{params}{ends}"

    def register(
        self, *contacts: str, expires: int | None = 600, headers: tuple[tuple[str, str], ...] = (), user: str = ""
    ) -> Response:
        """Register, and give the answer that came within a second; no contacts: its own."""
        fields = [("Contact", contact) for contact in contacts or (self.contact(),) if contact]
        if expires is not None:
            fields.append(("Expires", str(expires)))
        aor = NameAddr(None, SipUri("sip", user=user or self.number, host=DOOR.host))
        request = OutsideRequest(
            "REGISTER",
            SipUri("sip", host=DOOR.host),
            aor,
            to=aor,
            hop=self.node,
            headers=(*fields, *headers),
            series=self.series,
        )
        token = self.endpoint.request(request, self.wire.now)
        self.wire.flush()
        self.wire.run(self.wire.now + 1.0)
        (answer,) = [event for event in self.of(sip.RequestFinished) if event.token == token]
        assert answer.response is not None, answer
        found: Response = answer.response
        return found

    def call_as(self, user: str = "door", *, caller: str = "", password: bool = True) -> str:
        """Call somebody at the node as this extension, or as who calls himself so."""
        self.session = self.endpoint.invite(
            OutgoingInvite(
                target=SipUri("sip", user=user, host=DOOR.host),
                from_=NameAddr(None, SipUri("sip", user=caller or self.number, host=DOOR.host)),
                contact_user=self.number,
                offer=sdp(self.address.host),
                hop=self.node,
                credentials=self.credentials if password else (),
            ),
            self.wire.now,
        )
        self.wire.flush()
        return self.session


def contacts_of(response: Response) -> list[str]:
    """The addresses that a 200 to REGISTER lists."""
    return [str(contact.uri) for contact in response.contacts]


def expires_of(response: Response) -> list[int]:
    return [int(contact.params.get("expires") or -1) for contact in response.contacts]
