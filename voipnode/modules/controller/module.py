"""The controller module: hands what the entry list does not know to the door controller, and tells what it shows."""

from __future__ import annotations

import asyncio
import json

from voipnode.calls.commands import ForwardCredential, ShowController
from voipnode.calls.errors import CallError
from voipnode.calls.events import ControllerChanged, CredentialForwarded, Problem, ReaderChanged, ReaderFeedback
from voipnode.calls.hooks import House, ModuleDescriptor, Subscription, Tasks
from voipnode.credentials.bits import CredentialError, of_uid
from voipnode.modules.controller.link import NOT_CONNECTED, ControllerLink
from voipnode.modules.controller.settings import ControllerSettings

NAME = "controller"
KEY_FILE = "controller.key"  # in the state folder
MAX_READERS = 64


def make_link(house: House, settings: ControllerSettings) -> ControllerLink | None:
    """The link that the settings name, the only one of which anything is loaded."""
    match settings.protocol:
        case "osdp":
            from voipnode.hardware.key_file import KeyFile
            from voipnode.modules.controller.osdp_link import OsdpLink

            return OsdpLink(settings.osdp, KeyFile(house.state_dir / KEY_FILE))
        case "wiegand":
            from voipnode.modules.controller.wiegand_link import WiegandLink

            return WiegandLink(settings.wiegand)
        case "http":
            from voipnode.modules.controller.vapix_link import VapixLink

            return VapixLink(settings.http, house.bus.clock)
        case "none":
            return None


class ControllerModule:
    """The door controller of `settings`. It knows of one reader, whatever readers there are: what it wants to be shown
    until told otherwise is shown at all of them, an answer at the one whose card or keys it got last."""

    def __init__(self, house: House, settings: ControllerSettings, link: ControllerLink | None = None) -> None:
        self._bus = house.bus
        self._commands = house.commands
        self._settings = settings
        self._link = link or make_link(house, settings)
        self._house = house
        self._state = (NOT_CONNECTED, "")
        self._readers: dict[str, None] = {}  # in the order in which they were heard of
        self._last = ""
        self._places: list[Subscription] = []
        self._taken: Subscription | None = None  # the command to forward, while there is a link
        self._changing = asyncio.Lock()
        self._tasks = Tasks(NAME)

    async def start(self) -> None:
        """Reach for the controller; one that is not there is sought. Without one, nothing is forwarded to nobody."""
        self._places = [
            self._commands.register(ShowController, self._show, who=NAME),
            self._bus.subscribe(ReaderChanged, lambda event: self._know(event.reader), who=NAME),
        ]
        await self._begin()

    async def _begin(self) -> None:
        if self._link is not None:
            self._taken = self._commands.register(ForwardCredential, self._forward, who=NAME)
            await self._link.start(self)

    async def _end(self) -> None:
        if self._taken is not None:
            self._taken.cancel()
            self._taken = None
        if self._link is not None:
            await self._link.stop()

    def use(self, settings: ControllerSettings) -> None:
        """Have this controller from now on."""
        if settings != self._settings:
            self._settings = settings
            self._tasks.start(self._change(settings))

    async def _change(self, settings: ControllerSettings) -> None:
        async with self._changing:
            await self._end()
            self._link = make_link(self._house, settings)
            self.linked(NOT_CONNECTED, "" if self._link is None else "its settings have changed")
            try:
                await self._begin()
            except CallError as error:
                self._bus.publish(Problem(at=self._bus.clock(), where=NAME, detail=str(error)))

    async def stop(self) -> None:
        await self._tasks.close()
        for place in self._places:
            place.cancel()
        self._places = []
        await self._end()

    async def _forward(self, command: ForwardCredential) -> str:
        link = self._link
        assert link is not None
        self._know(command.reader)
        self._last = command.reader  # before it is told: the answer may come at once
        if command.keys:
            await link.keys(command.keys, command.reader)
        else:
            try:
                bits = of_uid(command.uid, command.bits)
            except CredentialError as error:
                raise CallError(f"uid: {error}") from None
            await link.card(bits, command.reader)
        by = "pin" if command.keys else "card"
        self._bus.publish(CredentialForwarded(at=self._bus.clock(), reader=command.reader, by=by, to=link.name))
        return "forwarded"

    def _know(self, reader: str) -> None:
        if len(self._readers) < MAX_READERS:
            self._readers[reader] = None

    def _show(self, command: ShowController) -> str:
        state, detail = self._state
        found = self._link.found if self._link is not None else ()
        names = [{"name": each.name, "token": each.token} for each in found]
        return json.dumps({"protocol": self._settings.protocol, "state": state, "detail": detail, "entrances": names})

    # -- what the link tells

    def linked(self, state: str, detail: str = "") -> None:
        self._state = state, detail
        self._bus.publish(
            ControllerChanged(at=self._bus.clock(), protocol=self._settings.protocol, state=state, detail=detail)
        )

    def shown(self, led: str, for_s: float = 0.0, beeps: int = 0) -> None:
        is_answer = for_s > 0 or beeps > 0
        for reader in (self._last,) if is_answer and self._last else tuple(self._readers):
            self._bus.publish(ReaderFeedback(at=self._bus.clock(), reader=reader, led=led, for_s=for_s, beeps=beeps))


def build(house: House, settings: ControllerSettings) -> ControllerModule:
    return ControllerModule(house, settings)


DESCRIPTOR = ModuleDescriptor(NAME, ControllerSettings, build)
