"""The bell: rings whoever a name, or addresses, mean; the asynchronous part of it is finding out where they are."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from voipnode.calls.commands import PlaceCall, RingRecipients
from voipnode.calls.errors import CallError, NotNowError, UnknownNameError
from voipnode.calls.hooks import Tasks
from voipnode.calls.outgoing import MAX_LEGS
from voipnode.calls.ringing.directory import Directory
from voipnode.calls.ringing.parties import Found
from voipnode.calls.ringing.plan import Recipient, RingPlan
from voipnode.calls.settings import AccountSettings
from voipnode.calls.switch import Switch
from voipnode.calls.vms.ports import VMS, VMS_ACCOUNT
from voipnode.calls.ways import Way, Ways

log = logging.getLogger(__name__)


def utc_now() -> datetime:
    """The time of day."""
    return datetime.now(UTC)


class Bell:
    """Carries out the commands that place calls; to the switch it is the world's `Parties`.

    `clock` is the engine's monotonic time in seconds, `utc_now` the time of day. `lookups` are whose tasks it starts.
    """

    def __init__(
        self,
        switch: Switch,
        ways: Ways,
        directory: Directory,
        lookups: Tasks,
        clock: Callable[[], float],
        utc_now: Callable[[], datetime],
    ) -> None:
        self._switch = switch
        self._ways = ways
        self._directory = directory
        self._lookups = lookups
        self._clock = clock
        self._utc_now = utc_now
        switch.ring_by(self)

    async def place(self, command: PlaceCall) -> str:
        """Call an address, once it is known where that is, or whom a contact or group names."""
        account = self._switch.account(command.account)
        if self._directory.knows(command.to):
            return self._hunt(self._directory.plan(command.to), authorised=command.authorised)
        ways = await self._ways.each_to(command.to, account)
        plan = self._directory.of_addresses((command.to,), command.account)
        known = {command.to: ways}
        return self._switch.hunt(plan, account, self._clock(), known=known, authorised=command.authorised)

    async def ring(self, command: RingRecipients) -> str:
        """A button was pressed. The call is there at once; those it rings join it as they are found."""
        wanted = self._of_addresses if command.recipients else self._named
        plan = wanted(command)
        if command.fallback:
            plan = _followed_by(plan, self._directory.plan(command.fallback))
        return self._hunt(plan, authorised=True, button=command.button)

    def _of_addresses(self, command: RingRecipients) -> RingPlan:
        """Raises CallError where none of them could ever be called: one that cannot must not silence the others."""
        addresses = command.recipients
        telephones = sum(address != VMS for address in addresses)
        if telephones > MAX_LEGS:
            raise CallError(f"recipients: {telephones} given; 1 to {MAX_LEGS} can ring at the same time")
        account = self._switch.account(command.account)
        found: list[str] = []
        errors: list[CallError] = []
        for address in addresses:
            try:
                named = address == VMS or self._ways.extension(address)
                found.append(address if named else str(self._ways.target(address, account)))
            except CallError as error:
                log.warning("%s", error)
                errors.append(error)
        if not found:
            raise errors[0]
        return self._directory.of_addresses(found, command.account)

    def _named(self, command: RingRecipients) -> RingPlan:
        name = command.plan or self._directory.choose(command.rings, self._utc_now()) or command.fallback
        if not name:
            if not command.rings:
                raise CallError(f"recipients: none given; 1 to {MAX_LEGS} can ring at the same time")
            raise NotNowError("nobody is to be rung now: no schedule of the button's rings is active")
        return self._directory.plan(name)

    def _hunt(self, plan: RingPlan, *, authorised: bool, button: str = "") -> str:
        recipients = [recipient for stage in plan.stages for recipient in stage.recipients]
        names = [recipient.account for recipient in recipients if recipient.address != VMS]
        account = self._account(names) if names else VMS_ACCOUNT
        return self._switch.hunt(plan, account, self._clock(), authorised=authorised, button=button)

    def _account(self, names: Iterable[str]) -> AccountSettings:
        """The first of these that is active: an account that is not silences its own recipients, and no others."""
        for name in names:
            with suppress(UnknownNameError):
                return self._switch.account(name)
        return self._switch.account("")

    # The parties, for the switch

    def hindrance(self, recipient: Recipient) -> str:
        """Why it may not be rung now."""
        return self._directory.hindrance(recipient, self._utc_now())

    def find(self, recipient: Recipient, done: Found) -> None:
        """Find out where its telephones are."""
        self._lookups.start(self._find(recipient, done))

    async def _find(self, recipient: Recipient, done: Found) -> None:
        ways: Sequence[Way] = ()
        why = "the node stops"
        try:
            ways = await self._ways.each_to(recipient.address, self._switch.account(recipient.account))
        except CallError as error:
            why = str(error)
        finally:
            self._switch.resume(self._clock(), lambda: done(ways, why))


def _followed_by(plan: RingPlan, last: RingPlan) -> RingPlan:
    """The plan with one more fallback at the end of its chain, unless that comes in it anyway."""
    if plan.name == last.name:
        return plan
    return replace(plan, fallback=last if plan.fallback is None else _followed_by(plan.fallback, last))
