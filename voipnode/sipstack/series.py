"""Requests outside a dialog that belong together, as the REGISTERs of one account do (RFC 3261 §10.2)."""

from __future__ import annotations

from dataclasses import dataclass

from voipnode.sipstack.digest import DigestSession


@dataclass(slots=True, eq=False)
class Series:
    """What they share: Call-ID, From tag, the CSeq of the last one, and what their challengers asked for."""

    call_id: str
    tag: str
    digest: DigestSession | None
    cseq: int = 0

    def next_cseq(self) -> int:
        self.cseq += 1
        return self.cseq
