"""The plug-in without a node: a bus, commands and a folder are all that it needs."""

from __future__ import annotations

import asyncio
from pathlib import Path

from voipnode_doorbell_counter import DESCRIPTOR, Counted, SetCount, Settings

from voipnode.calls.events import ButtonPressed
from voipnode.calls.hooks import Bus, Commands, House


def test_every_second_press_of_the_gate_is_told_and_the_count_outlives_a_restart(tmp_path: Path) -> None:
    async def story() -> None:
        told: list[int] = []
        for _ in range(2):
            bus, commands = Bus(lambda: 1.0), Commands()
            bus.subscribe(Counted, lambda event: told.append(event.count), who="test")
            counter = DESCRIPTOR.build(House(bus, commands, tmp_path), Settings(button="gate", every=2))
            await counter.start()
            for button in ("gate", "door", "gate", "gate"):
                bus.publish(ButtonPressed(button=button, source="test"))
            await counter.stop()
            bus.publish(ButtonPressed(button="gate", source="test"))
        assert told == [2, 4, 6]
        await counter.start()
        assert await commands.execute(SetCount(count=41)) == "6"
        assert counter.count == 41

    asyncio.run(story())
