"""An INVITE that wants the place of a call of ours: which one it means, and whether it can be had (RFC 3891 §3)."""

from __future__ import annotations

from voipnode.sipstack.core import Core
from voipnode.sipstack.dialog import Dialog, DialogId
from voipnode.sipstack.errors import ParseError, RemoteError
from voipnode.sipstack.replaces import Replacement, Replaces
from voipnode.sipstack.server import is_peer, no_dialog
from voipnode.sipstack.session import UAC_TABLE, InviteSession, State
from voipnode.sipstack.transaction.events import ServerArrival

_ANSWERED = (State.CONFIRMED, State.ACCEPTED)


def find_replacement(core: Core, arrival: ServerArrival) -> Replacement | None:
    """The session that an INVITE is to replace; None where it has no Replaces.

    RemoteError 400 for several of them or a contradiction, 481 where nothing matches, 486 for one that is answered
    though `early-only` was asked for, 603 for one that is ending. Who may is for the layer above to say.
    """
    headers = arrival.request.headers
    if "replaces" not in headers:
        return None
    if headers.count("Replaces") > 1 or "join" in headers:
        raise ParseError("several fields say what this call is to replace")
    wanted = Replaces.parse(headers.get("Replaces") or "")
    found = [core.dialogs[dialog_id] for dialog_id in wanted.dialog_ids if dialog_id in core.dialogs]
    found = found or _picked_up(core, wanted)
    if len(found) != 1:
        raise no_dialog()
    session, dialog = found[0]
    if session.state in _ANSWERED:
        if wanted.early_only:
            raise RemoteError(486, "Busy Here")
    elif session.closing or session.state is not State.PROCEEDING:
        # Being ended: a call to replace it is not wanted either. Ringing here: no dialog of ours to give away.
        if session.table is UAC_TABLE or session.closing or session.state is State.HANGING:
            raise RemoteError(603, "Decline")
        raise no_dialog()
    early = session.state is State.PROCEEDING
    return Replacement(session.id, early=early, by_peer=is_peer(arrival.source, session, dialog))


def _picked_up(core: Core, wanted: Replaces) -> list[tuple[InviteSession, Dialog]]:
    """A call of ours that rings, with the tags the other way round: who has them from a dialog-info document may take
    the called telephone's for its own side's (RFC 4235 §4.1.1), while it is the caller that is asked."""
    found = core.dialogs.get(DialogId(wanted.call_id, wanted.from_tag, wanted.to_tag))
    return [found] if found is not None and found[0].state is State.PROCEEDING else []
