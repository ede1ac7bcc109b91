"""Text messages to the node, told to the house as they are: what they mean is for modules to decide."""

from __future__ import annotations

from voipnode.calls.core import CallCore
from voipnode.calls.events import TextReceived
from voipnode.calls.pace import Pace
from voipnode.calls.refusals import Refusals
from voipnode.sipstack import events as sip
from voipnode.sipstack.grammar import printable

TEXTS_AT_ONCE, TEXTS_PER_S = 10, 1


class Texts:
    """Publishes texts at a bounded pace: each is written to the disk. Strangers' never come this far."""

    def __init__(self, core: CallCore) -> None:
        self._core = core
        self._pace = Pace(burst=TEXTS_AT_ONCE, per_s=TEXTS_PER_S)
        self._lost = Refusals()

    def on_message(self, event: sip.MessageReceived) -> None:
        """A text came, in a call or outside."""
        call = self._core.table.of_session(event.session)
        if not self._pace.allows(self._core.now):
            self._lost.note(event.source.remote.host, "texts come too fast and are dropped", self._core.now)
            return
        self._core.bus.publish(
            TextReceived(
                at=self._core.now,
                call="" if call is None else call.id,
                sender=printable(str(event.request.from_.uri)),
                source=event.source.remote.host,
                text="\n".join(printable(line) for line in event.text.splitlines()),
            )
        )
