"""What a REGISTER asks for, read and bounded (RFC 3261 §10.2, RFC 3327 §5.3, RFC 5626 §6). Bindings are for others."""

from __future__ import annotations

from dataclasses import dataclass

from voipnode.sipstack.errors import ParseError, RemoteError
from voipnode.sipstack.extension_fields import has_option
from voipnode.sipstack.fields import parse_delta_seconds
from voipnode.sipstack.grammar import parse_number, printable
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.message import Request
from voipnode.sipstack.uri import SipUri, unescape

OPTION_TAGS = ("path", "outbound")  # what a REGISTER may require of a registrar here, beside what every request may
MAX_CONTACTS = 16  # of one request, those that it takes away included
MAX_CONTACT_CHARS = 768  # with all of its parameters: what is bound is written into every answer
MAX_PATHS = 8
MAX_PATH_CHARS = 512
MAX_CALL_ID_CHARS = 256
MAX_REG_ID = 2**31 - 1  # RFC 5626 §4.2: 1 to 2**31-1
NO_OUTBOUND = (439, "First Hop Lacks Outbound Support")


@dataclass(frozen=True, slots=True)
class WantedContact:
    """One Contact value: the address, how long it shall be bound, and what it says of the telephone.

    `expires_s` None: neither the value nor the request says it. `params` are its field parameters as they came, but
    for expires. `instance` and `reg_id` name a flow of a telephone (RFC 5626 §6), "" and 0 where they do not.
    """

    uri: SipUri
    params: str
    expires_s: int | None
    instance: str = ""
    reg_id: int = 0


@dataclass(frozen=True, slots=True)
class RegisterRequest:
    """A REGISTER as a whole.

    `user` is that of the address-of-record, without escapes and parameters (§10.3 step 5). `remove_all`: `Contact: *`.
    `path`: Route values for requests to the telephone, in order. `direct`: nobody stands between the telephone and us.
    `outbound`: the telephone keeps flows, and so does whoever it reached first (RFC 5626 §6).
    """

    user: str
    call_id: str
    cseq: int
    contacts: tuple[WantedContact, ...]
    remove_all: bool
    path: tuple[str, ...]
    direct: bool
    outbound: bool
    user_agent: str


def read_register(request: Request) -> RegisterRequest:
    """Read a REGISTER; RemoteError 400 for what must not be, 420 and 439 for a Path that cannot be kept to."""
    aor = request.to.uri
    if not isinstance(aor, SipUri):
        raise RemoteError(404, "Not Found")  # §10.3 step 5: no address-of-record of this domain
    path = _path(request)
    direct = len(request.vias) == 1
    supports_outbound = has_option(request.supported, "outbound")
    outbound = supports_outbound and (direct or _is_ob(path))
    contacts = _contacts(request, outbound=outbound)
    if supports_outbound and not outbound and any("reg-id" in contact.params for contact in request.contacts):
        raise RemoteError(*NO_OUTBOUND)
    call_id = request.call_id
    if len(call_id) > MAX_CALL_ID_CHARS:
        raise RemoteError(400, "Call-ID Is Too Long")
    return RegisterRequest(
        user=unescape(aor.user or ""),
        call_id=call_id,
        cseq=request.cseq.number,
        contacts=contacts,
        remove_all=request.contact_star,
        path=path,
        direct=direct,
        outbound=outbound and any(contact.reg_id for contact in contacts),
        user_agent=printable(request.headers.first("user-agent") or "")[:64],
    )


def _contacts(request: Request, *, outbound: bool) -> tuple[WantedContact, ...]:
    if "Contact" not in request.headers:
        return ()
    if request.contact_star:
        if request.expires != 0:  # §10.3 step 6
            raise RemoteError(400, "Contact * Needs Expires 0")
        return ()
    contacts = request.contacts
    if len(contacts) > MAX_CONTACTS:
        raise RemoteError(400, "Too Many Contacts")
    wanted = tuple(_wanted(contact, request.expires, outbound=outbound) for contact in contacts)
    staying = [contact for contact in wanted if contact.expires_s != 0]
    if len(staying) > 1 and any(contact.reg_id for contact in staying):
        raise RemoteError(400, "One Flow Is Registered At A Time")  # RFC 5626 §6
    return wanted


def _wanted(contact: NameAddr, expires_s: int | None, *, outbound: bool) -> WantedContact:
    uri = contact.uri
    if not isinstance(uri, SipUri):
        raise RemoteError(400, "Only SIP Addresses Are Bound")
    if len(str(contact)) > MAX_CONTACT_CHARS:
        raise RemoteError(400, "Contact Is Too Long")
    own = contact.params.get("expires")
    if own is not None:
        expires_s = _seconds(own)
    instance = contact.params.get("+sip.instance") or ""
    params = contact.params.without("expires")
    # RFC 5626 §6: a reg-id without an instance is ignored, and so it is where outbound is not for this registration.
    reg_id = _reg_id(contact.params.get("reg-id")) if instance and outbound else 0
    return WantedContact(uri, str(params), expires_s, instance, reg_id)


def _seconds(text: str) -> int:
    try:
        return parse_delta_seconds(text)
    except ParseError:
        return 3600  # §10.2.1.1: malformed values SHOULD be treated as equivalent to 3600


def _reg_id(text: str | None) -> int:
    return 0 if text is None else parse_number(text, MAX_REG_ID, "reg-id")


def _path(request: Request) -> tuple[str, ...]:
    if "Path" not in request.headers:
        return ()
    values = request.headers.values("Path")
    if not has_option([*request.supported, *request.require], "path"):
        # RFC 3327 §5.3: somebody put himself in between whom the telephone cannot know of.
        raise RemoteError(420, "Bad Extension", (("Unsupported", "path"),))
    if len(values) > MAX_PATHS or any(len(value) > MAX_PATH_CHARS for value in values):
        raise RemoteError(400, "Path Is Too Long")
    for value in values:
        if not isinstance(NameAddr.parse(value).uri, SipUri):
            raise RemoteError(400, "A Path Is A SIP URI")
    return tuple(values)


def _is_ob(path: tuple[str, ...]) -> bool:
    """Whether the telephone's first hop keeps flows: it is the last of a Path (RFC 3327 §5.1), while RFC 5626 §6 looks
    at the first, which is the same one nearly always."""
    ends = [NameAddr.parse(value).uri for value in (path[:1] + path[-1:])]
    return any(isinstance(uri, SipUri) and "ob" in uri.params for uri in ends)
