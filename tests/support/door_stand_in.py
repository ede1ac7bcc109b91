"""Doors to be killed: processes with relay, entry, rules and event log, and nothing else of a node.

    python -m tests.support.door_stand_in

Reads one JSON object a line, {"folder": ..., "duration_s": ..., "seed": ...}, and forks a door for it, so that what has
to be loaded is loaded once. The door lets its one card in again and again, and writes what it does, a JSON object a
line: {"pid"}, {"ready"}, {"card": n} when one is shown, {"acknowledged": n, "outcome"}. When the door has ended, in
whatever way, {"ended": status} follows.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

from voipnode.calls.commands import AddHolder, ReadCard
from voipnode.calls.errors import FieldsError
from voipnode.calls.events import Event, NodeStarted, PortChanged
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.modules.entry.module import EntryModule
from voipnode.modules.entry.settings import EntrySettings
from voipnode.modules.relay.module import RelayModule
from voipnode.modules.relay.settings import RelaySettings
from voipnode.modules.rules.module import RulesModule
from voipnode.modules.rules.settings import RulesSettings
from voipnode.store.settings import StateSettings
from voipnode.store.state import EventLog

CARD = "04A1B2C3"
USES = 1000
PORTS = {"ports": [{"name": "door"}, {"name": "lamp"}]}
RULES = {
    "rules": [
        {
            "name": "Light for who comes in",
            "conditions": [{"is": "access_granted"}],
            "actions": [{"do": "pulse", "port": "lamp", "duration_s": 0.05}],
        }
    ]
}


def tell(**data: Any) -> None:
    """One line in one write, which is in the pipe as a whole or not at all, whenever we are killed."""
    os.write(1, json.dumps(data).encode() + b"\n")


async def run(folder: Path, duration_s: float, seed: int) -> None:
    """The door; ends only by a signal."""
    rng = random.Random(seed)
    bus = Bus(time.monotonic)
    log = EventLog(StateSettings(), folder, on_problem=lambda words: tell(problem=words))
    bus.subscribe(Event, lambda event: log.append(event.name, event.to_dict()), who="log")
    house = House(bus, Commands(), folder, written=log.flush)
    await log.start()
    relay = RelayModule(house, RelaySettings.model_validate(PORTS))
    await relay.start()
    await RulesModule(house, RulesSettings.model_validate(RULES)).start()
    await EntryModule(house, EntrySettings(port="door", duration_s=duration_s), cost=16).start()
    with contextlib.suppress(FieldsError):  # she is known of the run before
        await house.commands.execute(AddHolder(values={"name": "Anna", "card_uid": CARD, "uses_left": USES}))
    bus.publish(NodeStarted(version="0"))
    closed = asyncio.Event()
    bus.subscribe(
        PortChanged,
        lambda event: closed.set() if event.port == "door" and not event.active else None,
        who="stand-in",
    )
    tell(ready=True, previous=relay.previous)
    for number in count(1):
        closed.clear()
        tell(card=number)
        outcome = await house.commands.execute(ReadCard(reader="outside", uid=CARD))
        tell(acknowledged=number, outcome=outcome)
        if outcome == "granted":
            await closed.wait()
        await asyncio.sleep(rng.uniform(0.0, 0.02))


def main() -> None:
    for line in sys.stdin:
        told = json.loads(line)
        pid = os.fork()
        if pid == 0:
            tell(pid=os.getpid())
            asyncio.run(run(Path(told["folder"]), told["duration_s"], told["seed"]))
        _, status = os.waitpid(pid, 0)
        tell(ended=status)


if __name__ == "__main__":
    main()
