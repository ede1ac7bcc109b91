"""The Replaces field: an INVITE that takes the place of a dialog (RFC 3891), plain and inside a Refer-To URI."""

from __future__ import annotations

import re
from dataclasses import dataclass

from voipnode.sipstack.dialog import Dialog, DialogId
from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.grammar import is_token
from voipnode.sipstack.params import Params
from voipnode.sipstack.uri import SipUri, unescape

REPLACES = "replaces"  # the option tag

_CALL_ID = re.compile(r'[^\x00-\x20\x7f;,"]{1,512}')
# What hvalue may hold unescaped (RFC 3261 §25.1: hnv-unreserved and unreserved).
_ESCAPE = re.compile(r"[^A-Za-z0-9\-_.!~*'()\[\]/?:+$]")


@dataclass(frozen=True, slots=True)
class Replaces:
    """A Replaces value, read by the one who is asked: `to_tag` is its own tag, `from_tag` the other party's."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    @classmethod
    def parse(cls, text: str) -> Replaces:
        """Raises ParseError where the Call-ID is malformed, or a tag is missing (RFC 3891 §6.1)."""
        call_id, semicolon, tail = text.partition(";")
        call_id = call_id.strip(" \t")
        params = Params.parse(semicolon + tail)
        to_tag, from_tag = params.get("to-tag"), params.get("from-tag")
        if not _CALL_ID.fullmatch(call_id) or to_tag is None or from_tag is None:
            raise ParseError("malformed Replaces")
        if not is_token(to_tag) or not is_token(from_tag):
            raise ParseError("malformed tag in Replaces")
        return cls(call_id, to_tag, from_tag, "early-only" in params)

    @classmethod
    def of_dialog(cls, dialog: Dialog) -> Replaces:
        """What the other party of this dialog is to be shown, so that it finds its own end of it."""
        return cls(dialog.id.call_id, dialog.id.remote_tag or "0", dialog.id.local_tag or "0")

    @property
    def dialog_ids(self) -> tuple[DialogId, ...]:
        """The dialogs that it may mean at the one who is asked; a tag of 0 also matches a missing one (§6.1)."""
        exact = DialogId(self.call_id, self.to_tag, self.from_tag)
        if "0" not in (self.to_tag, self.from_tag):
            return (exact,)
        bare = DialogId(
            self.call_id, "" if self.to_tag == "0" else self.to_tag, "" if self.from_tag == "0" else self.from_tag
        )
        return (exact, bare)

    def __str__(self) -> str:
        flag = ";early-only" if self.early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{flag}"


@dataclass(frozen=True, slots=True)
class Replacement:
    """What an INVITE with Replaces is to take the place of: a session of ours.

    `early`: one of ours that rings at the far side. `by_peer`: it comes from where requests of that dialog come from.
    """

    session: str
    early: bool
    by_peer: bool


def referring_to(target: SipUri, replaces: Replaces) -> SipUri:
    """`target` as a Refer-To URI that has the new call take the place of a dialog (RFC 3891 §5, RFC 5589 §7.1)."""
    escaped = _ESCAPE.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8")), str(replaces))
    return target.with_(headers=(("Replaces", escaped),))


def replaces_in(uri: SipUri) -> Replaces | None:
    """The Replaces that a Refer-To URI carries, None where it has none; ParseError for a malformed or second one.

    Every other header of the URI is left where it is: who refers us does not write our requests (RFC 3261 §19.1.5).
    """
    values = [unescape(value) for name, value in uri.headers if unescape(name).lower() == "replaces"]
    if len(values) > 1:
        raise ParseError("more than one Replaces in Refer-To")
    return Replaces.parse(values[0]) if values else None
