"""Does the actions of rules, one after the other, and ends those that last only for as long as their rule is active."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

from voipnode.calls.commands import Command
from voipnode.calls.errors import CallError
from voipnode.calls.hooks import Commands
from voipnode.modules.rules.actions import Fired, Wait
from voipnode.modules.rules.active import Active

log = logging.getLogger(__name__)


class Doing:
    """Asks `commands` for what rules do. `problem(rule, words)` and `note(rule, because, outcome)` tell of it."""

    def __init__(
        self, commands: Commands, *, problem: Callable[[str, str], None], note: Callable[[str, str, str], None]
    ) -> None:
        self._commands = commands
        self._problem = problem
        self._note = note
        self._held: Counter[Command] = Counter()  # what several rules hold ends with the last of them

    async def do(self, active: Active, because: str, call: str) -> None:
        """Do the actions of a rule that has fired; one that fails is told, and the next is done all the same."""
        settings = active.rule.settings
        fired = Fired(settings.name, because, call)
        failed = []
        for number, action in enumerate(settings.actions, 1):
            if isinstance(action, Wait):
                await asyncio.sleep(action.for_s)
                continue
            if action.lasts and not active.rule.lasts():
                continue  # it would be over before it began
            for command in action.commands(fired):
                if why := await self._carry_out(command):
                    failed.append(f"action {number} ({action.kind}): {why}")
                    self._problem(settings.name, failed[-1])
            undo, held = action.undo(fired), action.undo(_ANYBODY)
            if action.lasts and undo is not None and held is not None and held not in active.lasting:
                active.lasting[held] = undo
                self._held[held] += 1
                if not active.rule.lasts():
                    await self.undo(active)  # it has come to its end meanwhile
        self._note(settings.name, because, "; ".join(failed) or "done")

    async def undo(self, active: Active) -> None:
        """End what was to last for as long as the rule is active, the last one first."""
        ending, active.lasting = active.lasting, {}
        for held, command in reversed(ending.items()):
            self._held[held] -= 1
            if self._held[held] > 0:
                continue
            del self._held[held]
            if why := await self._carry_out(command):
                self._problem(active.name, f"{type(command).__name__} at its end: {why}")

    async def _carry_out(self, command: Command) -> str:
        """Why it could not be carried out; "" where it was."""
        try:
            await self._commands.execute(command)
        except CallError as error:
            return str(error)
        except Exception:  # the edge of another module: one action's failure must not keep the next from being done
            log.exception("%s, asked for by a rule", type(command).__name__)
            return "failed: see the log"
        return ""


_ANYBODY = Fired("", "", "")  # so that what two rules hold is the same
