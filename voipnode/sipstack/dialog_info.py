"""Who is on the telephone, as others see it: documents of the event package "dialog" (RFC 4235 §4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

PACKAGE = "dialog"
CONTENT_TYPE = "application/dialog-info+xml"
NAMESPACE = "urn:ietf:params:xml:ns:dialog-info"
MAX_VERSION = 2**32 - 1


@dataclass(frozen=True, slots=True)
class DialogInfo:
    """One dialog of the observed user, from his side.

    `id` is unique among his; `local_tag` is his own; "" where there is none yet. `initiator`: he called. `state`:
    "trying", "early", "confirmed" or "terminated". `remote` is the other party's address, `remote_name` what it is
    called, `target` where it is reached.
    """

    id: str
    call_id: str
    local_tag: str
    remote_tag: str
    initiator: bool
    state: str
    remote: str = ""
    remote_name: str = ""
    target: str = ""

    def to_xml(self, entity: str) -> str:
        tags = "".join(
            f" {name}={quoteattr(value)}"
            for name, value in (
                ("call-id", self.call_id),
                ("local-tag", self.local_tag),
                ("remote-tag", self.remote_tag),
            )
            if value
        )
        direction = "initiator" if self.initiator else "recipient"
        name = f" display={quoteattr(self.remote_name)}" if self.remote_name else ""
        remote = ""
        if self.remote:
            target = f"<target uri={quoteattr(self.target or self.remote)}/>"
            remote = f"<remote><identity{name}>{escape(self.remote)}</identity>{target}</remote>"
        local = f"<local><identity>{escape(entity)}</identity></local>"
        return (
            f'<dialog id={quoteattr(self.id)}{tags} direction="{direction}"><state>{self.state}</state>'
            f"{local}{remote}</dialog>"
        )


class DialogPicture:
    """What one subscriber knows of one user: documents with rising versions, whole or with what is new (§4.3).

    `look` gives the dialogs that there are now. A dialog that is gone is told once, as terminated.
    """

    def __init__(self, entity: str, look: Callable[[], Sequence[DialogInfo]]) -> None:
        self._entity = entity
        self._look = look
        self._version = 0
        self._told: dict[str, DialogInfo] = {}

    def draw(self, *, whole: bool) -> bytes:
        """The next document. Where nothing is new it shows all there is: without any dialog it would say so (§3.3)."""
        now = {info.id: info for info in self._look()}
        gone = [_terminated(info) for key, info in self._told.items() if key not in now]
        news = [info for info in now.values() if self._told.get(info.id) != info]
        self._told = now
        whole = whole or not (news or gone)
        shown = list(now.values()) if whole else news + gone
        state = "full" if whole else "partial"
        version, self._version = self._version, (self._version + 1) % MAX_VERSION
        dialogs = "".join([info.to_xml(self._entity) for info in shown])
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<dialog-info xmlns="{NAMESPACE}" version="{version}"'
            f' state="{state}" entity={quoteattr(self._entity)}>{dialogs}</dialog-info>\n'
        ).encode("utf-8", "replace")


def _terminated(info: DialogInfo) -> DialogInfo:
    return DialogInfo(info.id, info.call_id, info.local_tag, info.remote_tag, info.initiator, "terminated", info.remote)
